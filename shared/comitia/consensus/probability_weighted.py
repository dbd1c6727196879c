"""Linear opinion pool: the mean of the voters' probabilities per option; the option with the
highest mean wins.

    share(o) = (1 / n) * sum over the n ballots cast of p_i(o)

Ballots and the options in, an Outcome out. Source: M. Stone, "The Opinion Pool", Annals of
Mathematical Statistics 32 (1961), 1339-1342, DOI 10.1214/aoms/1177704873; all ballots weigh the
same here.

A ballot's distribution p_i is:
- its probabilities, divided by their sum, where it gives usable ones: finite, not negative, of
  known options, sum above 0; an option that it leaves out has probability 0. They count as they
  are, also where another option than its choice leads;
- else, with a usable confidence c (finite, in [0, 1]): c for its choice, (1 - c) / (k - 1) for each
  of the other k - 1 options;
- else 1 for its choice: a bare vote says nothing about the others.

Abstentions, and ballots for something that is no option, are not cast. A tie for the lead has no
winner; all leaders are named.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from comitia.consensus.ballots import (
    ROUNDING,
    TIE_TOLERANCE,
    Ballot,
    Outcome,
    is_share,
    lead,
    stated,
)


def decide(ballots: Iterable[Ballot], options: Sequence[str]) -> Outcome:
    """Pool the ballots over `options` (at least two distinct ids). Nothing is raised."""
    totals, cast, abstained = _totals(ballots, options)
    if not cast:
        return lead({}, 0, abstained)
    whole = math.fsum(totals.values())
    return lead({option: total / whole for option, total in totals.items()}, cast, abstained)


def settled(ballots: Iterable[Ballot], options: Sequence[str], open_max: int) -> bool:
    """Whether there is a winner that up to `open_max` further ballots, whatever they say, leave in
    place.

    With n ballots cast, T(o) the sum of their probabilities of o, w the leader, x the next and
    r = open_max, true exactly when (T(w) - T(x) - r) / (n + r) > TIE_TOLERANCE (+ ROUNDING).
    Proof: a further ballot adds a distribution, at most 1 to any option and at least 0 to w, so
    after j <= r of them the lead of w over any option is at least T(w) - T(x) - j in the sum, and
    in the shares at least (T(w) - T(x) - j) / (n + j), which falls with j where it is positive:
    the value at r bounds all. It is reached by r ballots that give x the probability 1; within
    TIE_TOLERANCE that would be a tie. Abstentions among them make j smaller.
    """
    totals, cast, _ = _totals(ballots, options)
    if not cast:
        return False
    second, first = sorted((0.0, *totals.values()))[-2:]
    return (first - second - open_max) / (cast + open_max) > TIE_TOLERANCE + ROUNDING


def _totals(ballots: Iterable[Ballot], options: Sequence[str]) -> tuple[dict[str, float], int, int]:
    """Sum of probabilities by option, the ballots cast, and the abstentions."""
    known = frozenset(options)
    cast: list[Mapping[str, float]] = []
    abstained = 0
    for ballot in ballots:
        if ballot.choice is None or ballot.choice not in known:
            abstained += 1
        else:
            cast.append(distribution(ballot, ballot.choice, options))
    totals = {option: math.fsum(one.get(option, 0.0) for one in cast) for option in sorted(known)}
    return totals, len(cast), abstained


def distribution(ballot: Ballot, choice: str, options: Sequence[str]) -> Mapping[str, float]:
    """The probabilities that a ballot for `choice` stands for, as the module says: option -> [0,
    1], sum 1.
    """
    given = stated(ballot.probabilities, options)
    if given:
        return given
    confidence = ballot.confidence
    if confidence is None or not is_share(confidence):
        return {choice: 1.0}
    rest = (1.0 - confidence) / (len(options) - 1) if len(options) > 1 else 0.0
    return {option: confidence if option == choice else rest for option in options}
