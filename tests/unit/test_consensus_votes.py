"""Who wins, who ties, by how much; and that no order of ballots and no odd number changes it."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus import plurality, probability_weighted
from comitia.consensus.ballots import Ballot, lead

OPTIONS = ("a", "b", "c")
numbers = st.floats() | st.floats(0, 1)
ballots = st.lists(
    st.builds(
        Ballot,
        st.none() | st.sampled_from(OPTIONS),
        st.dictionaries(st.sampled_from(("a", "b", "c", "other")), numbers),
        st.none() | numbers,
    ),
    max_size=12,
)


def votes(*choices: str | None) -> list[Ballot]:
    return [Ballot(choice) for choice in choices]


def test_most_votes_win() -> None:
    outcome = plurality.decide(votes("a", "a", "b", None))
    assert (outcome.winner, outcome.tied) == ("a", ())
    assert (outcome.cast, outcome.abstained) == (3, 1)
    assert outcome.margin == pytest.approx(1 / 3)
    assert outcome.shares == {"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 3)}


def test_a_tie_has_no_winner_and_names_its_leaders() -> None:
    outcome = plurality.decide(votes("c", "a", "c", "a", "b"))
    assert (outcome.winner, outcome.tied, outcome.margin) == (None, ("a", "c"), 0.0)


def test_nobody_voted() -> None:
    for outcome in (
        plurality.decide(votes(None, None)),
        probability_weighted.decide(votes(None, None), OPTIONS),
    ):
        assert (outcome.winner, outcome.tied, outcome.margin) == (None, (), 0.0)
        assert (outcome.cast, outcome.abstained) == (0, 2)


def test_a_unanimous_panel_has_the_whole_margin() -> None:
    assert plurality.decide(votes("a", "a")).margin == 1.0
    assert probability_weighted.decide(votes("a"), OPTIONS).margin == 1.0


def test_the_pool_is_the_mean_of_probabilities() -> None:
    pool = probability_weighted.decide(
        [Ballot("a", {"a": 0.6, "b": 0.4}), Ballot("b", {"a": 0.1, "b": 0.9})], ("a", "b")
    )
    assert pool.winner == "b"
    assert pool.shares == {"a": pytest.approx(0.35), "b": pytest.approx(0.65)}
    assert pool.margin == pytest.approx(0.3)


def test_one_sure_voter_outweighs_two_unsure_ones() -> None:
    ballots = [Ballot("a", {"a": 0.51, "b": 0.49})] * 2 + [Ballot("b", {"a": 0.05, "b": 0.95})]
    assert plurality.decide(ballots).winner == "a"
    assert probability_weighted.decide(ballots, ("a", "b")).winner == "b"


def test_a_ballot_without_probabilities_stands_for_its_confidence_else_for_its_choice() -> None:
    shares = probability_weighted.decide([Ballot("a", confidence=0.8)], OPTIONS).shares
    assert shares == {"a": pytest.approx(0.8), "b": pytest.approx(0.1), "c": pytest.approx(0.1)}
    assert probability_weighted.decide([Ballot("a")], OPTIONS).shares["a"] == 1.0


@pytest.mark.parametrize(
    "probabilities",
    [{"a": math.nan}, {"a": -0.5, "b": 1.0}, {"a": math.inf}, {"a": 0.0}, {"x": 1.0}],
)
def test_unusable_probabilities_are_as_none(probabilities: dict[str, float]) -> None:
    shares = probability_weighted.decide([Ballot("b", probabilities, math.nan)], OPTIONS).shares
    assert shares["b"] == 1.0


def test_rounding_does_not_break_a_tie() -> None:
    shares = {"a": 0.1 + 0.2, "b": 0.3, "c": 0.2}
    assert shares["a"] != shares["b"]
    assert lead(shares, cast=3, abstained=0).tied == ("a", "b")


def test_probabilities_that_do_not_add_up_count_by_their_proportions() -> None:
    halves = [Ballot("a", {"a": 0.4, "b": 0.1}), Ballot("b", {"a": 0.3, "b": 0.7})]
    shares = probability_weighted.decide(halves, ("a", "b")).shares
    assert shares == {"a": pytest.approx(0.55), "b": pytest.approx(0.45)}


@given(ballots, st.randoms())
def test_any_order_gives_the_same_outcome_to_the_last_bit(
    cast: list[Ballot], chance: random.Random
) -> None:
    shuffled = list(cast)
    chance.shuffle(shuffled)
    assert plurality.decide(shuffled) == plurality.decide(cast)
    pooled = probability_weighted.decide(cast, OPTIONS)
    assert probability_weighted.decide(shuffled, tuple(reversed(OPTIONS))) == pooled
    for outcome in (plurality.decide(cast), pooled):
        assert 0.0 <= outcome.margin <= 1.0
        assert outcome.cast + outcome.abstained == len(cast)
        assert (outcome.winner is None) == (len(outcome.tied) > 1 or outcome.cast == 0)
        assert not outcome.shares or math.isclose(math.fsum(outcome.shares.values()), 1.0)
