"""Borda: an option scores, on every ballot, the options below it minus those above it.

    B(a) = sum over options b of M(a, b),    M: see `duels`

Ballots in, an Outcome out: the winner is the key of all options by falling B, which may be an order
that nobody has said. With strict ballots B is twice the usual count of places, less a constant;
with ties it is that count with equal options sharing their places' mean. It is the only rule that
is fair to voters and options, adds up over groups of voters, and lets opposite ballots cancel: H.
P. Young, "An axiomatization of Borda's rule", Journal of Economic Theory 9 (1974), 43-52, DOI
10.1016/0022-0531(74)90073-8; for ties P. Gardenfors, "Positionalist voting functions", Theory and
Decision 4 (1973), 1-24, DOI 10.1007/BF00133396. An option that nobody means to be first can still
change who is.

Options of equal B share a tier. Abstentions are not cast; confidences and weights do not count.
"""

from collections.abc import Iterable
from itertools import pairwise

from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.duels import Duels, by_score, duels, outcome


def decide(ballots: Iterable[Ballot]) -> Outcome:
    """Nothing is raised."""
    found = duels(ballots)
    return outcome(found, by_score(_scores(found)))


def settled(ballots: Iterable[Ballot], open_max: int) -> bool:
    """Whether up to `open_max` further ballots over the same options leave the whole order in
    place.

    True exactly when every B is above the next by more than 2 (k - 1) open_max, of k options.
    Proof: a ballot moves a B by k - 1 at most, so two of them by 2 (k - 1) towards each other; and
    that is what a ballot does whose first is the lower of the two and whose last the higher.
    """
    found = duels(ballots)
    if not open_max:
        return bool(found.keys)
    scores = sorted(_scores(found))
    reach = 2 * (len(scores) - 1) * open_max
    return bool(found.keys) and all(high - low > reach for low, high in pairwise(scores))


def _scores(found: Duels) -> list[int]:
    return [sum(row) for row in found.margins]
