"""What feedback teaches: voters who err together are discounted, scarce feedback changes little,
and nothing is learned where there is nothing to learn.
"""

import math
import random
from collections.abc import Mapping, Sequence

import pytest

from comitia.consensus import learned, plurality, weighted
from comitia.consensus.ballots import Ballot
from comitia.consensus.calibration import expected_calibration_error
from comitia.consensus.learning import EXAMPLES_MIN, Example, fit
from comitia.consensus.weights import SkillWeights, log_odds

OPTIONS = ("a", "b", "c", "d")
ACCURACIES = {"expert": 0.75, "other": 0.65, "first": 0.6, "second": 0.6, "third": 0.6}


def said(correct: str, accuracy: float, chance: random.Random) -> str:
    if chance.random() < accuracy:
        return correct
    return chance.choice([option for option in OPTIONS if option != correct])


def questions(count: int, seed: int = 1) -> list[Example]:
    """`second` and `third` repeat `first`: three votes, one opinion."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        correct = chance.choice(OPTIONS)
        choices = {voter: said(correct, ACCURACIES[voter], chance) for voter in ACCURACIES}
        choices["second"] = choices["third"] = choices["first"]
        votes = {voter: Ballot(choice, voter=voter) for voter, choice in choices.items()}
        made.append(Example(votes, OPTIONS, correct))
    return made


def share_right(examples: Sequence[Example], winners: Sequence[str | None]) -> float:
    pairs = zip(winners, examples, strict=True)
    return sum(winner == one.correct for winner, one in pairs) / len(examples)


def by_learned(examples: Sequence[Example], weights: SkillWeights) -> float:
    decided = [learned.decide(one.votes.values(), one.options, weights) for one in examples]
    return share_right(examples, [outcome.winner for outcome in decided])


def by_plurality(examples: Sequence[Example]) -> float:
    return share_right(examples, [plurality.decide(one.votes.values()).winner for one in examples])


def test_voters_who_err_together_share_one_weight() -> None:
    weights = fit(questions(400), ACCURACIES, 4)
    together = sum(weights.of(voter).weight for voter in ("first", "second", "third"))
    assert weights.learned
    assert together == pytest.approx(log_odds(0.6, 4), abs=0.6)
    assert weights.of("expert").weight == pytest.approx(log_odds(0.75, 4), abs=0.6)
    held_out = questions(1500, seed=2)
    best = max(
        share_right(held_out, [one.votes[voter].choice for one in held_out]) for voter in ACCURACIES
    )
    assert by_learned(held_out, weights) > best + 0.02
    assert best > by_plurality(held_out) + 0.05


def test_the_probability_of_the_winner_can_be_believed() -> None:
    weights = fit(questions(400), ACCURACIES, 4)
    held_out = questions(1500, seed=3)
    outcomes = [learned.decide(one.votes.values(), OPTIONS, weights) for one in held_out]
    chances = [outcome.probability or 0.0 for outcome in outcomes]
    came = [o.winner == one.correct for o, one in zip(outcomes, held_out, strict=True)]
    assert expected_calibration_error(chances, came) < 0.05
    surest = [
        max(weighted.decide(one.votes.values(), OPTIONS, weights).shares.values())
        for one in held_out
    ]
    assert expected_calibration_error(surest, came) > 0.1


def test_scarce_feedback_leaves_the_log_odds_of_agreement() -> None:
    for examples in ([], questions(EXAMPLES_MIN - 1)):
        weights = fit(examples, ACCURACIES, 4)
        assert not weights.learned
        assert weights.temperature == 0.0
        assert {voter: one.weight for voter, one in weights.voters.items()} == pytest.approx(
            {voter: log_odds(accuracy, 4) for voter, accuracy in ACCURACIES.items()}
        )


@pytest.mark.parametrize("count", [EXAMPLES_MIN, 40, 100])
def test_more_feedback_never_costs_much(count: int) -> None:
    held_out = questions(1500, seed=4)
    start = max(by_plurality(held_out), by_learned(held_out, fit([], ACCURACIES, 4)))
    for seed in (11, 12, 13):
        assert by_learned(held_out, fit(questions(count, seed), ACCURACIES, 4)) > start - 0.02


def test_feedback_that_means_nothing_teaches_nothing() -> None:
    chance = random.Random(5)
    shuffled = [Example(one.votes, OPTIONS, chance.choice(OPTIONS)) for one in questions(400)]
    weights = fit(shuffled, ACCURACIES, 4)
    assert max(abs(one.weight) for one in weights.voters.values()) < 0.3
    held_out = questions(200, seed=6)
    sure = [learned.decide(one.votes.values(), OPTIONS, weights).probability for one in held_out]
    assert max(one for one in sure if one is not None) < 0.5


def test_a_voter_whose_words_are_worth_more_than_its_vote() -> None:
    """It says how sure it is, and is right about that."""
    chance = random.Random(8)
    made = []
    for _ in range(300):
        shares = [chance.random() ** 3 for _ in OPTIONS]
        given = {o: share / sum(shares) for o, share in zip(OPTIONS, shares, strict=True)}
        correct = chance.choices(OPTIONS, weights=list(given.values()))[0]
        best = max(given, key=lambda option: given[option])
        votes = {"honest": Ballot(best, given), "bare": Ballot(said(correct, 0.5, chance))}
        made.append(Example(votes, OPTIONS, correct))
    weights = fit(made, {"honest": 0.6, "bare": 0.5}, 4)
    assert 0.5 < weights.of("honest").probability_weight < 1.3
    assert weights.of("bare").probability_weight == 0.0


def test_voters_unknown_to_agreement_and_to_feedback() -> None:
    weights = fit(questions(200), {"elsewhere": 0.9}, 4)
    assert set(weights.voters) == {*ACCURACIES, "elsewhere"}
    assert weights.of("expert").accuracy == pytest.approx(0.75, abs=0.08)
    known = [one.weight for one in weights.voters.values()]
    assert weights.of("nobody").weight == pytest.approx(sum(known) / len(known))
    alone = fit([], {})
    assert alone.of("nobody").weight == 1.0
    assert not alone.voters


def test_free_values_and_what_nobody_named() -> None:
    """The answers of two voters who agree are right; of two who do not, often none is."""
    chance = random.Random(9)
    made = []
    for _ in range(200):
        agree = chance.random() < 0.5
        keys = ("0",) if agree else ("0", "1")
        votes = {"v": Ballot("0"), "x": Ballot(keys[-1])}
        correct = "0" if agree else chance.choice(["0", "", "", ""])
        made.append(Example(votes, (*keys, ""), correct))
    weights = fit(made, {"v": 0.7, "x": 0.6})
    apart = learned.decide([Ballot("12", voter="v"), Ballot("13", voter="x")], (), weights)
    together = learned.decide([Ballot("12", voter="v"), Ballot("12", voter="x")], (), weights)
    assert apart.winner == "12"
    assert apart.probability is not None
    assert together.probability is not None
    assert apart.probability + 0.2 < together.probability


def test_a_winner_that_is_mostly_wrong_is_not_called_likely() -> None:
    """Four who hardly ever know write down four different values: something else is right."""
    chance = random.Random(10)

    def drawn(count: int) -> list[list[str]]:
        values = ["right"] * 15 + [str(number) for number in range(85)]
        return [chance.choices(values, k=4) for _ in range(count)]

    made = []
    for said in drawn(300):
        votes = {f"v{place}": Ballot(key) for place, key in enumerate(said)}
        made.append(Example(votes, (*sorted(set(said)), ""), "right" if "right" in said else ""))
    weights = fit(made, {f"v{place}": 0.6 for place in range(4)}, 4)
    chances, came = [], []
    for said in drawn(1500):
        ballots = [Ballot(key, voter=f"v{place}") for place, key in enumerate(said)]
        outcome = learned.decide(ballots, (), weights)
        if outcome.probability is not None:
            chances.append(outcome.probability)
            came.append(outcome.winner == "right")
    assert sum(chances) / len(chances) == pytest.approx(sum(came) / len(came), abs=0.06)
    assert expected_calibration_error(chances, came) < 0.12


def odd_examples() -> list[Example]:
    ballots: list[Mapping[str, Ballot]] = [
        {},
        {"v": Ballot(None)},
        {"v": Ballot("not an option")},
        {"v": Ballot("a", {"a": math.nan}, math.inf)},
        {"v": Ballot("a", {"a": 0.0, "b": 1.0})},
    ]
    return [Example(votes, OPTIONS, c) for votes in ballots for c in ("a", "nowhere")] * 30


def test_odd_input_is_not_learned_from_and_never_raises() -> None:
    weights = fit(odd_examples(), {"v": math.nan, "x": 0.0, "y": 1.0, "z": -5.0}, math.nan)
    numbers = [n for one in weights.voters.values() for n in (one.weight, one.accuracy)]
    assert all(map(math.isfinite, (*numbers, weights.temperature)))
    assert fit([Example({"v": Ballot("a")}, ("a",), "a")] * 50, {}).learned


def test_the_same_feedback_gives_the_same_weights_to_the_last_bit() -> None:
    examples = questions(60)
    turned = [
        Example(dict(reversed(list(one.votes.items()))), OPTIONS, one.correct) for one in examples
    ]
    again = fit(turned, dict(reversed(list(ACCURACIES.items()))), 4)
    assert fit(examples, ACCURACIES, 4) == again
