"""A graph's twin that rounds nothing on its way: the same nodes and weights, floats of 32 bits.

What a graph of a 16-bit or integer form answers differs from its weights' exact answer by rounded
activations; its twin's answer does not, so it can be compared to the last digits.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from comitia.inference.export.graph import DATA
from comitia.inference.placement import graph_of

_SHORT = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def write_twin(folder: Path, twin: Path) -> Path:
    """The twin of the model in `folder`, as the file `twin` beside it; its data lies in a file of
    its own where that differs. Products on blocks take their input as floats.
    """
    model = onnx.load(str(graph_of(folder, "rows")), load_external_data=False)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":
                attribute.i = 1
    short = [tensor for tensor in model.graph.initializer if tensor.data_type in _SHORT]
    if short:
        for entry in (*model.graph.input, *model.graph.output):
            if entry.type.tensor_type.elem_type in _SHORT:
                entry.type.tensor_type.elem_type = TensorProto.FLOAT
        with twin.with_name(f"{twin.name}.data").open("wb") as data:
            for tensor in short:
                _widen(tensor, folder, data)
    onnx.save(model, str(twin))
    return twin


def _widen(tensor: TensorProto, folder: Path, data: Any) -> None:
    """The tensor in 32 bits, its bytes in `data` where they were outside the model file."""
    if tensor.data_location != TensorProto.EXTERNAL:
        wide = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
        return
    facts = {entry.key: entry for entry in tensor.external_data}
    assert facts["location"].value == DATA, "all weights lie in one file"
    kind: Any = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    start, length = int(facts["offset"].value), int(facts["length"].value)
    stored = np.memmap(folder / DATA, kind, "r", start, (length // 2,))
    facts["location"].value = Path(data.name).name
    facts["offset"].value, facts["length"].value = str(data.tell()), str(2 * length)
    stored.astype(np.float32).tofile(data)
    tensor.data_type = TensorProto.FLOAT
