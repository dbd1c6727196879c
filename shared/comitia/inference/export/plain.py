"""The graph for older versions of ONNX Runtime: plain.onnx, over the data of model.onnx.

Same inputs but query_seqlens, which GroupQueryAttention has since 1.32; the same outputs and
weights. A run of it takes single tokens of several rows, or one piece of one row.
"""

from pathlib import Path

import onnx

from comitia.inference.export.graph import MODEL
from comitia.inference.runner import PLAIN

_INPUT = "query_seqlens"


def write_plain(folder: Path) -> None:
    """Write plain.onnx beside the model.onnx of a decoder."""
    model = onnx.load(str(folder / MODEL), load_external_data=False)
    for node in model.graph.node:
        if node.op_type == "GroupQueryAttention":
            named = [name for name in node.input if name != _INPUT]
            while not named[-1]:
                named.pop()
            node.input[:] = named
    kept = [entry for entry in model.graph.input if entry.name != _INPUT]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    onnx.save(model, str(folder / PLAIN))
