"""How far a vote's probability can be believed, and what makes it believable.

Scores of past votes and which option was right in; out a temperature T, one per skill, by which
scores are divided before the softmax:

    T = argmin over T of - sum over votes of ln softmax(score / T)[right] + (ln T)^2 / (2 s^2)

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML
2017, DOI 10.48550/arXiv.1706.04599; the second term (s = SPREAD) keeps T near 1 while votes are
few. The scores must come from weights that have not seen these votes, else T learns how well they
were fitted and not how well they predict.

And the expected calibration error: with votes sorted into bins B by their probability,

    ECE = sum over bins of |B| / n * |share of right votes in B - mean probability in B|

M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using
Bayesian Binning", AAAI 2015, 2901-2907, DOI 10.1609/aaai.v29i1.9602.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BINS = 15

# Standard deviation of ln T before any vote was seen: a factor of 1.6 either way is likely.
SPREAD = 0.5

# T is looked for between the inverse of this and this.
TEMPERATURE_MAX = 100.0

_STEPS = 40


def temperature(scores: NDArray[np.float64], right: NDArray[np.intp]) -> float:
    """The temperature of n votes over up to k options; 1 where n is 0.

    `scores`: float64[n, k], -inf where a vote has fewer options. `right`: intp[n], the column of
    the right option, whose score is finite. ValueError where it is not.
    """
    here = np.isfinite(scores)
    rows = np.arange(len(right))
    if not here[rows, right].all():
        raise ValueError("the right option of a vote has no finite score")
    low, high = -math.log(TEMPERATURE_MAX), math.log(TEMPERATURE_MAX)
    # Where the slope changes from falling to rising there is a minimum between the two ends: it
    # falls at the low end, or T = 1 / TEMPERATURE_MAX is the best allowed.
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _slope(scores, here, right, middle) > 0 else (middle, high)
    return math.exp((low + high) / 2)


def _slope(
    scores: NDArray[np.float64],
    here: NDArray[np.bool_],
    right: NDArray[np.intp],
    log_temperature: float,
) -> float:
    """Derivative of the loss by ln T."""
    slope = log_temperature / SPREAD**2
    if not len(right):
        return slope
    inverse = math.exp(-log_temperature)
    raised = np.exp((scores - scores.max(axis=1, keepdims=True)) * inverse)
    mean = (raised * np.where(here, scores, 0.0)).sum(axis=1) / raised.sum(axis=1)
    return slope + inverse * float((scores[np.arange(len(right)), right] - mean).sum())


def expected_calibration_error(
    probabilities: Sequence[float], right: Sequence[bool], bins: int = BINS
) -> float:
    """ECE of votes with these probabilities, [0, 1], over `bins` bins of equal width; 0 for no
    votes. ValueError where the two differ in length or a probability is no number in [0, 1].
    """
    if len(probabilities) != len(right):
        raise ValueError(f"{len(probabilities)} probabilities, but {len(right)} verdicts")
    gaps: dict[int, list[float]] = {}
    for probability, was_right in zip(probabilities, right, strict=True):
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"{probability} is no probability")
        gaps.setdefault(min(bins - 1, int(probability * bins)), []).append(was_right - probability)
    return math.fsum(abs(math.fsum(gap)) for gap in gaps.values()) / max(1, len(right))
