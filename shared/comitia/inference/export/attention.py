"""The graph that also tells where a decoder looks: attention.onnx, over the data of model.onnx.

Made of plain.onnx, as it runs one token at a time: same inputs, outputs and weights; in addition
attention.<layer> [B, heads, S, tokens], the probabilities that GroupQueryAttention mixes values
with. A graph of its own, because the operator writes them whether they are read or not.
"""

from pathlib import Path

import onnx
from onnx import helper

from comitia.inference.attending import ATTENTION
from comitia.inference.runner import PLAIN

# GroupQueryAttention's attribute qk_output: after the softmax.
_PROBABILITIES = 2


def write_attention(folder: Path) -> None:
    """Write attention.onnx beside the plain.onnx of a decoder."""
    model = onnx.load(str(folder / PLAIN), load_external_data=False)
    kinds = {entry.name: entry.type.tensor_type.elem_type for entry in model.graph.input}
    kind = kinds["past_key_values.0.key"]
    nodes = [node for node in model.graph.node if node.op_type == "GroupQueryAttention"]
    for layer, node in enumerate(nodes):
        name = f"attention.{layer}"
        node.output.append(name)
        node.attribute.append(helper.make_attribute("qk_output", _PROBABILITIES))
        sizes = ["B", None, "S", None]
        model.graph.output.append(helper.make_tensor_value_info(name, kind, sizes))
    onnx.save(model, str(folder / ATTENTION))
