"""A decoder's weights in one form: what its graph is going to hold, tensor by tensor.

The weights of a source come in; out come packed blocks for the builder and, of the same tensors,
the float32 values that they stand for, which an independent forward pass can be run on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from comitia.inference.cards import Form
from comitia.inference.export.blocks import Blocks, stack, to_floats, to_int8
from comitia.inference.export.shape import Floats, Weights

# Numbers of the forms that hold floats; weights, activations and cache alike.
FLOATS: dict[Form, int] = {
    "fp32": TensorProto.FLOAT,
    "fp16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
}


class Formed:
    """`weights` as a graph of `form` holds them."""

    def __init__(self, weights: Weights, form: Form) -> None:
        self.shape, self.form = weights.shape, form
        self.source = weights
        self._packs: dict[str, tuple[tuple[str, ...], bool]] = {}
        self._unpacked: tuple[tuple[str, ...], list[Floats]] = ((), [])
        self.packs = form not in FLOATS
        # The type of floats in the graph, of onnx.TensorProto.
        self.floats = FLOATS.get(form, TensorProto.FLOAT)

    def has(self, name: str) -> bool:
        """See Weights."""
        return self.source.has(name)

    def given(self, name: str) -> Floats:
        """float32 as the source says."""
        return self.source.tensor(name)

    def pack(self, names: Sequence[str], *, bytes_only: bool = False) -> Blocks:
        """Projections of one input as one: stored blocks where they can be kept without loss (8
        bits always, 4 bits in form native), else rounded to int8.
        """
        for name in names:
            self._packs[name] = (tuple(names), bytes_only)
        exact = [self.source.blocks(name) for name in names]
        stored = [blocks for blocks in exact if blocks is not None]
        kinds = {(blocks.bits, blocks.offset is None) for blocks in stored}
        if len(stored) == len(names) and len(kinds) == 1:
            plain = kinds == {(8, True)}
            if plain or (self.form == "native" and not bytes_only):
                return stack(stored)
        return to_int8(np.concatenate([self.given(name) for name in names]))

    def tensor(self, name: str) -> Floats:
        """float32 as the graph holds it: of packed tensors the values of their blocks, of floats
        their rounding to the form. To be asked after the graph was built.
        """
        if name not in self._packs and self.floats == TensorProto.FLOAT:
            return self.given(name)
        if name not in self._packs:
            kind: Any = helper.tensor_dtype_to_np_dtype(self.floats)
            rounded: NDArray[np.float32] = self.given(name).astype(kind).astype(np.float32)
            return rounded
        names, bytes_only = self._packs[name]
        if self._unpacked[0] != names:
            rows = to_floats(self.pack(names, bytes_only=bytes_only))
            ends = np.cumsum([len(self.given(each)) for each in names[:-1]])
            self._unpacked = (names, np.split(rows, ends))
        return self._unpacked[1][names.index(name)]
