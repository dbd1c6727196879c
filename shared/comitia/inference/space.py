"""Who has which row of the cache, what is kept there, and how much memory that may take.

Numbers only, but for the two orders to the memory: copy and release. The first rows are for work,
those behind them are shelves: each holds one prefix, a beginning that many prompts share. A prompt
starts from a copy of the longest common beginning with any shelf. What work may need is reserved
before it begins, in buckets of 64 tokens, out of one budget; prefixes that were used longest ago
make room for it. Pages that an idle row has touched are given back where the budget asks for it.
"""

import heapq
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

BUCKET_TOKENS = 64


class Prefix(NamedTuple):
    """Tokens as one adapter reads them; 0 is the bare base."""

    adapter: int
    tokens: tuple[int, ...]


class Memory(Protocol):
    """The part of cache.Cache that is used here."""

    def copy(self, source: int, target: int, tokens: int) -> None: ...

    def release(self, row: int, kept: int) -> None: ...


class Space:
    """`rows` for work and `shelves` for prefixes in `memory`, with `tokens_max` in all of them."""

    def __init__(self, memory: Memory, rows: int, shelves: int, tokens_max: int) -> None:
        self._memory, self._rows = memory, rows
        self.tokens_max = tokens_max // BUCKET_TOKENS * BUCKET_TOKENS
        self._free = list(range(rows))
        self._shelves = list(range(rows, rows + shelves))
        self._kept: OrderedDict[Prefix, int] = OrderedDict()
        # By row: tokens reserved, and tokens whose memory may be touched, which an idle row keeps.
        self._reserved = [0] * (rows + shelves)
        self._touched = [0] * (rows + shelves)

    @property
    def reserved(self) -> int:
        """Tokens of work and of kept prefixes."""
        return sum(self._reserved)

    @property
    def free_rows(self) -> int:
        """Rows for work that nobody has."""
        return len(self._free)

    def fits_ever(self, tokens: int) -> bool:
        """Whether so many tokens have room where there is nothing else."""
        return buckets(tokens) <= self.tokens_max

    def begin(self, tokens: int) -> int | None:
        """The lowest free row, with room for `tokens`; None while there is none."""
        if not self._free or not self._make_room(tokens):
            return None
        row = heapq.heappop(self._free)
        self._reserve(row, tokens)
        return row

    def end(self, row: int) -> None:
        """The work in `row` is over; nothing where it was already."""
        if self._reserved[row]:
            self._reserved[row] = 0
            heapq.heappush(self._free, row)

    def start_from(self, prefix: Prefix, row: int) -> int:
        """Copy the longest common beginning with a kept prefix to `row`; its tokens."""
        best, shared = None, 0
        for kept in self._kept:
            alike = common(kept.tokens, prefix.tokens) if kept.adapter == prefix.adapter else 0
            if alike > shared:
                best, shared = kept, alike
        if best is not None:
            self._kept.move_to_end(best)
            self._memory.copy(self._kept[best], row, shared)
        return shared

    def keep(self, prefix: Prefix, row: int) -> None:
        """Keep what `row` begins with, where there is room without dropping work."""
        if prefix in self._kept:
            return
        if not (self._shelves or self._kept) or not self._make_room(len(prefix.tokens)):
            return
        if not self._shelves:
            self._drop_oldest()
        shelf = self._shelves.pop()
        self._reserve(shelf, len(prefix.tokens))
        self._memory.copy(row, shelf, len(prefix.tokens))
        self._kept[prefix] = shelf

    def copy(self, source: int, target: int, tokens: int) -> None:
        """The first `tokens` of one row into another, which has room reserved for them."""
        self._memory.copy(source, target, tokens)

    def holds(self, prefix: Prefix) -> bool:
        """Whether all of a prefix is kept."""
        return prefix in self._kept

    def forget(self) -> None:
        """Nothing is at work and nothing is kept."""
        self._reserved = [0] * len(self._reserved)
        self._free = list(range(self._rows))
        self._shelves = list(range(self._rows, len(self._reserved)))
        self._kept.clear()

    def _make_room(self, tokens: int) -> bool:
        """Drop prefixes as far as that is needed, and none where it would not be enough."""
        kept = sum(self._reserved[shelf] for shelf in self._kept.values())
        if self.reserved - kept + buckets(tokens) > self.tokens_max:
            return False
        while self.reserved + buckets(tokens) > self.tokens_max:
            self._drop_oldest()
        return True

    def _drop_oldest(self) -> None:
        _, shelf = self._kept.popitem(last=False)
        self._reserved[shelf] = 0
        self._shelves.append(shelf)

    def _reserve(self, row: int, tokens: int) -> None:
        self._reserved[row] = buckets(tokens)
        self._touched[row] = max(self._touched[row], self._reserved[row])
        for other, touched in enumerate(self._touched):
            if sum(self._touched) <= self.tokens_max:
                return
            if touched > self._reserved[other]:
                self._memory.release(other, self._reserved[other])
                self._touched[other] = self._reserved[other]


def common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    for number, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return number
    return min(len(left), len(right))


def buckets(tokens: int) -> int:
    """`tokens` rounded up to whole buckets."""
    return -(-tokens // BUCKET_TOKENS) * BUCKET_TOKENS
