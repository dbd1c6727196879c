"""Memory for keys and values: rows of tokens that a decoder's graph reads and writes in place.

One block, [layers, 2, rows, kv_heads, tokens, head_dim]. On a CPU its pages are touched as tokens
are written (16 tokens of a head with 64 floats fill a page) and can be given back, so a row costs
what it holds and not what it could hold. Not thread-safe: the engine's thread calls it.
"""

import mmap
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


class Cache(Protocol):
    """Rows of cache memory; see CpuCache."""

    tokens: int

    def bind(self, binding: Any, low: int, high: int) -> None:
        """Make rows low..high-1 the cache that a graph reads, and the place where it writes."""

    def copy(self, source: int, target: int, tokens: int) -> None:
        """The first `tokens` of one row into another."""

    def release(self, row: int, kept: int) -> None:
        """Give back what a row has beyond its first `kept` tokens, where that is possible."""


def token_bytes(shape: Mapping[str, int], itemsize: int) -> int:
    """Bytes of one token in the cache. SmolLM2-135M: 46,080 with 4 bytes a number."""
    return 2 * shape["layers"] * shape["kv_heads"] * shape["head_dim"] * itemsize


class CpuCache:
    """`rows` of up to `tokens` in the memory of the process, numbers of `dtype`."""

    def __init__(
        self, shape: Mapping[str, int], rows: int, tokens: int, dtype: type[np.generic] = np.float32
    ) -> None:
        self.tokens = tokens
        sizes = (shape["layers"], 2, rows, shape["kv_heads"], tokens, shape["head_dim"])
        bytes_ = int(np.prod(sizes, dtype=np.int64)) * np.dtype(dtype).itemsize
        self._memory = _own_memory(bytes_)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            # Huge pages would take whole rows at the first token.
            self._memory.madvise(mmap.MADV_NOHUGEPAGE)
        self._array = np.frombuffer(self._memory, dtype).reshape(sizes)

    def bind(self, binding: Any, low: int, high: int) -> None:
        """See Cache."""
        for layer, both in enumerate(self._array):
            for part, whole in zip(("key", "value"), both, strict=True):
                view = whole[low:high]
                facts = ("cpu", 0, view.dtype, view.shape, view.ctypes.data)
                binding.bind_input(f"past_key_values.{layer}.{part}", *facts)
                binding.bind_output(f"present.{layer}.{part}", *facts)

    def copy(self, source: int, target: int, tokens: int) -> None:
        """See Cache."""
        self._array[:, :, target, :, :tokens] = self._array[:, :, source, :, :tokens]

    def release(self, row: int, kept: int) -> None:
        """See Cache. Whole pages alone; what was there reads as zeros afterwards."""
        if not hasattr(mmap, "MADV_DONTNEED"):
            return
        layers, parts, _, heads, tokens, _ = self._array.shape
        step = self._array.strides
        for layer, part, head in np.ndindex(layers, parts, heads):
            start = layer * step[0] + part * step[1] + row * step[2] + head * step[3]
            low = start + kept * step[4]
            low += -low % mmap.PAGESIZE
            high = start + tokens * step[4]
            high -= high % mmap.PAGESIZE
            if low < high:
                self._memory.madvise(mmap.MADV_DONTNEED, low, high - low)


def _own_memory(size: int) -> mmap.mmap:
    """Zeros that cost nothing until they are written."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)
    # Python's default is shared memory, whose pages MADV_DONTNEED does not give back.
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
