"""Intervals around shares: counts in, two ends with 95 % confidence out."""

import math

# Two-sided 95 % of the normal distribution.
Z95 = 1.959963984540054


def wilson(right: int, asked: int) -> tuple[float, float]:
    """95 % score interval of a share, each end in [0, 1]; (0, 1) where nothing was asked.

    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). E. B. Wilson, "Probable Inference,
    the Law of Succession, and Statistical Inference", Journal of the American Statistical
    Association 22 (1927), 209-212, DOI 10.1080/01621459.1927.10502953.
    """
    if asked == 0:
        return 0.0, 1.0
    share, square = right / asked, Z95 * Z95 / asked
    centre = share + square / 2
    spread = Z95 * math.sqrt(share * (1 - share) / asked + square / (4 * asked))
    return max(0.0, (centre - spread) / (1 + square)), min(1.0, (centre + spread) / (1 + square))


def paired(gained: int, lost: int, asked: int) -> tuple[float, float]:
    """95 % interval of the difference of two shares over the same `asked` cases, of which `gained`
    are right in the second alone and `lost` in the first alone; each end in [-1, 1].

    d -+ z sqrt((p + q - d^2) / (n + 2)), p = (gained + 1) / (n + 2), q = (lost + 1) / (n + 2),
    d = p - q. D. G. Bonett and R. M. Price, "Adjusted Wald Confidence Interval for a Difference of
    Binomial Proportions Based on Paired Data", Journal of Educational and Behavioral Statistics 37
    (2012), 479-488, DOI 10.3102/1076998611411915.
    """
    up, down = (gained + 1) / (asked + 2), (lost + 1) / (asked + 2)
    middle = up - down
    spread = Z95 * math.sqrt((up + down - middle * middle) / (asked + 2))
    return max(-1.0, middle - spread), min(1.0, middle + spread)
