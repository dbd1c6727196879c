"""Schulze: an option stands above another if the strongest chain of duels from it to the other is
stronger than the one back.

    P(a, b) = max over chains a = c_0, ..., c_j = b of the least M(c_i, c_(i+1)),  M: see `duels`
    a stands above b if P(a, b) > P(b, a)

Ballots in, an Outcome out: the winner is the key of an order of all options, which may be one that
nobody has said. An option that beats all others one by one stands first, and copies of an option do
not change who does: M. Schulze, "A new monotonic, clone-independent, reversal symmetric, and
Condorcet-consistent single-winner election method", Social Choice and Welfare 36 (2011), 267-303,
DOI 10.1007/s00355-010-0475-4. A duel is as strong as its margin.

The relation is transitive but may leave options unrelated. The first tier is all options that no
other stands above (Schulze's winners), the next is those of the rest that no other of the rest
stands above, and so on. Abstentions are not cast; confidences and weights do not count.
"""

from collections.abc import Iterable, Sequence

from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.duels import duels, outcome


def decide(ballots: Iterable[Ballot]) -> Outcome:
    """Time grows with the cube of the options. Nothing is raised."""
    found = duels(ballots)
    return outcome(found, _order(_strengths(found.margins)))


def settled(ballots: Iterable[Ballot], open_max: int) -> bool:
    """Whether up to `open_max` further ballots over the same options are certain to leave the whole
    order in place.

    A ballot moves any M, and so the least of a chain and any P, by 1 at most. True when P(a, b) -
    P(b, a) > 2 open_max for every a above b, and all options are related.
    """
    found = duels(ballots)
    if not open_max or not found.keys:
        return bool(found.keys)
    strengths = _strengths(found.margins)
    places = range(len(strengths))
    return all(
        abs(strengths[a][b] - strengths[b][a]) > 2 * open_max for a in places for b in range(a)
    )


def _strengths(margins: Sequence[Sequence[int]]) -> list[list[int]]:
    """P, by Floyd's and Warshall's algorithm; its diagonal means nothing. A chain of lost duels is
    no chain to Schulze; here it has a P below 0, which compares alike: of two options one has a P
    of 0 at least, and of exactly 0 only where they are even.
    """
    strengths = [list(row) for row in margins]
    for middle in range(len(strengths)):
        onward = strengths[middle]
        for start, row in enumerate(strengths):
            if start != middle:
                so_far = row[middle]
                strengths[start] = [
                    direct if direct >= so_far or direct >= last else min(so_far, last)
                    for direct, last in zip(row, onward, strict=True)
                ]
    return strengths


def _order(strengths: Sequence[Sequence[int]]) -> list[list[int]]:
    """Places of the options in tiers, the best first."""
    rest = list(range(len(strengths)))
    order = []
    while rest:
        tier = [a for a in rest if not any(strengths[b][a] > strengths[a][b] for b in rest)]
        order.append(tier)
        rest = [a for a in rest if a not in tier]
    return order
