"""Running a decoder graph of contract "growing", as optimum exports it: each step returns the whole
cache anew.

Works for every family that optimum knows, one row at a time and with the cache copied at each
token; the fused graphs of contract "rows" are for speed. Not thread-safe: one engine thread calls
it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from comitia.inference.runner import Feed, Floats, Outcome

if TYPE_CHECKING:
    import onnxruntime


class GrowingCache:
    """Rows that hold one array for each cache input of the graph; see cache.Cache."""

    def __init__(self, empty: Floats, parts: int) -> None:
        self._nothing = [empty] * parts
        self._held: dict[int, list[Floats]] = {}

    def take(self, row: int) -> list[Floats]:
        """What a row holds."""
        return self._held.get(row, self._nothing)

    def put(self, row: int, arrays: list[Floats]) -> None:
        """A row holds this now."""
        self._held[row] = arrays

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Arrays are never written to, so they are shared."""
        self._held[target] = [array[:, :, :tokens] for array in self.take(source)]

    def release(self, row: int, kept: int) -> None:
        """Copied, so that the longer arrays can go."""
        if row in self._held:
            self._held[row] = [array[:, :, :kept].copy() for array in self._held[row]]


class GrowingRunner:
    """See runner.RowRunner; inputs of the graph are listed in export/optimum.py."""

    def __init__(self, session: "onnxruntime.InferenceSession", shape: Mapping[str, int]) -> None:
        self._session = session
        self._inputs = {entry.name for entry in session.get_inputs()}
        self._parts = [
            f"{layer}.{part}" for layer in range(shape["layers"]) for part in ("key", "value")
        ]
        empty = np.zeros((1, shape["kv_heads"], 0, shape["head_dim"]), np.float32)
        self.adapters: Mapping[str, int] = {}
        self.cache = GrowingCache(empty, len(self._parts))

    def run(self, feeds: Sequence[Feed], *, logits: bool) -> Outcome:
        """One step, a run for each feed."""
        found = np.concatenate([self._extend(feed) for feed in feeds])
        return Outcome(found.argmax(-1), np.isfinite(found.sum(-1)), found if logits else None)

    def _extend(self, feed: Feed) -> Floats:
        """Logits float32[wanted, vocab]."""
        _, past, tokens, wanted, _ = feed
        inputs: dict[str, NDArray[Any]] = {
            "input_ids": np.asarray([tokens], np.int64),
            "attention_mask": np.ones((1, past + len(tokens)), np.int64),
            "position_ids": np.arange(past, past + len(tokens), dtype=np.int64)[None],
        }
        for part, array in zip(self._parts, self.cache.take(feed.row), strict=True):
            inputs[f"past_key_values.{part}"] = np.ascontiguousarray(array[:, :, :past])
        outputs = ["logits", *(f"present.{part}" for part in self._parts)]
        known = {name: array for name, array in inputs.items() if name in self._inputs}
        logits, *present = self._session.run(outputs, known)
        self.cache.put(feed.row, present)
        chosen: Floats = logits[0, list(wanted)]
        return chosen
