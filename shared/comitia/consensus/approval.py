"""Approval vote: every ballot gives a vote to its choice and to every option that its voter holds
likelier than chance.

    approves(i, o) = [o = choice_i or p_i(o) > 1 / k],    share(o) = approvals of o / all approvals

Ballots and the k options in, an Outcome out. p_i is what `probability_weighted.distribution` makes
of a ballot; a bare vote approves of its choice alone. Source: S. J. Brams and P. C. Fishburn,
"Approval Voting", American Political Science Review 72 (1978), 831-847, DOI 10.2307/1955105.

Abstentions, and ballots for something that is no option, are not cast. A tie for the lead has no
winner; all leaders are named.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from comitia.consensus.ballots import Ballot, Outcome, lead
from comitia.consensus.probability_weighted import distribution

# A probability must pass chance by this: a voter that finds all options alike approves of none,
# whichever way its numbers were rounded.
TOLERANCE = 1e-9


def decide(ballots: Iterable[Ballot], options: Sequence[str]) -> Outcome:
    """Count the approvals over `options` (at least two distinct ids). Nothing is raised."""
    approvals, cast, abstained = _count(ballots, options)
    whole = approvals.total()
    shares = {option: approvals[option] / whole for option in sorted(set(options))} if whole else {}
    return lead(shares, cast, abstained)


def settled(ballots: Iterable[Ballot], options: Sequence[str], open_max: int) -> bool:
    """Whether there is a winner that up to `open_max` further ballots, whatever they approve of,
    leave in place.

    True exactly when A(w) - A(x) > open_max for the approvals A of the leader w and the next option
    x. Proof: a ballot gives an option one approval at most and takes none; `open_max` ballots for x
    alone are the worst.
    """
    approvals, _, _ = _count(ballots, options)
    first, second = ([count for _, count in approvals.most_common(2)] + [0, 0])[:2]
    return first - second > open_max


def _count(ballots: Iterable[Ballot], options: Sequence[str]) -> tuple[Counter[str], int, int]:
    """Approvals by option, the ballots cast, and the abstentions."""
    known = frozenset(options)
    approvals: Counter[str] = Counter()
    cast = abstained = 0
    for ballot in ballots:
        if ballot.choice is None or ballot.choice not in known:
            abstained += 1
            continue
        cast += 1
        shares = distribution(ballot, ballot.choice, sorted(known))
        approved = {
            option for option, share in shares.items() if share > 1 / len(known) + TOLERANCE
        }
        approvals.update(approved | {ballot.choice})
    return approvals, cast, abstained
