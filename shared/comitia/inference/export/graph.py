"""A graph under construction: nodes and small tensors in model.onnx, weights in model.onnx.data.

Weights reach the data file one at a time, so building needs the memory of the largest tensor and
not of the model. Equal inputs give equal bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import (
    NodeProto,
    StringStringEntryProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
    save,
)

from comitia.inference.export.blocks import BLOCK, Blocks

MODEL, DATA = "model.onnx", "model.onnx.data"
_OPSET, _IR = 21, 10
# Operators of ONNX Runtime's own domain (docs/ContribOperators.md of onnxruntime).
_CONTRIB = {
    "Attention",
    "BiasGelu",
    "GatherBlockQuantized",
    "GroupQueryAttention",
    "MatMulNBits",
    "QuickGelu",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
}
# How MatMulNBits sees its input (its attribute accuracy_level): 4 rounds it to int8 by blocks, 1
# keeps floats. 1 has no fast kernel on a CPU: measured 5 to 20 times slower at one token.
_ACCURACY = 4
# External data starts at a multiple of this, so that it can be mapped.
_PAGE = 4096
# Tensors up to this size are kept in the model file.
_INLINE_BYTES = 1024

Array = NDArray[Any]


class Graph:
    """Collects one model; use as a context, then `save`. `floats`: how it holds float32 weights, a
    type of TensorProto.
    """

    def __init__(self, folder: Path, floats: int = TensorProto.FLOAT) -> None:
        self._folder = folder
        self._floats: Any = helper.tensor_dtype_to_np_dtype(floats)
        self._data = (folder / DATA).open("wb")
        self._nodes: list[NodeProto] = []
        self._weights: dict[str, TensorProto] = {}

    def __enter__(self) -> "Graph":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._data.close()

    def weight(self, name: str, array: Array, *, inline: bool = False) -> str:
        """Add a tensor once; later calls with the same name give it back. Returns the name."""
        if name in self._weights:
            return name
        if array.dtype == np.float32:
            array = array.astype(self._floats, copy=False)
        if inline or array.nbytes <= _INLINE_BYTES:
            self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
            return name
        self._data.write(b"\0" * (-self._data.tell() % _PAGE))
        start = self._data.tell()
        np.ascontiguousarray(array).tofile(self._data)
        self._weights[name] = _external(name, array.shape, array.dtype, start, array.nbytes)
        return name

    def alias(self, name: str, of: str, shape: Sequence[int]) -> str:
        """Another tensor over the same bytes of the data file as `of`."""
        facts = {
            entry.key: int(entry.value)
            for entry in self._weights[of].external_data
            if entry.key != "location"
        }
        dtype = helper.tensor_dtype_to_np_dtype(self._weights[of].data_type)
        self._weights[name] = _external(name, shape, dtype, facts["offset"], facts["length"])
        return name

    def numbers(self, *values: int) -> str:
        """A small int64 vector, for shapes and axes."""
        return self.weight(f"int64.{'.'.join(map(str, values))}", np.array(values, np.int64))

    def op(
        self, kind: str, inputs: Sequence[str], outputs: str | Sequence[str], **attributes: Any
    ) -> str:
        """Add a node; "" stands for what is left out. Returns its first output."""
        names = [outputs] if isinstance(outputs, str) else list(outputs)
        domain = "com.microsoft" if kind in _CONTRIB else ""
        self._nodes.append(
            helper.make_node(
                kind, inputs, names, name=f"{names[0]}/{kind}", domain=domain, **attributes
            )
        )
        return names[0]

    def has_output(self, name: str) -> bool:
        """Whether one of the last few nodes gives `name`."""
        return any(name in node.output for node in self._nodes[-8:])

    def blocks(self, name: str, blocks: Blocks) -> list[str]:
        """The weight inputs of a MatMulNBits."""
        packed = blocks.q if blocks.bits == 8 else blocks.q[..., 0::2] | blocks.q[..., 1::2] << 4
        return [self.weight(f"{name}.q", packed), self.weight(f"{name}.scale", blocks.scale)]

    def product(self, x: str, weights: Sequence[str], blocks: Blocks, y: str) -> str:
        """y = x @ weights^T on packed blocks; the input is rounded to int8 by blocks too."""
        shape = {"N": len(blocks.q), "K": blocks.columns, "bits": blocks.bits}
        shape |= {"block_size": BLOCK, "accuracy_level": _ACCURACY}
        return self.op("MatMulNBits", [x, *weights], y, **shape)

    def save(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> None:
        """Write model.onnx beside its data."""
        self._data.close()
        graph = helper.make_graph(
            self._nodes, "comitia", inputs, outputs, list(self._weights.values())
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR, producer_name="comitia"
        )
        save(model, str(self._folder / MODEL))

    def counts(self) -> Mapping[str, int]:
        """Operator -> how many nodes."""
        return count_nodes(self._nodes)


def count_nodes(nodes: Sequence[NodeProto]) -> dict[str, int]:
    """Operator -> how many of the nodes, in order of name."""
    kinds = [node.op_type for node in nodes]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def _external(name: str, shape: Sequence[int], dtype: Any, offset: int, length: int) -> TensorProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    tensor = TensorProto(name=name, dims=shape, data_type=kind, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", DATA), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.append(StringStringEntryProto(key=key, value=value))
    return tensor
