"""The learned vote is an honest one while feedback is scarce: on panels of every kind it is not
materially worse than what needs no learner, the plain majority and the agent that has been right
most often on the same feedback.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import pytest

from comitia.consensus import learned, one_coin, plurality
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.learning import Example, fit
from comitia.consensus.weights import SkillWeights

SEEDS = 6
UNJUDGED, HELD_OUT = 200, 120


@dataclass(frozen=True, slots=True)
class Panel:
    """`accuracies`: of the voters that answer by themselves; `copies`: so many more say what the
    last of them says, each with probability `faithful`, and answer as well as it otherwise.
    """

    accuracies: tuple[float, ...]
    copies: int = 0
    faithful: float = 1.0

    def examples(self, count: int, options: Sequence[str], chance: random.Random) -> list[Example]:
        made = []
        for _ in range(count):
            correct = chance.choice(options)
            said = [_said(correct, accuracy, options, chance) for accuracy in self.accuracies]
            copied = said[-1]
            for _ in range(self.copies):
                own = _said(correct, self.accuracies[-1], options, chance)
                said.append(copied if chance.random() < self.faithful else own)
            votes = {f"v{n}": Ballot(choice, voter=f"v{n}") for n, choice in enumerate(said)}
            made.append(Example(votes, tuple(options), correct))
        return made


def _said(correct: str, accuracy: float, options: Sequence[str], chance: random.Random) -> str:
    if chance.random() < accuracy:
        return correct
    return chance.choice([option for option in options if option != correct])


PANELS = {
    "three alike": Panel((0.65,) * 3),
    "three unlike": Panel((0.8, 0.6, 0.55)),
    "one dominates two": Panel((0.9, 0.5, 0.5)),
    "one dominates six": Panel((0.9,) + (0.55,) * 6),
    "eight close to each other": Panel((0.72, 0.7, 0.69, 0.68, 0.66, 0.64, 0.62, 0.6)),
    "twelve alike": Panel((0.6,) * 12),
    "one good, two copies": Panel((0.85, 0.55), 1),
    "two good, three copies": Panel((0.75, 0.65, 0.6), 2),
    "two good, three near copies": Panel((0.8, 0.65, 0.6), 2, 0.7),
    "four good, five copies": Panel((0.8,) * 4 + (0.55,), 4),
    "one is mostly wrong": Panel((0.7, 0.65, 0.65, 0.6, 0.2)),
}

# Judged tasks -> what the learned vote may cost on the average. Ten answers cannot tell much, and
# agreement cannot tell which of three voters on two options is the good one: whoever believes ten
# answers altogether is right there, and believes chance on other panels.
SLACK = {10: 0.17, 30: 0.05, 100: 0.03, 300: 0.02}


def credit(example: Example, outcome: Outcome) -> float:
    """A tie guesses."""
    leaders = outcome.tied or (outcome.winner,)
    return (example.correct in leaders) / len(leaders)


def by_weights(examples: Sequence[Example], weights: SkillWeights) -> float:
    return mean(
        credit(one, learned.decide(one.votes.values(), one.options, weights)) for one in examples
    )


def by_majority(examples: Sequence[Example]) -> float:
    return mean(credit(one, plurality.decide(one.votes.values())) for one in examples)


def right(examples: Sequence[Example], voter: str) -> float:
    return mean(one.votes[voter].choice == one.correct for one in examples)


def agreement(examples: Sequence[Example]) -> dict[str, float]:
    state = one_coin.Agreement()
    for one in examples:
        one_coin.observe(state, one.votes.values(), len(one.options))
    return one_coin.accuracies(state)


@pytest.mark.parametrize("options", ["ab", "abcdefghij"], ids=["binary", "ten options"])
@pytest.mark.parametrize("kind", PANELS)
def test_feedback_of_any_size_costs_nothing_that_matters(kind: str, options: str) -> None:
    found: dict[int, list[tuple[float, float, float]]] = {count: [] for count in SLACK}
    for seed in range(SEEDS):
        chance = random.Random(f"{kind} {options} {seed}")
        judged = PANELS[kind].examples(max(SLACK), options, chance)
        accuracies = agreement(judged + PANELS[kind].examples(UNJUDGED, options, chance))
        held_out = PANELS[kind].examples(HELD_OUT, options, chance)
        majority = by_majority(held_out)
        for count, rows in found.items():
            gold = judged[:count]
            best = max(sorted(gold[0].votes), key=lambda voter: right(gold, voter))
            weights = fit(gold, accuracies, len(options))
            rows.append((by_weights(held_out, weights), majority, right(held_out, best)))
    for count, rows in found.items():
        ours, majority, best = map(mean, zip(*rows, strict=True))
        assert ours > max(majority, best) - SLACK[count], (count, ours, majority, best)


def test_feedback_that_means_nothing_leaves_nothing_to_believe() -> None:
    """Answers drawn by lot: the vote does not follow them, and no decision claims to be likely."""
    options = "abcd"
    chance = random.Random(3)
    panel = PANELS["eight close to each other"]
    judged = panel.examples(300, options, chance)
    shuffled = [Example(one.votes, one.options, chance.choice(options)) for one in judged]
    weights = fit(shuffled, agreement(judged), len(options))
    outcomes = [
        learned.decide(one.votes.values(), one.options, weights)
        for one in panel.examples(HELD_OUT, options, chance)
    ]
    assert max(outcome.probability or 0.0 for outcome in outcomes) < 0.5
    assert max(abs(one.weight) for one in weights.voters.values()) < 0.35


def test_a_clique_is_found_out_by_ten_answers() -> None:
    """Five who copy each other look to agreement as if they were never wrong."""
    panel, options = PANELS["four good, five copies"], "abcdefghij"
    chance = random.Random(4)
    judged = panel.examples(10, options, chance)
    accuracies = agreement(judged + panel.examples(UNJUDGED, options, chance))
    held_out = panel.examples(HELD_OUT, options, chance)
    fooled = by_weights(held_out, fit([], accuracies, len(options)))
    assert fooled < 0.65
    assert by_weights(held_out, fit(judged, accuracies, len(options))) > fooled + 0.15
