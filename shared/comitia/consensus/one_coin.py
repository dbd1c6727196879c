"""Accuracies from agreement alone: who agrees with the others more often than chance is right more
often, whatever is right.

In the one-coin model voter i is right with probability p_i whatever is asked, and otherwise picks
one of the k - 1 wrong options at random, each independently of the others, so that

    P(i and j agree) = p_i p_j + (1 - p_i)(1 - p_j) / (k - 1)

A. P. Dawid and A. M. Skene, Applied Statistics 28 (1979), 20-28, DOI 10.2307/2346806, in the form
with one parameter a voter; accuracies from agreement between pairs: N. Dalvi, A. Dasgupta, R. Kumar
and V. Rastogi, "Aggregating Crowdsourced Binary Ratings", WWW 2013, DOI 10.1145/2488388.2488414.
Voters who copy each other look better than they are; only feedback tells (`learning`).

An Agreement counts, pair by pair, how often two voters voted on the same question and how often
alike: whole numbers, so that the order of panels does not matter to the last bit. It grows with the
square of the voters, whatever the number of panels. `accuracies` solves for p by least squares.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comitia.consensus.ballots import Ballot

# 1 / (k - 1) is added up in units of one in so many, so that sums are exact.
_CHANCE_UNIT = 5_040
# A voter's accuracy before anything is known: mean and standard deviation.
PRIOR_ACCURACY, PRIOR_DEVIATION = 0.6, 0.15
ACCURACY_LEAST, ACCURACY_MOST = 0.02, 0.98
_ROUNDS, _DAMPING, _CONVERGED = 200, 0.5, 1e-9


@dataclass(slots=True)
class Agreement:
    """`pairs`: two voters, the lesser name first -> [questions that both voted on, votes alike, sum
    over those questions of 1 / (options - 1) in units of 1 / 5040].
    """

    pairs: dict[tuple[str, str], list[int]] = field(default_factory=dict)


def observe(state: Agreement, ballots: Iterable[Ballot], options_count: int) -> None:
    """Count one panel's votes. `options_count`: answers to choose from, at least 2. Abstentions are
    passed over; of several ballots of one voter the last counts.
    """
    chance = round(_CHANCE_UNIT / (max(2, options_count) - 1))
    votes = {ballot.voter: ballot.choice for ballot in ballots if ballot.choice is not None}
    for pair in combinations(sorted(votes), 2):
        counts = state.pairs.setdefault(pair, [0, 0, 0])
        counts[0] += 1
        counts[1] += votes[pair[0]] == votes[pair[1]]
        counts[2] += chance


def forget(state: Agreement, voter: str) -> None:
    """Drop everything that was counted of a voter."""
    for pair in [pair for pair in state.pairs if voter in pair]:
        del state.pairs[pair]


def accuracies(state: Agreement) -> dict[str, float]:
    """voter -> estimated share of right answers, [0.02, 0.98]; 0.6 at first. Given the others, the
    expected number of votes alike is linear in p_i; each round solves for all p at once, weighs
    pairs by the variance of their counts, and goes half of the way.
    """
    voters = sorted({voter for pair in state.pairs for voter in pair})
    if not voters:
        return {}
    asked, alike, chance = _matrices(state, voters)
    prior = 1.0 / PRIOR_DEVIATION**2
    found = np.full(len(voters), PRIOR_ACCURACY)
    for _ in range(_ROUNDS):
        slope = asked * found - chance * (1.0 - found)
        base = chance * (1.0 - found)
        share = (base + found[:, None] * slope) / np.maximum(asked, 1.0)
        variance = np.maximum(asked * share * (1.0 - share), 0.25)
        weight = np.where(asked > 0, 1.0 / variance, 0.0)
        top = (weight * slope * (alike - base)).sum(axis=1) + prior * PRIOR_ACCURACY
        solved = top / ((weight * slope * slope).sum(axis=1) + prior)
        step = _DAMPING * (np.clip(solved, ACCURACY_LEAST, ACCURACY_MOST) - found)
        found = found + step
        if float(np.abs(step).max()) < _CONVERGED:
            break
    return dict(zip(voters, found.tolist(), strict=True))


def dump(state: Agreement) -> dict[str, Any]:
    """The state as JSON can hold it."""
    voters = sorted({voter for pair in state.pairs for voter in pair})
    number = {voter: place for place, voter in enumerate(voters)}
    pairs = [[number[a], number[b], *state.pairs[a, b]] for a, b in sorted(state.pairs)]
    return {"voters": voters, "pairs": pairs}


def restore(dumped: Mapping[str, Any]) -> Agreement:
    """What `dump` gave. KeyError, TypeError, IndexError or ValueError for anything else."""
    voters = dumped["voters"]
    return Agreement({(voters[a], voters[b]): list(counts) for a, b, *counts in dumped["pairs"]})


def _matrices(
    state: Agreement, voters: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Symmetric float64[voters, voters]: questions, votes alike, sum of 1 / (options - 1)."""
    number = {voter: place for place, voter in enumerate(voters)}
    made = np.zeros((3, len(voters), len(voters)))
    for (first, second), counts in state.pairs.items():
        a, b = number[first], number[second]
        made[:, a, b] = made[:, b, a] = counts
    return made[0], made[1], made[2] / _CHANCE_UNIT
