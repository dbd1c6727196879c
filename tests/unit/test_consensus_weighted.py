"""Votes that weigh differently, by log-odds or by learned weights: who wins, how surely, and when
it is settled.
"""

import math
import random
from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus import learned, weighted
from comitia.consensus.ballots import PROBABILITY_FLOOR, Ballot, Outcome
from comitia.consensus.weights import SkillWeights, VoterWeight, finite, log_odds

OPTIONS = ("a", "b", "c")


def skill(temperature: float = 0.0, **voters: tuple[float, float, float]) -> SkillWeights:
    """voter=(weight, probability_weight, accuracy)"""
    found = {voter: VoterWeight(*numbers) for voter, numbers in voters.items()}
    return SkillWeights(1, found, VoterWeight(0.5, 0.0, 0.6), temperature, True)


def votes(**choices: str | None) -> list[Ballot]:
    return [Ballot(choice, voter=voter) for voter, choice in choices.items()]


WEIGHTS = skill(2.0, v=(3.0, 0.0, 0.95), x=(1.0, 0.0, 0.7), y=(-0.75, 0.0, 0.2), z=(0.0, 0.0, 0.34))


def test_one_who_is_often_right_outvotes_two_who_are_not() -> None:
    ballots = votes(v="a", x="b", unknown="b")
    assert weighted.decide(ballots, OPTIONS, WEIGHTS).winner == "a"
    assert learned.decide(ballots, OPTIONS, WEIGHTS).winner == "a"


def test_log_odds_give_the_posterior_of_independent_voters() -> None:
    right, others = 0.95, 0.7
    likelihood = {
        "a": right * 0.3 / 2,
        "b": (1 - right) / 2 * others,
        "c": (1 - right) / 2 * (1 - others) / 2,
    }
    outcome = weighted.decide(votes(v="a", x="b"), OPTIONS, WEIGHTS)
    whole = sum(likelihood.values())
    assert outcome.shares == pytest.approx({o: one / whole for o, one in likelihood.items()})
    assert outcome.probability is None


def test_a_voter_worse_than_chance_speaks_against_its_choice() -> None:
    assert set(weighted.decide(votes(y="a"), OPTIONS, WEIGHTS).tied) == {"b", "c"}
    assert learned.decide(votes(y="a", unknown="b"), OPTIONS, WEIGHTS).winner == "b"


def test_the_temperature_of_the_skill_takes_back_how_sure_a_vote_is() -> None:
    ballots = votes(v="a", x="b", z="b")
    outcome = learned.decide(ballots, OPTIONS, WEIGHTS)
    raised = [math.exp(3), math.exp(1), 1.0]
    assert outcome.shares["b"] == pytest.approx(raised[1] / sum(raised))
    log_odds_of_a = math.log(raised[0] / (raised[1] + raised[2]))
    assert outcome.probability == pytest.approx(1 / (1 + math.exp(-log_odds_of_a / 2)))
    for unusable in (0.0, -1.0, math.nan, math.inf):
        assert learned.decide(ballots, OPTIONS, skill(unusable)).probability is None


def test_values_that_are_free_leave_room_for_another_one() -> None:
    outcome = learned.decide(votes(v="12", x="13"), (), WEIGHTS)
    first, second = math.exp(3), math.exp(1)
    assert outcome.shares["12"] == pytest.approx(first / (first + second))
    assert outcome.probability == pytest.approx(1 / (1 + ((second + 1) / first) ** 0.5))
    assert weighted.decide(votes(v="12", x="13"), (), WEIGHTS).winner == "12"
    # Even unanimous voters of little weight may all be wrong.
    doubtful = learned.decide(votes(y="12"), (), WEIGHTS)
    assert doubtful.shares == {"12": 1.0}
    assert doubtful.probability == pytest.approx(1 / (1 + math.exp(0.375)))


def test_probabilities_count_by_their_logarithm_and_a_zero_is_no_veto() -> None:
    weights = skill(1.0, v=(0.0, 1.0, 0.9), x=(0.0, 0.5, 0.9))
    ballots = [
        Ballot("a", {"a": 0.8, "b": 0.2}, voter="v"),
        Ballot("b", {"a": 0.1, "b": 0.6, "c": 0.3}, voter="x"),
    ]
    scores = {
        "a": 0.8 * 0.1**0.5,
        "b": 0.2 * 0.6**0.5,
        "c": PROBABILITY_FLOOR * 0.3**0.5,
    }
    outcome = learned.decide(ballots, OPTIONS, weights)
    assert outcome.shares == pytest.approx({o: s / sum(scores.values()) for o, s in scores.items()})
    # A ballot without usable probabilities has only its vote, which weighs nothing here.
    bare = [Ballot("c", {"c": math.nan}, voter="x")]
    assert learned.decide(ballots[:1] + bare, OPTIONS, weights).winner == "a"


def test_samples_of_a_voter_share_its_weight() -> None:
    many = votes(x="a") * 5 + votes(unknown="b") + votes(v="b")
    assert learned.decide(many, OPTIONS, WEIGHTS).winner == "b"
    split = [*votes(v="a"), *votes(v="b"), *votes(v="b"), *votes(x="a")]
    shares = learned.decide(split, OPTIONS, WEIGHTS).shares
    # 3 * 1/3 + 1 against 3 * 2/3
    assert shares["a"] == pytest.approx(shares["b"])


def test_who_does_not_vote_does_not_count() -> None:
    outcome = learned.decide(votes(v=None, x="no option", unknown="b"), OPTIONS, WEIGHTS)
    assert (outcome.winner, outcome.cast, outcome.abstained) == ("b", 1, 2)
    for silent in ([], votes(v=None)):
        empty = learned.decide(silent, OPTIONS, WEIGHTS)
        assert (empty.winner, empty.tied, empty.probability) == (None, (), None)


def test_votes_without_weight_tie() -> None:
    outcome = learned.decide(votes(z="a"), OPTIONS, WEIGHTS)
    assert (outcome.winner, outcome.tied, outcome.probability) == (None, OPTIONS, None)


def test_log_odds_are_bounded_and_chance_is_worth_nothing() -> None:
    assert log_odds(0.25, 4) == pytest.approx(0.0)
    assert log_odds(0.9, 2) == pytest.approx(math.log(9))
    assert log_odds(1.0, 2) == pytest.approx(math.log(999))
    assert log_odds(0.0, 2) == pytest.approx(-math.log(999))
    assert log_odds(math.nan, 4) == 0.0
    assert log_odds(0.9, 0) == log_odds(0.9, 2)
    assert finite(math.inf) == finite(math.nan) == 0.0
    assert finite(-1e300) == -finite(1e300)


Decide = Callable[..., Outcome]
Settled = Callable[..., bool]


def completions(ballots: list[Ballot], open_voters: tuple[str, ...]) -> Iterator[list[Ballot]]:
    """Every way in which the open ballots may fall, as bare votes."""
    for choices in product((None, *OPTIONS), repeat=len(open_voters)):
        further = zip(open_voters, choices, strict=True)
        yield ballots + [Ballot(choice, voter=voter) for voter, choice in further]


@pytest.mark.parametrize(
    ("decide", "settled"), [(learned.decide, learned.settled), (weighted.decide, weighted.settled)]
)
def test_settled_exactly_when_every_completion_has_the_same_winner(
    decide: Decide, settled: Settled
) -> None:
    seen = {True: 0, False: 0}
    voters = ("v", "x", "y", "v")
    for said in range(4):
        for choices in product((None, *OPTIONS), repeat=said):
            pairs = zip(voters[:said], choices, strict=True)
            ballots = [Ballot(choice, voter=voter) for voter, choice in pairs]
            for open_count in range(3):
                for further in combinations_with_replacement(
                    ("v", "x", "z", "unknown"), open_count
                ):
                    every = completions(ballots, further)
                    winners = {decide(one, OPTIONS, WEIGHTS).winner for one in every}
                    certain = len(winners) == 1 and None not in winners
                    found = settled(ballots, OPTIONS, WEIGHTS, further)
                    assert found == certain, (ballots, further, winners)
                    seen[certain] += 1
    assert min(seen.values()) > 100


def test_a_value_that_nobody_has_named_is_a_rival_where_values_are_free() -> None:
    ballots = votes(x="12")
    assert learned.settled(ballots, (), WEIGHTS, ())
    assert learned.settled(ballots, (), WEIGHTS, ("unknown",))
    assert not learned.settled(ballots, (), WEIGHTS, ("unknown", "other"))
    assert not learned.settled(ballots, (), WEIGHTS, ("v",))


odd = st.floats() | st.sampled_from((0.0, 1e308, -1e308, math.nan, math.inf, 5e-324))
any_weights = st.builds(
    SkillWeights,
    st.just(1),
    st.dictionaries(st.sampled_from("vxyz"), st.builds(VoterWeight, odd, odd, odd)),
    st.builds(VoterWeight, odd, odd, odd),
    odd,
    st.booleans(),
)
any_ballot = st.builds(
    Ballot,
    st.none() | st.sampled_from((*OPTIONS, "not an option")),
    st.dictionaries(st.sampled_from((*OPTIONS, "other")), st.floats(0, 1) | odd),
    st.none() | odd,
    st.sampled_from("vxyz"),
)
any_options = st.sampled_from((OPTIONS, ()))


@given(st.lists(any_ballot, max_size=8), any_options, any_weights, st.randoms())
def test_any_order_gives_the_same_outcome_to_the_last_bit_and_odd_numbers_do_no_harm(
    ballots: list[Ballot], options: tuple[str, ...], weights: SkillWeights, chance: random.Random
) -> None:
    shuffled = list(ballots)
    chance.shuffle(shuffled)
    for decide in (learned.decide, weighted.decide):
        outcome = decide(ballots, options, weights)
        assert decide(shuffled, tuple(reversed(options)), weights) == outcome
        assert outcome.cast + outcome.abstained == len(ballots)
        assert not outcome.cast or math.isclose(math.fsum(outcome.shares.values()), 1.0)
        assert outcome.probability is None or 0.0 <= outcome.probability <= 1.0


@given(st.lists(any_ballot, max_size=6), st.lists(any_ballot, max_size=4), any_options, any_weights)
def test_what_is_settled_stays(
    now: list[Ballot], further: list[Ballot], options: tuple[str, ...], weights: SkillWeights
) -> None:
    open_voters = [ballot.voter for ballot in further]
    for decide, settled in (
        (learned.decide, learned.settled),
        (weighted.decide, weighted.settled),
    ):
        if settled(now, options, weights, open_voters):
            winner = decide(now, options, weights).winner
            assert winner is not None
            assert decide(now + further, options, weights).winner == winner
