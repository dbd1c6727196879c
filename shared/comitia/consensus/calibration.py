"""How far a vote's probability can be believed, and what makes it believable.

The log-odds L of past winners' shares and whether each was right in; out a temperature T, one per
skill, that divides them:

    T = argmin over T of - sum over votes of ln P(as it came) + (ln T)^2 / (2 s^2)
    P(right) = 1 / (1 + exp(-L / T))

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML
2017, DOI 10.48550/arXiv.1706.04599, applied to the one probability that a decision names; the
second term (s = SPREAD) keeps T near 1 while votes are few. The shares must come from weights that
have not seen these votes, else T learns how well they were fitted, and not how well they predict.

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


def temperature(log_odds: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The temperature of n votes, in [1 / TEMPERATURE_MAX, TEMPERATURE_MAX]; 1 where n is 0.

    `log_odds`: float64[n], ln(share / (1 - share)) of each winner. `right`: bool[n]. ValueError
    where a number is not finite.
    """
    if not np.isfinite(log_odds).all():
        raise ValueError("the log-odds of a vote are not finite")
    low, high = -math.log(TEMPERATURE_MAX), math.log(TEMPERATURE_MAX)
    # Where the loss turns from falling to rising there is a minimum.
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _slope(log_odds, right, middle) > 0 else (middle, high)
    return math.exp((low + high) / 2)


def _slope(
    log_odds: NDArray[np.float64], right: NDArray[np.bool_], log_temperature: float
) -> float:
    """Derivative of the loss by ln T."""
    scaled = log_odds * math.exp(-log_temperature)
    chances = 0.5 * (1.0 + np.tanh(0.5 * scaled))
    return log_temperature / SPREAD**2 + float(((right - chances) * scaled).sum())


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
