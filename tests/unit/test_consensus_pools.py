"""Approval and the logarithmic pool: who wins, who ties, and when it is settled."""

import math
import random
from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus import approval, log_pool
from comitia.consensus.ballots import PROBABILITY_FLOOR, Ballot, stated

OPTIONS = ("a", "b", "c")
RULES = (approval, log_pool)

any_ballot = st.builds(
    Ballot,
    st.none() | st.sampled_from((*OPTIONS, "not an option")),
    st.dictionaries(st.sampled_from((*OPTIONS, "other")), st.floats(0, 1) | st.floats()),
    st.none() | st.floats(0, 1) | st.floats(),
)


def test_a_vote_for_everything_that_is_likelier_than_chance() -> None:
    ballots = [
        Ballot("a", {"a": 0.5, "b": 0.4, "c": 0.1}),
        Ballot("c", {"a": 0.1, "b": 0.4, "c": 0.5}),
    ]
    outcome = approval.decide(ballots, OPTIONS)
    assert outcome.winner == "b"
    assert outcome.shares == {"a": 0.25, "b": 0.5, "c": 0.25}


def test_who_finds_all_options_alike_approves_of_its_choice_alone() -> None:
    third = Ballot("b", dict.fromkeys(OPTIONS, 1 / 3))
    assert approval.decide([third], OPTIONS).shares == {"a": 0.0, "b": 1.0, "c": 0.0}
    assert approval.decide([Ballot("b")], OPTIONS).winner == "b"
    assert approval.decide([Ballot("b", confidence=0.2)], OPTIONS).shares["b"] > 0.3


def test_the_logarithmic_pool_is_the_geometric_mean() -> None:
    first, second = {"a": 0.6, "b": 0.3, "c": 0.1}, {"a": 0.1, "b": 0.2, "c": 0.7}
    means = {option: math.sqrt(first[option] * second[option]) for option in OPTIONS}
    outcome = log_pool.decide([Ballot("a", first), Ballot("c", second)], OPTIONS)
    whole = sum(means.values())
    assert outcome.shares == pytest.approx({o: one / whole for o, one in means.items()})
    assert outcome.winner == "c"


def test_a_zero_is_dear_and_no_veto() -> None:
    for_a, against = Ballot("a", {"a": 0.9, "b": 0.1}), Ballot("b", {"a": 0.0, "b": 1.0})
    assert log_pool.decide([for_a, against], ("a", "b")).winner == "b"
    enough = math.ceil(-math.log(PROBABILITY_FLOOR) / math.log(9)) + 1
    assert log_pool.decide([for_a] * enough + [against], ("a", "b")).winner == "a"


@pytest.mark.parametrize("rule", RULES)
def test_nobody_voted_and_ties(rule: object) -> None:
    decide = approval.decide if rule is approval else log_pool.decide
    silent = decide([Ballot(None), Ballot("not an option")], OPTIONS)
    assert (silent.winner, silent.tied, silent.cast, silent.abstained) == (None, (), 0, 2)
    tie = decide([Ballot("b"), Ballot("a")], OPTIONS)
    assert (tie.winner, tie.tied, tie.margin) == (None, ("a", "b"), 0.0)


def test_approval_is_settled_exactly_when_every_completion_has_the_same_winner() -> None:
    seen = {True: 0, False: 0}
    kinds = [Ballot(one) for one in (None, *OPTIONS)] + [Ballot("a", {"a": 0.5, "b": 0.5})]
    for size in range(5):
        for ballots in combinations_with_replacement(kinds, size):
            for open_max in range(3):
                winners = {
                    approval.decide((*ballots, *further), OPTIONS).winner
                    for further in product(kinds, repeat=open_max)
                }
                certain = len(winners) == 1 and None not in winners
                assert approval.settled(ballots, OPTIONS, open_max) == certain
                seen[certain] += 1
    assert min(seen.values()) > 20


def test_the_logarithmic_pool_is_settled_up_to_the_last_ballot_that_could_tie() -> None:
    sure = Ballot("a", {"a": 1.0})
    for count in range(1, 6):
        for open_max in range(6):
            worst = {
                log_pool.decide([sure] * count + [Ballot("b")] * further, OPTIONS).winner
                for further in range(open_max + 1)
            }
            assert log_pool.settled([sure] * count, OPTIONS, open_max) == (worst == {"a"})


@given(st.lists(any_ballot, max_size=8), st.lists(any_ballot, max_size=6), st.randoms())
def test_any_order_gives_the_same_outcome_and_what_is_settled_stays(
    now: list[Ballot], further: list[Ballot], chance: random.Random
) -> None:
    shuffled = list(now)
    chance.shuffle(shuffled)
    for decide, settled in (
        (approval.decide, approval.settled),
        (log_pool.decide, log_pool.settled),
    ):
        outcome = decide(now, OPTIONS)
        assert decide(shuffled, tuple(reversed(OPTIONS))) == outcome
        assert not outcome.cast or math.isclose(math.fsum(outcome.shares.values()), 1.0)
        if settled(now, OPTIONS, len(further)):
            assert decide(now + further, OPTIONS).winner == outcome.winner is not None


def test_stated_probabilities_are_usable_or_nothing() -> None:
    assert stated({"a": 0.2, "b": 0.2}, OPTIONS) == {"a": 0.5, "b": 0.5}
    for unusable in ({}, {"a": math.nan}, {"a": 1.5}, {"x": 1.0}, {"a": 0.0}, {"a": -0.1, "b": 1}):
        assert stated(unusable, OPTIONS) == {}
