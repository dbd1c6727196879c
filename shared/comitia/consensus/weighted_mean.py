"""Weighted mean: each number by the estimated accuracy of its voter.

    sum over voters v of a_v * (mean of v's numbers) / sum of a_v

Ballots and the skill's weights in, an Outcome out, whose winner may be a number that nobody has
said. a_v: the accuracy in [0, 1] that the skill's record gives the voter (`weights.SkillWeights`).
The linear pool of point estimates: R. T. Clemen, "Combining forecasts: A review and annotated
bibliography", International Journal of Forecasting 5 (1989), 559-583, DOI
10.1016/0169-2070(89)90012-5. One wild number moves it: where that may happen, ask for the median.

A voter's several ballots (samples) share its weight. Abstentions, and choices that are no finite
number, are not cast. An accuracy below `weights.ACCURACY_MIN`, or not finite, counts as 0; where
all are 0, all voters weigh the same. There are no ties; confidences do not count.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable

from comitia.consensus import averages, made
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.weights import ACCURACY_MIN, SkillWeights


def decide(ballots: Iterable[Ballot], weights: SkillWeights) -> Outcome:
    """Nothing is raised."""
    cast, abstained = averages.numbers(ballots)
    if not cast:
        return made.nothing(abstained)
    samples = Counter(voter for _, voter in cast)
    accuracies = {voter: usable(weights.of(voter).accuracy) for voter in samples}
    if not any(accuracies.values()):
        accuracies = dict.fromkeys(samples, 1.0)
    values = [number for number, _ in cast]
    parts = [accuracies[voter] / samples[voter] for _, voter in cast]
    return averages.outcome(averages.mean(values, parts), values, abstained)


def usable(accuracy: float) -> float:
    """What a voter weighs who is right this often: 0, or from ACCURACY_MIN to 1."""
    return min(1.0, accuracy) if math.isfinite(accuracy) and accuracy >= ACCURACY_MIN else 0.0


def settled(ballots: Iterable[Ballot], open_voters: Collection[str]) -> bool:
    """Whether nobody is out any more: any number that is still to come can move a mean."""
    return not open_voters and bool(averages.numbers(ballots)[0])
