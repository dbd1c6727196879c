"""Krippendorff's alpha: the published examples, its bounds, and what it refuses."""

import random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus.krippendorff import Level, Unit, alpha

LEVELS: tuple[Level, ...] = get_args(Level)


def units(*voters: str) -> list[Unit]:
    """Each line one voter's values; * is missing."""
    rows = [line.split() for line in voters]
    return [[None if v == "*" else int(v) for v in unit] for unit in zip(*rows, strict=True)]


REFERENCE = units(
    "* * * * * 3 4 1 2 1 1 3 3 * 3",
    "1 * 2 1 3 3 4 3 * * * * * * *",
    "* * 2 1 3 4 4 * 2 1 1 3 3 * 4",
)
# Four observers and twelve units: K. Krippendorff, Content Analysis.
OBSERVERS = units(
    "1 2 3 3 2 1 4 1 2 * * *",
    "1 2 3 3 2 2 4 1 2 5 * 3",
    "* 3 3 3 2 3 4 2 2 5 1 *",
    "1 2 3 3 2 4 4 1 2 5 1 *",
)


@pytest.mark.parametrize(
    ("level", "reference", "observers"),
    [
        ("nominal", 0.6914, 0.743),
        ("ordinal", 0.8067, 0.815),
        ("interval", 0.8108, 0.849),
        ("ratio", 0.8089, 0.797),
    ],
)
def test_published_examples(level: Level, reference: float, observers: float) -> None:
    assert alpha(REFERENCE, level) == pytest.approx(reference, abs=5e-5)
    assert alpha(OBSERVERS, level) == pytest.approx(observers, abs=5e-4)


@pytest.mark.parametrize("level", LEVELS)
def test_it_is_not_defined_where_nothing_can_differ(level: Level) -> None:
    nothing: list[list[Unit]] = [[], [[]], [[1, None], [2]], [[1, 1], [1, 1, None]], [[None] * 3]]
    assert [alpha(unit, level) for unit in nothing] == [None] * len(nothing)


@pytest.mark.parametrize("level", LEVELS)
def test_full_agreement_is_one_and_opposition_is_below_zero(level: Level) -> None:
    assert alpha([[1, 1], [2, 2, 2], [7]], level) == 1.0
    opposed = alpha([[0, 1], [0, 1], [1, 0]], level)
    assert opposed is not None and opposed < 0.0


def test_voters_who_guess_agree_by_chance_alone() -> None:
    chance = random.Random(7)
    found = alpha([[chance.choice("abc") for _ in range(5)] for _ in range(4000)])
    assert found == pytest.approx(0.0, abs=0.02)


def test_names_have_no_distance() -> None:
    with pytest.raises(ValueError, match="'a' is no finite number, which the level ordinal"):
        alpha([["a", "b"]], "ordinal")
    with pytest.raises(ValueError, match="nan is no finite number"):
        alpha([[float("nan"), 1.0]], "interval")
    with pytest.raises(ValueError, match="-1 is below 0"):
        alpha([[-1, 1]], "ratio")


def test_huge_and_tiny_numbers_neither_overflow_nor_vanish() -> None:
    small = [[1.0, 2.0], [2.0, 2.0], [5.0, 4.0]]
    for factor in (1e307, 1e-307):
        scaled = [[value * factor for value in unit] for unit in small]
        for level in ("interval", "ratio"):
            assert alpha(scaled, level) == pytest.approx(alpha(small, level))


@given(
    st.lists(st.lists(st.none() | st.integers(0, 4), max_size=5), max_size=8),
    st.sampled_from(LEVELS),
    st.randoms(use_true_random=False),
)
def test_it_is_at_most_one_and_no_order_changes_it(
    panel: list[list[int | None]], level: Level, chance: random.Random
) -> None:
    found = alpha(panel, level)
    shuffled = [chance.sample(unit, len(unit)) for unit in panel]
    chance.shuffle(shuffled)
    assert alpha(shuffled, level) == pytest.approx(found)
    assert found is None or found <= 1.0
