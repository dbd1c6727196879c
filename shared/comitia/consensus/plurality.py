"""Plurality: one ballot, one vote; the value with most votes wins.

    share(v) = #{ballots for v} / #{ballots cast}

Ballots in, an Outcome out. Abstentions are not cast: they neither help nor hurt any value. A tie
for the lead has no winner; all leaders are named. It is the oldest of voting rules; for its place
among the others: S. J. Brams and P. C. Fishburn, "Voting procedures", Handbook of Social Choice and
Welfare 1 (2002), 173-236, DOI 10.1016/S1574-0110(02)80008-X.
"""

from collections import Counter
from collections.abc import Iterable

from comitia.consensus.ballots import Ballot, Outcome, lead


def decide(ballots: Iterable[Ballot]) -> Outcome:
    """Count the votes. Nothing is raised; no ballot at all gives an outcome without winner and
    without tie.
    """
    votes: Counter[str] = Counter()
    abstained = 0
    for ballot in ballots:
        if ballot.choice is None:
            abstained += 1
        else:
            votes[ballot.choice] += 1
    cast = votes.total()
    shares = {key: votes[key] / cast for key in sorted(votes)}
    return lead(shares, cast, abstained)
