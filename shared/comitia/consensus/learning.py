"""What feedback teaches about the voters of a skill: their weights, and how far to trust a vote.

In come questions whose right option is known with the ballots cast on them, and every voter's
accuracy as agreement alone estimates it; out come the skill's weights. Only the learner and
benchmarks import it.

The weights are those of `learned`, a conditional logit (see `conditional_logit`), written as

    w_v = s * l_v + t + d_v,    l_v = ln(a_v (k - 1) / (1 - a_v))

a_v: the voter's estimated accuracy, k: the usual number of options. The prior is s ~ N(1, 1/2),
t ~ N(0, 1/2), d_v ~ N(0, 1 / p), u_v ~ N(0, 1 / q): at first nothing but the log-odds of
`weighted`; a few answers scale them, or drop them for a plain majority (s = 0); with more answers
every voter departs from that line as far as it earns it, and voters who err together lose weight
together. How freely, the precisions p and q, is found from the same answers by their evidence:
D. J. C. MacKay, "Bayesian Interpolation", Neural Computation 4 (1992), 415-447, DOI
10.1162/neco.1992.4.3.415,

    p <- (g + 2 A) / (sum of d_v^2 + 2 B),    g = sum over v of (1 - p * variance of d_v)

with a gamma prior (A, B) on p, which decides while there are few answers or few voters.

The temperature is cross-fitted: the questions are dealt into FOLDS, each fold is decided by weights
fitted to the others, and `calibration.temperature` judges the winners' shares.

Below EXAMPLES_MIN questions nothing is fitted: the weights are the log-odds themselves and no
temperature is named. The same input gives the same weights to the last bit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.consensus import calibration, conditional_logit
from comitia.consensus.ballots import PROBABILITY_FLOOR, Ballot, stated
from comitia.consensus.conditional_logit import Floats, Prior, Questions
from comitia.consensus.weights import ACCURACY_MIN, SkillWeights, VoterWeight, is_judge, log_odds
from comitia.values import value

EXAMPLES_MIN = 10
FOLDS = 5

# The option that stands for whatever nobody named, where values are free.
ELSE = ""

# What a voter's accuracy is thought to be before anything is known of it, and by how many judged
# ballots the estimate from agreement counts.
ACCURACY_UNKNOWN = 0.6
ACCURACY_STRENGTH = 10.0

# Precision of s and t: a standard deviation of 0.7.
_LINE_PRECISION = 2.0
# Gamma prior of p: the precision is likely about A / B, that is a standard deviation of 0.3 nats.
# Once p is unknown, voters depart from the line as by Student's t with 2 A degrees of freedom: with
# 2 of them agreement is mostly trusted, and yet a few answers can say that it was quite mistaken (a
# clique that agrees with itself, an expert whom nobody agrees with).
_GAMMA_A, _GAMMA_B = 1.0, 0.1
_EVIDENCE_ROUNDS = 6
# A vote that nothing speaks against counts as this sure, in nats.
_LOG_ODDS_MAX = 50.0


@value
class Example:
    """One question: `votes`: voter -> its ballot (choice and probabilities count). `options`: ids,
    in any order; where values are free, the keys that were named and ELSE for anything else.
    `correct`: the right one. An example whose `correct` is not among its options says nothing.
    """

    votes: Mapping[str, Ballot]
    options: tuple[str, ...]
    correct: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns: d of every voter, u of those who state probabilities, s, t. `odds`: l of every
    voter, float64[voters].
    """

    voters: tuple[str, ...]
    probable: tuple[str, ...]
    odds: Floats

    @property
    def count(self) -> int:
        return len(self.voters) + len(self.probable) + 2

    def prior(self, precisions: Sequence[float]) -> Prior:
        """`precisions`: p and q."""
        mean = np.zeros(self.count)
        mean[-2] = 1.0
        precision = np.full(self.count, _LINE_PRECISION)
        precision[: len(self.voters)] = precisions[0]
        precision[len(self.voters) : -2] = precisions[1]
        return Prior(mean, precision)


def fit(
    examples: Sequence[Example], accuracies: Mapping[str, float], options_count: float = 2.0
) -> SkillWeights:
    """The weights of all voters in `examples` or `accuracies`; their `version` is 0. Nothing is
    raised.

    `accuracies`: voter -> share of right answers as agreement estimates it, (0, 1).
    `options_count`: of a usual question of this skill. The prior for voters unknown weighs the mean
    of those known, at least 0; 1 where none is known.
    """
    usable = [one for one in examples if one.correct in one.options and _cast(one)]
    judged = _judged(usable)
    estimates = {v: _bounded(accuracies.get(v)) for v in sorted({*accuracies, *judged})}
    odds = {voter: log_odds(estimate, options_count) for voter, estimate in estimates.items()}
    accuracy = {
        voter: (ACCURACY_STRENGTH * estimate + sum(judged.get(voter, ())))
        / (ACCURACY_STRENGTH + len(judged.get(voter, ())))
        for voter, estimate in estimates.items()
    }
    if len(usable) < EXAMPLES_MIN:
        return _skill({voter: (one, 0.0) for voter, one in odds.items()}, accuracy, None)
    # Whoever was never judged is on the line, and needs no column.
    voters = tuple(voter for voter in odds if voter in judged)
    given = [_stated(one) for one in usable]
    probable = tuple(sorted(set().union(*given)))
    layout = _Layout(voters, probable, np.array([odds[voter] for voter in voters]))
    questions = _questions(usable, given, layout)
    prior, found = _evidence(questions, layout)
    named = np.array([option != ELSE for one in usable for option in one.options])
    temperature = _temperature(questions, prior, found, named)
    scale, constant = found[-2:].tolist()
    line = {voter: (scale * one + constant, 0.0) for voter, one in odds.items()}
    return _skill(line | _coefficients(layout, found), accuracy, temperature)


def without_judges(example: Example) -> Example:
    """The question as those saw it who answered first. Where values are free, one that only judges
    have named is named by nobody.
    """
    votes = {voter: ballot for voter, ballot in example.votes.items() if not is_judge(voter)}
    if ELSE not in example.options or len(votes) == len(example.votes):
        return Example(votes, example.options, example.correct)
    named = {ballot.choice for ballot in votes.values()} | {ELSE}
    options = tuple(option for option in example.options if option in named)
    return Example(votes, options, example.correct if example.correct in named else ELSE)


def _cast(example: Example) -> bool:
    return any(ballot.choice in example.options for ballot in example.votes.values())


def _judged(examples: Sequence[Example]) -> dict[str, list[bool]]:
    """Voter -> whether each of its ballots was right."""
    judged: dict[str, list[bool]] = {}
    for example in examples:
        for voter, ballot in example.votes.items():
            if ballot.choice in example.options:
                judged.setdefault(voter, []).append(ballot.choice == example.correct)
    return judged


def _bounded(accuracy: float | None) -> float:
    if accuracy is None or not math.isfinite(accuracy):
        return ACCURACY_UNKNOWN
    return max(ACCURACY_MIN, min(1.0 - ACCURACY_MIN, accuracy))


def _stated(example: Example) -> dict[str, Mapping[str, float]]:
    """Voter -> the usable probabilities of its ballot, where it has some."""
    found = {
        voter: stated(ballot.probabilities, example.options)
        for voter, ballot in example.votes.items()
        if ballot.probabilities and ballot.choice in example.options
    }
    return {voter: given for voter, given in found.items() if given}


def _questions(
    examples: Sequence[Example], given: Sequence[Mapping[str, Mapping[str, float]]], layout: _Layout
) -> Questions:
    starts = np.cumsum([0, *(len(example.options) for example in examples)])
    features = np.zeros((int(starts[-1]), layout.count))
    votes = {voter: column for column, voter in enumerate(layout.voters)}
    logs = {voter: len(votes) + column for column, voter in enumerate(layout.probable)}
    right = []
    for example, words, start in zip(examples, given, starts[:-1].tolist(), strict=True):
        rows = {option: start + place for place, option in enumerate(example.options)}
        right.append(rows[example.correct])
        for voter, ballot in example.votes.items():
            if ballot.choice in example.options:
                features[rows[ballot.choice], votes[voter]] = 1.0
        for voter, shares in words.items():
            ordered = [max(shares.get(option, 0.0), PROBABILITY_FLOOR) for option in rows]
            features[start : start + len(rows), logs[voter]] = np.log(ordered)
    features[:, -2] = features[:, : len(votes)] @ layout.odds
    features[:, -1] = features[:, : len(votes)].sum(axis=1)
    return Questions(features, starts[:-1], np.array(right))


def _evidence(questions: Questions, layout: _Layout) -> tuple[Prior, Floats]:
    """The prior that the answers themselves make likely, and the coefficients under it."""
    parts = (slice(0, len(layout.voters)), slice(len(layout.voters), -2))
    precisions = [_GAMMA_A / _GAMMA_B] * len(parts)
    prior = layout.prior(precisions)
    found = prior.mean
    for _ in range(_EVIDENCE_ROUNDS):
        prior = layout.prior(precisions)
        found, hessian = conditional_logit.fit(questions, prior, found)
        variances = np.diag(np.linalg.inv(hessian))
        for place, part in enumerate(parts):
            known = found[part].size - precisions[place] * float(variances[part].sum())
            size = float(found[part] @ found[part])
            precisions[place] = (known + 2 * _GAMMA_A) / (size + 2 * _GAMMA_B)
    return prior, found


def _temperature(
    questions: Questions, prior: Prior, found: Floats, named: NDArray[np.bool_]
) -> float:
    """Cross-fitted: see the module's words. `named`, bool[rows]: what may win. ELSE may not, as
    in `linear`; that it leads makes the winner improbable.
    """
    count, owner = len(questions.starts), questions.owner()
    place = np.arange(len(owner)) - questions.starts[owner]
    scores = np.full((count, int(place.max()) + 1), -np.inf)
    can_win = np.zeros(scores.shape, dtype=np.bool_)
    can_win[owner, place] = named
    fold = np.arange(count) % FOLDS
    for held in range(FOLDS):
        others, _ = conditional_logit.fit(questions.only(fold != held), prior, found)
        rows = fold[owner] == held
        scores[owner[rows], place[rows]] = questions.features[rows] @ others
    won = np.where(can_win, scores, -np.inf)
    winner = won.argmax(axis=1)
    against = np.exp(np.minimum(scores - won.max(axis=1, keepdims=True), _LOG_ODDS_MAX))
    against[np.arange(count), winner] = 0.0
    log_odds = -np.log(np.maximum(against.sum(axis=1), math.exp(-_LOG_ODDS_MAX)))
    return calibration.temperature(log_odds, winner == questions.right - questions.starts)


def _coefficients(layout: _Layout, found: Floats) -> dict[str, tuple[float, float]]:
    """voter -> (w, u)."""
    weights = found[: len(layout.voters)] + found[-2] * layout.odds + found[-1]
    logs = dict(zip(layout.probable, found[len(layout.voters) : -2].tolist(), strict=True))
    return {
        voter: (weight, logs.get(voter, 0.0))
        for voter, weight in zip(layout.voters, weights.tolist(), strict=True)
    }


def _skill(
    found: Mapping[str, tuple[float, float]],
    accuracy: Mapping[str, float],
    temperature: float | None,
) -> SkillWeights:
    """`temperature` None: nothing was fitted."""
    voters = {
        voter: VoterWeight(weight, probability_weight, accuracy[voter])
        for voter, (weight, probability_weight) in found.items()
    }
    return SkillWeights(0, voters, _prior(voters), temperature or 0.0, temperature is not None)


def _prior(voters: Mapping[str, VoterWeight]) -> VoterWeight:
    """Of a voter of whom nothing is known: like the mean of the others, if that counts at all."""
    if not voters:
        return VoterWeight(1.0, 0.0, ACCURACY_UNKNOWN)
    known = voters.values()
    return VoterWeight(
        max(0.0, math.fsum(one.weight for one in known) / len(voters)),
        math.fsum(one.probability_weight for one in known) / len(voters),
        math.fsum(one.accuracy for one in known) / len(voters),
    )
