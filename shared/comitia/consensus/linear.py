"""The linear score behind `weighted` and `learned`: every voter adds to the scores of options, by
coefficients of its own.

    score(o) = sum over voters v of the mean over v's ballots of
                   w_v * [choice = o] + u_v * ln max(p(o), PROBABILITY_FLOOR)
    share(o) = exp(score(o)) / sum over o' of exp(score(o'))
    P(winner is right) = 1 / (1 + exp(-L / T)),    L = ln(share / (1 - share)) of the winner

Ballots, the options and (w_v, u_v) = `coefficients(v)` in; an Outcome out. T is the skill's
temperature: weights that are right about who leads may still be too sure of it (see `calibration`).
A voter's several ballots (samples) share its weight: asked more often it is heard better, not
louder. A ballot without usable probabilities (`ballots.stated`) takes no part in the second term.

With `options` empty the candidates are the values that were named (text, numbers, JSON). Then
shares are among them, while the probability allows for one value more, "something else", of score
0: that everybody is wrong.

Abstentions, and ballots for something that is no option, are not cast. All options of the highest
share lead together: where no ballot weighs anything, all options do. Whatever is not finite counts
for nothing (`weights.finite`); nothing is raised.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from comitia.consensus.ballots import (
    PROBABILITY_FLOOR,
    ROUNDING,
    TIE_TOLERANCE,
    Ballot,
    Outcome,
    lead,
    stated,
)
from comitia.consensus.weights import finite

# voter -> what its vote weighs, and by what the logarithm of its probabilities is multiplied.
Coefficients = Callable[[str], tuple[float, float]]

# The most by which one ballot's ln p can tell two options apart.
_LOG_RANGE = -math.log(PROBABILITY_FLOOR)

# exp() of more than this overflows.
EXPONENT_MAX = 700.0


def decide(
    ballots: Iterable[Ballot],
    options: Sequence[str],
    coefficients: Coefficients,
    temperature: float,
) -> Outcome:
    """The option of the highest score. `temperature` 0, or unusable: the outcome names no
    probability.
    """
    by_voter, cast, abstained = _cast_by_voter(ballots, options)
    if not cast:
        return lead({}, 0, abstained)
    parts = _parts(by_voter, options, coefficients)
    scores = {o: math.fsum(part[o] for part in parts.values()) for o in _candidates(parts)}
    highest = max(scores.values())
    raised = {o: math.exp(score - highest) for o, score in scores.items()}
    whole = math.fsum(raised.values())
    outcome = lead({o: share / whole for o, share in raised.items()}, cast, abstained)
    winner = outcome.winner
    if winner is None or not (math.isfinite(temperature) and temperature > 0.0):
        return outcome
    # All against the winner, whose own is 1. Relative to it, something else has the score -highest.
    against = [share for option, share in raised.items() if option != winner]
    if not options:
        against.append(math.exp(min(EXPONENT_MAX, -highest)))
    probability = calibrated(math.fsum(against), temperature)
    return Outcome(winner, (), outcome.shares, outcome.margin, cast, abstained, probability)


def calibrated(against: float, temperature: float) -> float:
    """The probability of something whose odds are 1 to `against`, [0, inf), once its log-odds are
    divided by `temperature`, above 0.
    """
    if against <= 0.0:
        return 1.0
    exponent = math.log(against) / temperature
    return 1.0 / (1.0 + math.exp(min(EXPONENT_MAX, exponent)))


def settled(
    ballots: Iterable[Ballot],
    options: Sequence[str],
    coefficients: Coefficients,
    open_voters: Iterable[str],
) -> bool:
    """Whether there is a winner that one further ballot, or none, of each of `open_voters` (a voter
    asked several times stands there as often) leaves in place, whatever they say.

    Proof: let d be the mean over voter v's m ballots of what they add to the score of the leader
    minus what they add to that of a rival. A further ballot has a d of at least
    -B = -(|w_v| + |u_v| * ln(1 / PROBABILITY_FLOOR)), so after j <= r more of them the mean is at
    least (m d - j B) / (m + j), which falls with j; at j = r it is reached where all of them give
    the rival everything (the leader, for a coefficient below 0). The sum over voters bounds the
    lead in the score, g, from below, and the leader's share is at least 1 / k of k candidates, so
    its lead in the shares is at least (1 - exp(-g)) / k. A value that nobody has named yet is a
    rival of score 0.
    """
    by_voter, cast, _ = _cast_by_voter(ballots, options)
    if not cast:
        return False
    parts = _parts(by_voter, options, coefficients)
    open_count = Counter(open_voters)
    scores = {o: math.fsum(part[o] for part in parts.values()) for o in _candidates(parts)}
    leader = max(sorted(scores), key=lambda option: scores[option])
    rivals: list[str | None] = [option for option in scores if option != leader]
    count = len(scores)
    if not options and open_count:
        rivals.append(None)
        count += open_count.total()
    # voter -> its ballots cast, those to come, the most that one of them may say
    voters = {
        voter: (
            len(by_voter.get(voter, ())),
            open_count[voter],
            _furthest(coefficients(voter), bool(options)),
        )
        for voter in by_voter.keys() | open_count.keys()
    }
    for rival in rivals:
        lowest = []
        for voter, (before, more, most) in voters.items():
            part = parts.get(voter, {})
            apart = part.get(leader, 0.0) - (part.get(rival, 0.0) if rival is not None else 0.0)
            lowest.append((before * apart - more * most) / (before + more))
        gap = math.fsum(lowest)
        if gap <= ROUNDING or -math.expm1(-gap) / count <= TIE_TOLERANCE + ROUNDING:
            return False
    return True


def _furthest(coefficients: tuple[float, float], with_probabilities: bool) -> float:
    """The most by which one ballot of a voter can move the scores of two options apart."""
    weight, probability_weight = map(finite, coefficients)
    return abs(weight) + (abs(probability_weight) * _LOG_RANGE if with_probabilities else 0.0)


def _cast_by_voter(
    ballots: Iterable[Ballot], options: Sequence[str]
) -> tuple[dict[str, list[Ballot]], int, int]:
    """The ballots cast, by voter; their number; the abstentions."""
    known = frozenset(options)
    by_voter: dict[str, list[Ballot]] = {}
    cast = abstained = 0
    for ballot in ballots:
        if ballot.choice is None or (known and ballot.choice not in known):
            abstained += 1
        else:
            cast += 1
            by_voter.setdefault(ballot.voter, []).append(ballot)
    return by_voter, cast, abstained


def _parts(
    by_voter: Mapping[str, Sequence[Ballot]], options: Sequence[str], coefficients: Coefficients
) -> dict[str, dict[str, float]]:
    """voter -> candidate -> what the voter adds to its score."""
    named = {ballot.choice for cast in by_voter.values() for ballot in cast}
    candidates = sorted(set(options) or {choice for choice in named if choice is not None})
    parts = {}
    for voter, cast in by_voter.items():
        weight, probability_weight = map(finite, coefficients(voter))
        given = [stated(ballot.probabilities, candidates) for ballot in cast] if options else []
        parts[voter] = {
            option: (
                weight * sum(ballot.choice == option for ballot in cast)
                + probability_weight * math.fsum(_log(one, option) for one in given if one)
            )
            / len(cast)
            for option in candidates
        }
    return parts


def _candidates(parts: Mapping[str, Mapping[str, float]]) -> Iterable[str]:
    return next(iter(parts.values()))


def _log(probabilities: Mapping[str, float], option: str) -> float:
    return math.log(max(probabilities.get(option, 0.0), PROBABILITY_FLOOR))
