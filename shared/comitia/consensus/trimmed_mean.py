"""Trimmed mean: the mean without the lowest and the highest fifth.

    x_1 <= ... <= x_n, g = floor(n / 5):  (x_(g+1) + ... + x_(n-g)) / (n - 2g)

Ballots in, an Outcome out, whose winner may be a number that nobody has said. Fewer than five
numbers are not trimmed. A fifth on each side withstands up to a fifth of wild answers and wastes
little of the rest: J. W. Tukey and D. H. McLaughlin, "Less Vulnerable Confidence and Significance
Procedures for Location Based on a Single Sample", Sankhya A 25 (1963), 331-352; P. J. Huber,
"Robust Statistics: A Review", Annals of Mathematical Statistics 43 (1972), 1041-1067, DOI
10.1214/aoms/1177692459.

Abstentions, and choices that are no finite number, are not cast. There are no ties; confidences and
weights do not count.
"""

from collections.abc import Iterable

from comitia.consensus import averages, made
from comitia.consensus.ballots import Ballot, Outcome

# Part of the numbers that is cut off on each side: one in so many.
CUT = 5


def decide(ballots: Iterable[Ballot]) -> Outcome:
    """Nothing is raised."""
    cast, abstained = averages.numbers(ballots)
    if not cast:
        return made.nothing(abstained)
    values = [number for number, _ in cast]
    cut = len(values) // CUT
    kept = values[cut : len(values) - cut]
    return averages.outcome(averages.mean(kept, [1.0] * len(kept)), values, abstained)


def settled(ballots: Iterable[Ballot], open_max: int) -> bool:
    """Whether up to `open_max` further ballots, whatever they say, leave the mean in place.

    With r = open_max and g = floor((n + r) / 5), places counted from 0: true exactly when g >= r
    and x_(g - r) = x_(n - g + r - 1), so that all that may be kept is equal. Proof: after s <= r
    more numbers the one at place p of all lies between x_(p - s) and x_p, and what is kept then
    lies within what is kept after r. Where the two differ, r numbers below everything and r above
    it keep different numbers.
    """
    values = [number for number, _ in averages.numbers(ballots)[0]]
    if not open_max:
        return bool(values)
    cut = (len(values) + open_max) // CUT
    return cut >= open_max and values[cut - open_max] == values[len(values) - cut + open_max - 1]
