"""Running a decoder graph of contract "rows" (export/decoder.py): one run over pieces of any rows.

In come pieces of texts, each for a row of the cache; out come the most likely tokens at the wanted
places, and their logits where they are asked for. Bindings of memory are kept, so a step copies
nothing of the cache. A graph without query_seqlens (export/plain.py) takes several runs for a step.
Not thread-safe: one engine thread calls it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from comitia.inference.cache import Cache

if TYPE_CHECKING:
    import onnxruntime

Floats = NDArray[np.float32]

# New tokens of a row in one step. GroupQueryAttention wants room for so many behind each row, and
# the graph's tables of positions have it.
CHUNK_TOKENS_MAX = 256
# The graph beside model.onnx for ONNX Runtime before 1.32.
PLAIN = "plain.onnx"


class Feed(NamedTuple):
    """New tokens of one row behind the first `past`; what the row held from there on is
    overwritten. `wanted`: places of `tokens` whose outcome is wanted. `adapter` 0: the bare base.
    """

    row: int
    past: int
    tokens: Sequence[int]
    wanted: Sequence[int]
    adapter: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of the wanted places, feed by feed: `next_ids` int64[K], the most likely token; `finite`
    bool[K], whether all logits are numbers; `logits` float32[K, vocab], None where not asked
    for, and good until the next step.
    """

    next_ids: NDArray[np.int64]
    finite: NDArray[np.bool_]
    logits: Floats | None


def places(feeds: Sequence[Feed]) -> int:
    """How many places attention is padded to: all rows from the first to the last, each as long
    as the longest piece.
    """
    rows = [feed.row for feed in feeds]
    return (max(rows) - min(rows) + 1) * max(len(feed.tokens) for feed in feeds)


def apart(feeds: Sequence[Feed]) -> list[list[int]]:
    """The numbers of the feeds that a graph without query_seqlens can take in one run: single
    tokens of rows side by side; each longer piece by itself.
    """
    parts = [[number] for number, feed in enumerate(feeds) if len(feed.tokens) > 1]
    single = [number for number, feed in enumerate(feeds) if len(feed.tokens) == 1]
    last = None
    for number in sorted(single, key=lambda number: feeds[number].row):
        if last is None or feeds[number].row != last + 1:
            parts.append([])
        parts[-1].append(number)
        last = feeds[number].row
    return parts


class RowRunner:
    """A session and its cache. `adapters`: the number of each adapter of the graph by name."""

    def __init__(
        self,
        session: "onnxruntime.InferenceSession",
        cache: Cache,
        adapters: Mapping[str, int] | None = None,
    ) -> None:
        self._session, self._cache = session, cache
        self.adapters = adapters or {}
        (self._vocab,) = (
            entry.shape[1] for entry in session.get_outputs() if entry.name == "logits"
        )
        self._kept_logits = np.empty((0, self._vocab), np.float32)
        inputs = {entry.name for entry in session.get_inputs()}
        self._adapts, self._mixes = "adapters" in inputs, "query_seqlens" in inputs
        self._bindings: dict[tuple[int, int, bool], Any] = {}

    def run(self, feeds: Sequence[Feed], *, logits: bool) -> Outcome:
        """One step. Each row may stand once in `feeds`."""
        if self._mixes:
            return self._run(feeds, logits)
        wanted = [len(feed.wanted) for feed in feeds]
        places = np.split(np.arange(sum(wanted)), np.cumsum(wanted)[:-1])
        likely, finite = np.empty(sum(wanted), np.int64), np.empty(sum(wanted), np.bool_)
        found = np.empty((sum(wanted), self._vocab), np.float32) if logits else None
        for part in apart(feeds):
            pieces = [feeds[number] for number in part]
            if not any(feed.wanted for feed in pieces):
                # Older versions cannot sum over nothing; what comes of it is not looked at.
                self._run([pieces[0]._replace(wanted=(0,)), *pieces[1:]], logits)
                continue
            outcome = self._run(pieces, logits)
            where = np.concatenate([places[number] for number in part])
            likely[where], finite[where] = outcome.next_ids, outcome.finite
            if found is not None and outcome.logits is not None:
                found[where] = outcome.logits
        return Outcome(likely, finite, found)

    def _run(self, feeds: Sequence[Feed], logits: bool) -> Outcome:
        """One run of the graph."""
        rows = [feed.row for feed in feeds]
        low, high = min(rows), max(rows) + 1
        binding = self._bindings.get((low, high, logits)) or self._bind(low, high, logits)
        for name, array in self._inputs(feeds, low, high - low).items():
            binding.bind_cpu_input(name, array)
        # Bound anew each time: their size follows logit_idx.
        wanted = sum(len(feed.wanted) for feed in feeds)
        likely, sums = np.empty(wanted, np.int64), np.empty(wanted, np.float32)
        found = self._logits(wanted) if logits else None
        bound: list[tuple[str, NDArray[Any]]] = [("next_ids", likely), ("sums", sums)]
        bound += [] if found is None else [("logits", found)]
        for name, array in bound:
            facts = (array.dtype, array.shape, array.ctypes.data)
            binding.bind_output(name, "cpu", 0, *facts)
        self._session.run_with_iobinding(binding)
        return Outcome(likely, np.isfinite(sums), found)

    def _logits(self, wanted: int) -> Floats:
        """Room for so many; one piece of memory for all steps, as every binding would keep its
        own.
        """
        if len(self._kept_logits) < wanted:
            self._kept_logits = np.empty((wanted, self._vocab), np.float32)
        return self._kept_logits[:wanted]

    def _inputs(self, feeds: Sequence[Feed], low: int, rows: int) -> dict[str, NDArray[Any]]:
        longest = max(len(feed.tokens) for feed in feeds)
        spread = np.zeros((rows, longest), np.int64)
        held, new = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
        gathered, wanted, start = [], [], 0
        for feed in feeds:
            size, row = len(feed.tokens), feed.row - low
            spread[row, :size] = np.arange(start, start + size)
            gathered.append(np.arange(size) + row * longest)
            wanted += [start + place for place in feed.wanted]
            held[row], new[row] = feed.past + size - 1, size
            start += size
        inputs: dict[str, NDArray[Any]] = {
            "input_ids": np.concatenate([feed.tokens for feed in feeds]).astype(np.int64),
            "spread": spread,
            "gathered": np.concatenate(gathered),
            "seqlens_k": held,
            "total_len": np.array([max(held.max() + 1, longest)], np.int32),
            "logit_idx": np.array(wanted, np.int64),
        }
        if self._mixes:
            inputs["query_seqlens"] = new
        if self._adapts:
            sizes = [len(feed.tokens) for feed in feeds]
            inputs["adapters"] = np.repeat([feed.adapter for feed in feeds], sizes)
        return inputs

    def _bind(self, low: int, high: int, logits: bool) -> Any:
        """Two for each range of rows: an output that was bound once stays bound."""
        binding = self._session.io_binding()
        self._cache.bind(binding, low, high)
        self._bindings[low, high, logits] = binding
        return binding
