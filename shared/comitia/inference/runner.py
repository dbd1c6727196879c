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


# Ranges of rows for which a step of single tokens is bound already.
_FRAMES_MAX = 64


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


class _Frame:
    """Inputs and outputs of a step with one token of each of some rows from `low` on, in memory
    that stays where it is.
    """

    def __init__(
        self, binding: Any, inputs: Mapping[str, NDArray[Any]], low: int, logits: Floats | None
    ) -> None:
        self.binding, self._inputs, self._low, self.logits = binding, inputs, low, logits
        count = len(inputs["input_ids"])
        self._numbers = np.arange(count)
        self.likely, self.sums = np.empty(count, np.int64), np.empty(count, np.float32)
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, *_facts(array))
        outputs: dict[str, NDArray[Any]] = {"next_ids": self.likely, "sums": self.sums}
        outputs |= {} if logits is None else {"logits": logits}
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, *_facts(array))

    def fill(self, feeds: Sequence[Feed]) -> None:
        """The next tokens of these rows."""
        inputs = self._inputs
        places = np.array([feed.row for feed in feeds]) - self._low
        past = [feed.past for feed in feeds]
        inputs["input_ids"][:] = [feed.tokens[0] for feed in feeds]
        inputs["gathered"][:] = places
        inputs["spread"][places, 0] = self._numbers
        inputs["seqlens_k"][:] = 0
        inputs["seqlens_k"][places] = past
        inputs["total_len"][0] = max(past) + 1
        if "query_seqlens" in inputs:
            inputs["query_seqlens"][:] = 0
            inputs["query_seqlens"][places] = 1
        if "adapters" in inputs:
            inputs["adapters"][:] = [feed.adapter for feed in feeds]


def _facts(array: NDArray[Any]) -> tuple[Any, Any, int]:
    return array.dtype, array.shape, array.ctypes.data


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
        self._frames: dict[tuple[int, int, int, bool], _Frame] = {}

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
        if all(len(feed.tokens) == len(feed.wanted) == 1 for feed in feeds):
            return self._run_tokens(feeds, logits)
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
            binding.bind_output(name, "cpu", 0, *_facts(array))
        self._session.run_with_iobinding(binding)
        return Outcome(likely, np.isfinite(sums), found)

    def _run_tokens(self, feeds: Sequence[Feed], logits: bool) -> Outcome:
        """One token of each row: the step that comes most often, for which all is bound already."""
        rows = [feed.row for feed in feeds]
        key = (min(rows), max(rows) + 1, len(rows), logits)
        frame = self._frames.get(key) or self._frame(key, feeds)
        frame.fill(feeds)
        self._session.run_with_iobinding(frame.binding)
        return Outcome(frame.likely, np.isfinite(frame.sums), frame.logits)

    def _frame(self, key: tuple[int, int, int, bool], feeds: Sequence[Feed]) -> "_Frame":
        low, high, count, logits = key
        if len(self._frames) == _FRAMES_MAX:
            self._frames.clear()
        found = self._logits(count) if logits else None
        binding = self._session.io_binding()
        self._cache.bind(binding, low, high)
        self._frames[key] = _Frame(binding, self._inputs(feeds, low, high - low), low, found)
        return self._frames[key]

    def _logits(self, wanted: int) -> Floats:
        """Room for so many; one piece of memory for all steps, as every binding would keep its
        own.
        """
        if len(self._kept_logits) < wanted:
            self._frames.clear()
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
