"""Copeland: an option scores the duels that it wins minus those that it loses.

    C(a) = #{b: M(a, b) > 0} - #{b: M(a, b) < 0},    M: see `duels`

Ballots in, an Outcome out: the winner is the key of all options by falling C, which may be an order
that nobody has said. An option that beats all others one by one stands first. A. H. Copeland, "A
reasonable social welfare function", seminar on mathematics in the social sciences, University of
Michigan, 1951; D. G. Saari and V. R. Merlin, "The Copeland method I: Relationships and the
dictionary", Economic Theory 8 (1996), 51-76, DOI 10.1007/BF01212012. How high a duel is won does
not count, so many options end up equal.

Options of equal C share a tier. Abstentions are not cast; confidences and weights do not count.
"""

from collections.abc import Iterable
from itertools import pairwise

from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.duels import Duels, by_score, duels, outcome


def decide(ballots: Iterable[Ballot]) -> Outcome:
    """Nothing is raised."""
    found = duels(ballots)
    return outcome(found, by_score(_scores(found, 0)))


def settled(ballots: Iterable[Ballot], open_max: int) -> bool:
    """Whether up to `open_max` further ballots over the same options are certain to leave the whole
    order in place.

    A ballot moves any M by 1 at most, so C(a) ends between what it is with every M(a, b) lowered by
    open_max and with every one raised. True when these ranges keep the tiers apart, and those
    within a tier of several options are single points.
    """
    found = duels(ballots)
    if not found.keys:
        return False
    lowest, highest = _scores(found, -open_max), _scores(found, open_max)
    order = by_score(_scores(found, 0))
    if any(len(tier) > 1 and lowest[a] != highest[a] for tier in order for a in tier):
        return False
    return all(
        min(lowest[a] for a in better) > max(highest[b] for b in worse)
        for better, worse in pairwise(order)
    )


def _scores(found: Duels, shift: int) -> list[int]:
    """C of each option, were all its M higher by `shift`."""
    scores = []
    for place, row in enumerate(found.margins):
        leads = [lead + shift for other, lead in enumerate(row) if other != place]
        scores.append(sum((lead > 0) - (lead < 0) for lead in leads))
    return scores
