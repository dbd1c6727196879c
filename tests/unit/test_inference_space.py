"""Rows, shelves and memory of the cache under any order of calls, beside a model of what each row
must hold.
"""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from comitia.inference.space import BUCKET_TOKENS, Prefix, Space, buckets

ROWS, SHELVES, TOKENS_MAX = 3, 2, 6 * BUCKET_TOKENS
BEGINNINGS = st.builds(
    lambda parts, cut: tuple(token for part in parts for token in (part,) * 25)[:cut],
    st.lists(st.integers(1, 3), max_size=6),
    st.integers(0, 150),
)
PREFIXES = st.builds(Prefix, st.integers(0, 1), BEGINNINGS)


class Cells:
    """What every row holds: tokens as one adapter read them; None where nothing is left."""

    def __init__(self) -> None:
        self.rows: list[list[object]] = [[] for _ in range(ROWS + SHELVES)]

    def copy(self, source: int, target: int, tokens: int) -> None:
        assert source != target and 0 < tokens <= len(self.rows[source])
        self.rows[target][:tokens] = self.rows[source][:tokens]

    def release(self, row: int, kept: int) -> None:
        del self.rows[row][kept:]


class SpaceRules(RuleBasedStateMachine):
    """Work begins, reads on, is kept, ends; now and then all is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = Cells()
        self.space = Space(self.cells, ROWS, SHELVES, TOKENS_MAX + 3)
        # By row at work: what was reserved, and what it reads.
        self.busy: dict[int, tuple[int, Prefix]] = {}

    @rule(prefix=PREFIXES, more=st.integers(1, 260))
    def begin(self, prefix: Prefix, more: int) -> None:
        tokens = len(prefix.tokens) + more
        kept = self.kept()
        row = self.space.begin(tokens)
        reserved = sum(tokens for tokens, _ in self.busy.values())
        fits = reserved + buckets(tokens) <= TOKENS_MAX
        assert (row is not None) == (fits and len(self.busy) < ROWS), "work goes before prefixes"
        assert self.space.fits_ever(tokens) == (buckets(tokens) <= TOKENS_MAX)
        if row is None:
            assert self.kept() == kept, "nothing is dropped in vain"
            return
        assert row not in self.busy and row < ROWS
        found = self.space.start_from(prefix, row)
        best = max((alike(prefix, other) for other in self.kept()), default=0)
        assert found == best, "the longest common beginning is used"
        self.busy[row] = (buckets(tokens), prefix)
        self.cells.rows[row][found:] = written(prefix)[found:]
        assert self.cells.rows[row] == written(prefix), "it is what would have been read"

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), cut=st.integers(1, 150))
    def keep(self, data: st.DataObject, cut: int) -> None:
        row = data.draw(st.sampled_from(sorted(self.busy)))
        prefix = self.busy[row][1]
        if prefix.tokens:
            beginning = Prefix(prefix.adapter, prefix.tokens[:cut])
            kept = self.kept()
            self.space.keep(beginning, row)
            assert beginning in self.kept() or self.kept() == kept

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(sorted(self.busy)))
        del self.busy[row]
        self.space.end(row)

    @rule()
    def forget(self) -> None:
        self.space.forget()
        self.busy.clear()
        assert not self.kept() and not self.space.reserved

    def kept(self) -> list[Prefix]:
        inner: Any = self.space
        return list(inner._kept)

    @invariant()
    def rows_and_memory_add_up(self) -> None:
        inner: Any = self.space
        assert sorted([*self.busy, *inner._free]) == list(range(ROWS))
        shelves = [*inner._kept.values(), *inner._shelves]
        assert sorted(shelves) == list(range(ROWS, ROWS + SHELVES))
        work = sum(tokens for tokens, _ in self.busy.values())
        prefixes = sum(buckets(len(prefix.tokens)) for prefix in self.kept())
        assert self.space.reserved == work + prefixes <= TOKENS_MAX
        touched = sum(buckets(len(row)) for row in self.cells.rows)
        assert touched <= TOKENS_MAX, "idle rows give back what others need"

    @invariant()
    def kept_prefixes_are_what_was_read(self) -> None:
        inner: Any = self.space
        for prefix, shelf in inner._kept.items():
            assert self.cells.rows[shelf][: len(prefix.tokens)] == written(prefix)
        for row, (_, prefix) in self.busy.items():
            assert self.cells.rows[row] == written(prefix), "work is left alone"


def test_the_prefix_that_was_used_longest_ago_makes_room() -> None:
    cells = Cells()
    space = Space(cells, ROWS, SHELVES, TOKENS_MAX)
    one, two, three = (Prefix(0, (number,) * 70) for number in (1, 2, 3))
    row = space.begin(100)
    assert row is not None
    for prefix in (one, two):
        cells.rows[row] = written(prefix)
        space.keep(prefix, row)
    assert space.start_from(one, row) == 70
    cells.rows[row] = written(three)
    space.keep(three, row)
    assert [space.holds(prefix) for prefix in (one, two, three)] == [True, False, True]


def written(prefix: Prefix) -> list[object]:
    return [(prefix.adapter, token) for token in prefix.tokens]


def alike(one: Prefix, other: Prefix) -> int:
    if one.adapter != other.adapter:
        return 0
    pairs = zip(one.tokens, other.tokens, strict=False)
    shared = min(len(one.tokens), len(other.tokens))
    return next((n for n, (left, right) in enumerate(pairs) if left != right), shared)


TestSpace = SpaceRules.TestCase
# A machine may have other things to do.
SLOW = [HealthCheck.too_slow]
TestSpace.settings = settings(
    deadline=None, max_examples=60, stateful_step_count=40, suppress_health_check=SLOW
)
