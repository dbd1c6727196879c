"""Running a decoder graph of contract "slots": steps that write into rows of cache memory in place.

The cache is one block of memory, float32[layers, 2, slots, kv_heads, context, head_dim]. Pages are
touched as tokens are written, so a slot costs what it holds and not what it could hold. A step
binds the memory of its slots as input and output of the graph: no cache is copied. Not thread-safe:
one engine thread calls it.
"""

import mmap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime

Logits = NDArray[np.float32]


class SlotRunner:
    """`slots` rows of `context` tokens each for one session."""

    def __init__(
        self,
        session: "onnxruntime.InferenceSession",
        shape: Mapping[str, int],
        slots: int,
        context: int,
    ) -> None:
        self._session = session
        self._layers = shape["layers"]
        sizes = (self._layers, 2, slots, shape["kv_heads"], context, shape["head_dim"])
        self._cache = _untouched(sizes)
        self._bindings: dict[tuple[int, int], Any] = {}

    def extend(self, slot: int, past: int, tokens: Sequence[int], wanted: Sequence[int]) -> Logits:
        """Write `tokens` after the first `past` of a slot; logits float32[wanted, vocab] at those
        places of `tokens`.

        What the slot held from `past` on is overwritten: going back is free.
        """
        feed: dict[str, NDArray[Any]] = {
            "input_ids": np.asarray([tokens], np.int64),
            "seqlens_k": np.asarray([past + len(tokens) - 1], np.int32),
            "total_len": np.asarray([past + len(tokens)], np.int32),
            "logit_idx": np.asarray(wanted, np.int64),
        }
        return self._run(slot, slot + 1, feed)

    def decode(self, lengths: Sequence[int], tokens: Sequence[int]) -> Logits:
        """One more token for each of the slots 0..n-1, which hold `lengths` tokens; logits
        float32[n, vocab].
        """
        held = np.asarray(lengths, np.int32)
        feed: dict[str, NDArray[Any]] = {
            "input_ids": np.asarray(tokens, np.int64)[:, None],
            "seqlens_k": held,
            "total_len": np.asarray([held.max() + 1], np.int32),
            "logit_idx": np.arange(len(tokens), dtype=np.int64),
        }
        return self._run(0, len(tokens), feed)

    def copy(self, source: int, target: int, tokens: int) -> None:
        """The first `tokens` of one slot into another."""
        self._cache[:, :, target, :, :tokens] = self._cache[:, :, source, :, :tokens]

    def _run(self, low: int, high: int, feed: Mapping[str, NDArray[Any]]) -> Logits:
        binding = self._bindings.get((low, high)) or self._bind(low, high)
        for name, array in feed.items():
            binding.bind_cpu_input(name, array)
        # Bound anew each time: their size follows logit_idx. They stand behind the 2 * layers
        # outputs of the cache.
        binding.bind_output("logits", "cpu")
        binding.bind_output("next_ids", "cpu")
        self._session.run_with_iobinding(binding)
        logits: Logits = binding.get_outputs()[2 * self._layers].numpy()
        return logits

    def _bind(self, low: int, high: int) -> Any:
        binding = self._session.io_binding()
        for layer in range(self._layers):
            for number, part in enumerate(("key", "value")):
                view = self._cache[layer, number, low:high]
                facts = ("cpu", 0, view.dtype, view.shape, view.ctypes.data)
                binding.bind_input(f"past_key_values.{layer}.{part}", *facts)
                binding.bind_output(f"present.{layer}.{part}", *facts)
        self._bindings[low, high] = binding
        return binding


def _untouched(sizes: tuple[int, ...]) -> Logits:
    """Zeroed memory that takes room page by page; huge pages would take whole slots at the first
    token.
    """
    memory = mmap.mmap(-1, int(np.prod(sizes, dtype=np.int64)) * 4)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.float32).reshape(sizes)
