"""Running a decoder graph of contract "growing", as optimum exports it: each step returns the whole
cache anew.

Works for every family that optimum knows, one row at a time and with the cache copied at each
token; the fused graphs of contract "slots" are for speed. Not thread-safe: one engine thread calls
it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime

Floats = NDArray[np.float32]


class GrowingRunner:
    """Slots of a graph whose inputs are listed in export/optimum.py. A slot holds one array for
    each cache input.
    """

    def __init__(self, session: "onnxruntime.InferenceSession", shape: Mapping[str, int]) -> None:
        self._session = session
        self._inputs = {entry.name for entry in session.get_inputs()}
        self._parts = [
            f"{layer}.{part}" for layer in range(shape["layers"]) for part in ("key", "value")
        ]
        self._empty = np.zeros((1, shape["kv_heads"], 0, shape["head_dim"]), np.float32)
        self._held: dict[int, list[Floats]] = {}

    def extend(self, slot: int, past: int, tokens: Sequence[int], wanted: Sequence[int]) -> Floats:
        """Write `tokens` after the first `past` of a slot; logits float32[wanted, vocab] at those
        places of `tokens`.
        """
        held = self._held.get(slot) or [self._empty] * len(self._parts)
        feed: dict[str, NDArray[Any]] = {
            "input_ids": np.asarray([tokens], np.int64),
            "attention_mask": np.ones((1, past + len(tokens)), np.int64),
            "position_ids": np.arange(past, past + len(tokens), dtype=np.int64)[None],
        }
        for part, array in zip(self._parts, held, strict=True):
            feed[f"past_key_values.{part}"] = np.ascontiguousarray(array[:, :, :past])
        outputs = ["logits", *(f"present.{part}" for part in self._parts)]
        known = {name: array for name, array in feed.items() if name in self._inputs}
        logits, *self._held[slot] = self._session.run(outputs, known)
        chosen: Floats = logits[0, list(wanted)]
        return chosen

    def decode(self, lengths: Sequence[int], tokens: Sequence[int]) -> Floats:
        """One more token for each of the slots 0..n-1, which hold `lengths` tokens; logits
        float32[n, vocab].
        """
        rows = zip(lengths, tokens, strict=True)
        return np.concatenate(
            [self.extend(slot, n, [token], [0]) for slot, (n, token) in enumerate(rows)]
        )

    def copy(self, source: int, target: int, tokens: int) -> None:
        """The first `tokens` of one slot into another; arrays are never written to, so they are
        shared.
        """
        self._held[target] = [array[:, :, :tokens] for array in self._held.get(source, [])]
