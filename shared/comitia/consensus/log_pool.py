"""Logarithmic opinion pool: the geometric mean of the voters' probabilities per option; the option
with the highest mean wins.

    share(o) proportional to exp((1 / n) * sum over the n ballots cast of ln max(p_i(o), floor))

Ballots and the options in, an Outcome out. p_i is what `probability_weighted.distribution` makes of
a ballot; the floor (`ballots.PROBABILITY_FLOOR`) keeps one voter's zero from being a veto. All
ballots weigh the same. Source: C. Genest and J. V. Zidek, "Combining Probability Distributions: A
Critique and an Annotated Bibliography", Statistical Science 1 (1986), 114-135, DOI
10.1214/ss/1177013825.

Abstentions, and ballots for something that is no option, are not cast. A tie for the lead has no
winner; all leaders are named.
"""

import math
from collections.abc import Iterable, Sequence

from comitia.consensus.ballots import (
    PROBABILITY_FLOOR,
    ROUNDING,
    TIE_TOLERANCE,
    Ballot,
    Outcome,
    lead,
)
from comitia.consensus.probability_weighted import distribution


def decide(ballots: Iterable[Ballot], options: Sequence[str]) -> Outcome:
    """Pool the ballots over `options` (at least two distinct ids). Nothing is raised."""
    sums, cast, abstained = _sums(ballots, options)
    if not cast:
        return lead({}, 0, abstained)
    highest = max(sums.values())
    raised = {option: math.exp((total - highest) / cast) for option, total in sums.items()}
    whole = math.fsum(raised.values())
    return lead({option: share / whole for option, share in raised.items()}, cast, abstained)


def settled(ballots: Iterable[Ballot], options: Sequence[str], open_max: int) -> bool:
    """Whether there is a winner that up to `open_max` further ballots, whatever they say, leave in
    place.

    With n ballots cast, L(o) the sum of the logarithms, w the leader, x the next, r = open_max and
    F = ln(1 / floor): a further ballot moves x towards w by F at most, so after j <= r of them the
    lead in the mean is at least g = (L(w) - L(x) - r F) / (n + r), if that is positive. The share
    of w is at least 1 / k of k options, so its lead in the shares is at least (1 - exp(-g)) / k,
    and that must pass TIE_TOLERANCE (+ ROUNDING).
    """
    sums, cast, _ = _sums(ballots, options)
    if not cast:
        return False
    first, *others = sorted(sums.values(), reverse=True)
    second = others[0] if others else -math.inf
    furthest = -math.log(PROBABILITY_FLOOR)
    gap = (first - second - open_max * furthest) / (cast + open_max)
    return gap > 0.0 and -math.expm1(-gap) / len(sums) > TIE_TOLERANCE + ROUNDING


def _sums(ballots: Iterable[Ballot], options: Sequence[str]) -> tuple[dict[str, float], int, int]:
    """Sum of the logarithms by option, the ballots cast, and the abstentions."""
    known = sorted(set(options))
    cast = []
    abstained = 0
    for ballot in ballots:
        if ballot.choice is None or ballot.choice not in known:
            abstained += 1
        else:
            cast.append(distribution(ballot, ballot.choice, known))
    sums = {
        option: math.fsum(math.log(max(one.get(option, 0.0), PROBABILITY_FLOOR)) for one in cast)
        for option in known
    }
    return sums, len(cast), abstained
