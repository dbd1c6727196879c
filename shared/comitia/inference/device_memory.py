"""Cache memory on the device that a graph runs on: the rows of cache.Cache where no Python reaches.

A session and the number and length of rows go in, a Cache of the numbers that its graph takes comes
out; for device "cpu" that is cache.CpuCache. On another device all memory is taken at once, as it
has no pages that come when they are touched, and rows are copied by a graph of Identity nodes that
runs there. DeviceCache does the same on "cpu", which is how it is tested. Not thread-safe: the
engine's thread calls it.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from comitia.errors import ConfigError
from comitia.inference.cache import Cache, CpuCache
from comitia.inference.session import Threads, first_line, open_session, runtime_errors

if TYPE_CHECKING:
    import onnxruntime

# Of onnx.TensorProto, with the bytes of a number. numpy has no bfloat16, nor has ONNX Runtime on a
# processor.
_FLOATS = {"tensor(float)": (1, 4), "tensor(float16)": (10, 2), "tensor(bfloat16)": (16, 2)}
_NUMPY: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_UINT8 = 2


class Rows(NamedTuple):
    """So many `rows`, with `tokens` each."""

    rows: int
    tokens: int


def make_cache(
    session: "onnxruntime.InferenceSession", device: str, shape: Mapping[str, int], rows: Rows
) -> Cache:
    """Rows for a graph that runs on `device`: cpu or cuda:<n>. Raises ConfigError where they have
    no room there.
    """
    kind = _kind(session)
    if device == "cpu":
        return CpuCache(shape, *rows, _NUMPY[kind])
    return DeviceCache(shape, rows, kind, device)


def number_bytes(session: "onnxruntime.InferenceSession") -> int:
    """Of one number in the graph's cache."""
    return _FLOATS[_kind(session)][1]


def _kind(session: "onnxruntime.InferenceSession") -> str:
    kinds: list[str] = [
        entry.type for entry in session.get_inputs() if entry.name.startswith("past_key_values")
    ]
    return kinds[0]


class DeviceCache:
    """Rows on `device` (cpu, cuda:<n>), numbers of `kind`, as ONNX Runtime writes it.

    Raises ConfigError where the device has no room for them.
    """

    def __init__(self, shape: Mapping[str, int], rows: Rows, kind: str, device: str) -> None:
        self.tokens = rows.tokens
        self._kind, itemsize = _FLOATS[kind]
        self._sizes = (shape["kv_heads"], rows.tokens, shape["head_dim"])
        self._row_bytes = int(np.prod(self._sizes, dtype=np.int64)) * itemsize
        name, _, number = device.partition(":")
        self._place = (name, int(number or 0))
        parts = 2 * shape["layers"]
        try:
            # Zeros: what lies behind a row's tokens is masked, but NaN times nothing is NaN.
            self._parts = [self._zeros(rows.rows * self._row_bytes) for _ in range(parts)]
        except runtime_errors() as error:
            raise ConfigError(
                f"{device} has no room for a cache of {rows.rows} rows with {rows.tokens} tokens "
                f"each, {parts * rows.rows * self._row_bytes >> 20} MiB ({first_line(error)}); "
                "lower COMITIA_ENGINE_ROWS, COMITIA_ENGINE_CACHE_MIB or 'recipe.context_tokens' in "
                "the model's card."
            ) from error
        self._copier = open_session(identity_model(parts), Threads(1), device)

    def bind(self, binding: Any, low: int, high: int) -> None:
        """See Cache."""
        for number, part in enumerate(self._parts):
            layer, name = number // 2, ("key", "value")[number % 2]
            start = part.data_ptr() + low * self._row_bytes
            facts = (*self._place, self._kind, (high - low, *self._sizes), start)
            binding.bind_input(f"past_key_values.{layer}.{name}", *facts)
            binding.bind_output(f"present.{layer}.{name}", *facts)

    def copy(self, source: int, target: int, tokens: int) -> None:
        """See Cache. The whole row, as the tokens of its heads lie apart: two copies a layer, and
        not two for each head.
        """
        if source == target:
            return
        binding = self._copier.io_binding()
        size = (self._row_bytes,)
        for number, part in enumerate(self._parts):
            at, to = (part.data_ptr() + row * self._row_bytes for row in (source, target))
            binding.bind_input(f"from{number}", *self._place, _UINT8, size, at)
            binding.bind_output(f"to{number}", *self._place, _UINT8, size, to)
        self._copier.run_with_iobinding(binding)

    def release(self, row: int, kept: int) -> None:
        """Nothing can be given back piece by piece."""

    def _zeros(self, size: int) -> "onnxruntime.OrtValue":
        import onnxruntime

        zeros = np.zeros(size, np.uint8)
        return onnxruntime.OrtValue.ortvalue_from_numpy(zeros, *self._place)


def identity_model(parts: int) -> bytes:
    """An ONNX model with inputs from<i> and outputs to<i>, uint8[bytes], each the other's copy.

    Spelt out in the wire format of protocol buffers (onnx.proto: ModelProto and what it holds), as
    the package onnx belongs to the export and is not there where models are served.
    """
    names = [(f"from{number}", f"to{number}") for number in range(parts)]
    nodes = (_field(1, [(1, source), (2, target), (4, "Identity")]) for source, target in names)
    inputs = (_field(11, [(1, source), (2, _TENSOR)]) for source, _ in names)
    outputs = (_field(12, [(1, target), (2, _TENSOR)]) for _, target in names)
    graph = b"".join([*nodes, _field(2, "copy"), *inputs, *outputs])
    # ir_version 8, opset 13.
    return _field(1, 8) + _field(7, graph) + _field(8, [(2, 13)])


Wire = int | str | bytes | Iterable[tuple[int, "Wire"]]


def _field(number: int, value: Wire) -> bytes:
    """One field of a message: a number, a text, or a message of fields."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes):
        value = b"".join(_field(*each) for each in value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


# TypeProto: a tensor of uint8 with one dimension, "bytes".
_TENSOR = _field(1, [(1, _UINT8), (2, [(1, [(2, "bytes")])])])
