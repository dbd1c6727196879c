"""Votes on numbers: the value that the formula says, whatever the order, the size of the numbers or
who abstains, and when no further number can move it.
"""

import math
import random
import statistics
from collections.abc import Callable
from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus import median, trimmed_mean, weighted_mean
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.keys import number_key
from comitia.consensus.weights import SkillWeights, VoterWeight

Decide = Callable[[list[Ballot]], Outcome]
Settled = Callable[[list[Ballot], int], bool]


def said(*numbers: float | None) -> list[Ballot]:
    return [Ballot(None if one is None else number_key(one)) for one in numbers]


def skill(**accuracies: float) -> SkillWeights:
    voters = {voter: VoterWeight(0.0, 0.0, one) for voter, one in accuracies.items()}
    return SkillWeights(1, voters, VoterWeight(0.0, 0.0, 0.5), 0.0, learned=False)


def by_voter(**numbers: float) -> list[Ballot]:
    return [Ballot(number_key(one), voter=voter) for voter, one in numbers.items()]


def weighted(ballots: list[Ballot]) -> Outcome:
    return weighted_mean.decide(ballots, skill(u=0.9, v=0.4, w=0.0))


ALL = (median.decide, trimmed_mean.decide, weighted)


def test_the_median_may_be_a_number_that_nobody_has_said() -> None:
    assert median.decide(said(4, 1, 1_000)).winner == "4"
    outcome = median.decide(said(4, 1, 1_000, None, 3))
    assert (outcome.winner, outcome.cast, outcome.abstained) == ("3.5", 4, 1)
    assert (outcome.shares["3.5"], outcome.shares["4"], outcome.margin) == (0.0, 0.25, 0.0)


def test_the_margin_is_that_of_ballots_that_say_just_the_result() -> None:
    outcome = median.decide(said(2, 2, 2, 5))
    assert (outcome.winner, outcome.shares, outcome.margin) == ("2", {"2": 0.75, "5": 0.25}, 0.5)
    assert trimmed_mean.decide(said(7)).margin == 1.0


def test_the_trimmed_mean_leaves_out_a_fifth_on_each_side() -> None:
    assert trimmed_mean.decide(said(1, 2, 3, 10)).winner == "4"
    assert trimmed_mean.decide(said(-1e9, 1, 2, 6, 1e9)).winner == "3"
    ten = [float(one) for one in range(8)] + [1e300, -1e300]
    assert trimmed_mean.decide(said(*ten)).winner == number_key(statistics.mean(range(1, 7)))


def test_the_weighted_mean_goes_by_accuracy_and_samples_share_it() -> None:
    ballots = by_voter(u=1, v=2, unknown=8)
    expected = (0.9 * 1 + 0.4 * 2 + 0.5 * 8) / 1.8
    assert weighted(ballots).winner == number_key(expected)
    # Asked again and answering alike, nobody weighs more.
    assert weighted([*ballots, ballots[2], ballots[2]]).winner == number_key(expected)
    assert weighted(by_voter(v=2, w=1_000)).winner == "2"


@pytest.mark.parametrize("accuracy", [0.0, math.nan, -3.0, -math.inf])
def test_where_no_accuracy_counts_all_weigh_the_same(accuracy: float) -> None:
    weights = skill(u=accuracy, v=accuracy)
    assert weighted_mean.decide(by_voter(u=1, v=2), weights).winner == "1.5"
    assert weighted_mean.decide(by_voter(u=1, unknown=2), weights).winner == "2"


@pytest.mark.parametrize("decide", ALL)
def test_what_is_no_finite_number_is_not_cast(decide: Decide) -> None:
    odd = [Ballot(choice) for choice in ("nan", "-inf", "1e999", "three", "", None)]
    assert decide(odd) == Outcome(None, (), {}, 0.0, 0, 6)
    outcome = decide([*odd, Ballot("5")])
    assert (outcome.winner, outcome.cast, outcome.abstained) == ("5", 1, 6)


@pytest.mark.parametrize("decide", ALL)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=12))
def test_the_result_lies_among_the_numbers(decide: Decide, numbers: list[float]) -> None:
    """However large they are: no sum overflows."""
    winner = decide(said(*numbers)).winner
    assert winner is not None
    keys = [float(number_key(one)) for one in numbers]
    assert min(keys) <= float(winner) <= max(keys)
    shuffled = list(keys)
    random.Random(7).shuffle(shuffled)
    assert decide(said(*shuffled)) == decide(said(*numbers))


@given(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=15))
def test_the_median_is_that_of_the_standard_library(numbers: list[int]) -> None:
    assert median.decide(said(*numbers)).winner == number_key(statistics.median(numbers))


@pytest.mark.parametrize(
    ("decide", "settled", "most"),
    [(median.decide, median.settled, 6), (trimmed_mean.decide, trimmed_mean.settled, 10)],
)
def test_settled_exactly_when_nothing_further_moves_it(
    decide: Decide, settled: Settled, most: int
) -> None:
    """Against numbers below, between, on and above all that were said."""
    seen = {True: 0, False: 0}
    for size, open_max in product(range(most), range(3)):
        for cast in combinations_with_replacement((0.0, 1.0), size):
            further = combinations_with_replacement((None, -9.0, 0.0, 0.3, 1.0, 9.0), open_max)
            winners = {decide(said(*cast, *more)).winner for more in further}
            certain = len(winners) == 1 and None not in winners
            assert settled(said(*cast), open_max) == certain, (cast, open_max, winners)
            seen[certain] += 1
    assert min(seen.values()) > 10


def test_a_weighted_mean_is_open_while_anybody_is_out() -> None:
    assert weighted_mean.settled(said(1), [])
    assert not weighted_mean.settled(said(1, 1, 1), ["w"])
    assert not weighted_mean.settled([], [])
