"""Median: the number in the middle; of an even count, the mean of the two in the middle.

    x_1 <= ... <= x_n:  x_((n+1)/2) for odd n, (x_(n/2) + x_(n/2+1)) / 2 for even n

Ballots in, an Outcome out, whose winner may be a number that nobody has said. Up to half of the
ballots may say anything without carrying it beyond what the others say: F. R. Hampel, "A General
Qualitative Definition of Robustness", Annals of Mathematical Statistics 42 (1971), 1887-1896, DOI
10.1214/aoms/1177693054. Where voters want a number near their own, none gains by saying another: H.
Moulin, "On strategy-proofness and single peakedness", Public Choice 35 (1980), 437-455, DOI
10.1007/BF00128122.

Abstentions, and choices that are no finite number, are not cast. There are no ties; confidences and
weights do not count.
"""

from collections.abc import Iterable

from comitia.consensus import averages, made
from comitia.consensus.ballots import Ballot, Outcome


def decide(ballots: Iterable[Ballot]) -> Outcome:
    """Nothing is raised."""
    cast, abstained = averages.numbers(ballots)
    if not cast:
        return made.nothing(abstained)
    values = [number for number, _ in cast]
    middle = values[(len(values) - 1) // 2 : len(values) // 2 + 1]
    return averages.outcome(averages.mean(middle, [1.0] * len(middle)), values, abstained)


def settled(ballots: Iterable[Ballot], open_max: int) -> bool:
    """Whether up to `open_max` further ballots, whatever they say, leave the median in place.

    With r = open_max, true exactly when x_i = x_j for the places (counted from 0)
    i = (n + r - 1) div 2 - r and j = (n + r) div 2, both among the n numbers. Proof: after s <= r
    more numbers the one at place p of all is at least x_(p - s) and at most x_p, and the middle
    places with s more lie between the middle ones with r more: all of them hold x_i. With all r
    below, or all above, everything said, the middle reaches x_i, or x_j.
    """
    values = [number for number, _ in averages.numbers(ballots)[0]]
    lowest, highest = (len(values) + open_max - 1) // 2 - open_max, (len(values) + open_max) // 2
    if not open_max:
        return bool(values)
    return lowest >= 0 and highest < len(values) and values[lowest] == values[highest]
