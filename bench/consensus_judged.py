"""What the votes of several methods were worth on the same questions, and which is better.

In: credits, [0, 1] for each question, method and seed. Out: accuracies, and differences with their
95 % interval.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from bench.reports import Figures

RESAMPLES = 2000

Floats = NDArray[np.float64]


class Judged:
    """What each method's votes were worth: method -> credit[seeds, questions], NaN for a question
    that the seed has drawn as gold.
    """

    def __init__(self, seeds: int, questions: int) -> None:
        self.shape = (seeds, questions)
        self.credits: dict[str, Floats] = {}

    def note(self, method: str, seed: int, credits: Mapping[int, float]) -> None:
        """`credits`: place of the question -> [0, 1]."""
        table = self.credits.setdefault(method, np.full(self.shape, np.nan))
        table[seed, list(credits)] = list(credits.values())

    def accuracy(self, method: str) -> float:
        return float(np.nanmean(self.credits[method]))

    def best(self, methods: Iterable[str]) -> str:
        return max(methods, key=self.accuracy)

    def above(self, one: str, other: str) -> tuple[float, float, float]:
        """Accuracy of `one` minus that of `other`, and the ends of its 95 % interval: bootstrap
        over questions, paired, with all seeds of a question together.
        """
        apart = self.credits[one] - self.credits[other]
        counts = np.sum(~np.isnan(apart), axis=0)
        sums = np.nansum(apart, axis=0)
        chance = np.random.default_rng(0)
        size = len(sums)
        draws = chance.multinomial(size, np.full(size, 1 / size), RESAMPLES)
        means = (draws @ sums) / (draws @ counts)
        low, high = np.quantile(means, (0.025, 0.975))
        return float(sums.sum() / counts.sum()), float(low), float(high)

    def named(self, methods: Iterable[str]) -> Figures:
        """Accuracy of each method."""
        return {method: self.accuracy(method) for method in methods}

    def compared(self, one: str, others: Mapping[str, str]) -> Figures:
        """`others`: name of the figure -> method."""
        figures: Figures = {}
        for name, other in others.items():
            apart, low, high = self.above(one, other)
            figures |= {
                f"{one} above {name}": apart,
                f"{one} above {name}, at least": low,
                f"{one} above {name}, at most": high,
            }
        return figures
