"""Plurality: one ballot, one vote; the value with most votes wins.

    share(v) = #{ballots for v} / #{ballots cast}

Ballots in, an Outcome out. Abstentions are not cast: they neither help nor hurt any value. A tie
for the lead has no winner; all leaders are named. It is the oldest of voting rules; for its place
among the others: S. J. Brams and P. C. Fishburn, "Voting procedures", Handbook of Social Choice and
Welfare 1 (2002), 173-236, DOI 10.1016/S1574-0110(02)80008-X. Over texts written in one way
(`keys.text_key`) it is what is called self-consistency.
"""

from collections import Counter
from collections.abc import Iterable

from comitia.consensus.ballots import Ballot, Outcome, lead


def decide(ballots: Iterable[Ballot]) -> Outcome:
    """Count the votes. Nothing is raised; no ballot at all gives an outcome without winner and
    without tie.
    """
    votes, abstained = _count(ballots)
    cast = votes.total()
    shares = {key: votes[key] / cast for key in sorted(votes)}
    return lead(shares, cast, abstained)


def settled(ballots: Iterable[Ballot], open_max: int) -> bool:
    """Whether there is a winner that up to `open_max` further ballots, whatever they say, leave in
    place.

    True exactly when v(w) - v(x) > open_max for the leader w and the next value x, v(x) being 0
    where there is none. Proof: a further ballot adds at most 1 to one value and takes nothing from
    any, so w ends with at least v(w) and any other value, new ones included, with at most
    v(x) + open_max: if that is less, w still leads alone. If not, open_max ballots for x (or for a
    value that nobody has named) tie with w or pass it.
    """
    votes, _ = _count(ballots)
    first, second = ([count for _, count in votes.most_common(2)] + [0, 0])[:2]
    return first - second > open_max


def _count(ballots: Iterable[Ballot]) -> tuple[Counter[str], int]:
    """Votes by value, and the number of abstentions."""
    choices = [ballot.choice for ballot in ballots]
    votes = Counter(choice for choice in choices if choice is not None)
    return votes, choices.count(None)
