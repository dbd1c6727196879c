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

from comitia.consensus.ballots import Ballot, Outcome, lead


def decide(ballots: Iterable[Ballot], options: Sequence[str]) -> Outcome:
    """Pool the ballots over `options` (at least two distinct ids). Nothing is raised."""
    known = frozenset(options)
    cast: list[Mapping[str, float]] = []
    abstained = 0
    for ballot in ballots:
        if ballot.choice is None or ballot.choice not in known:
            abstained += 1
        else:
            cast.append(distribution(ballot, ballot.choice, options))
    if not cast:
        return lead({}, 0, abstained)
    totals = {option: math.fsum(one.get(option, 0.0) for one in cast) for option in sorted(known)}
    whole = math.fsum(totals.values())
    return lead({option: total / whole for option, total in totals.items()}, len(cast), abstained)


def distribution(ballot: Ballot, choice: str, options: Sequence[str]) -> Mapping[str, float]:
    """The probabilities that a ballot for `choice` stands for, as the module says: option -> [0,
    1], sum 1.
    """
    given = ballot.probabilities
    if given and all(option in options for option in given):
        total = math.fsum(given.values()) if all(map(_is_share, given.values())) else 0.0
        if total > 0.0:
            return {option: probability / total for option, probability in given.items()}
    confidence = ballot.confidence
    if confidence is None or not _is_share(confidence):
        return {choice: 1.0}
    rest = (1.0 - confidence) / (len(options) - 1) if len(options) > 1 else 0.0
    return {option: confidence if option == choice else rest for option in options}


def _is_share(number: float) -> bool:
    return math.isfinite(number) and 0.0 <= number <= 1.0
