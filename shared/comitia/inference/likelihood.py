"""From logits to log-likelihoods. Pure arithmetic on numpy arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comitia.errors import Poison

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


def log_total(logits: Floats) -> NDArray[np.float64]:
    """ln of the sum of exp(logits) over the last axis; a logit less this is its token's ln p.

    The exponentials are float32, 12 times as fast as in float64, and their sum is float64: it is
    within 1e-6 of the exact value. Raises Poison (NOT_FINITE).
    """
    top = highest(logits)
    shares = np.exp(logits - top)
    total: NDArray[np.float64] = top[..., 0] + np.log(shares.sum(-1, dtype=np.float64))
    return total


def highest(logits: Floats) -> NDArray[Any]:
    """float32[..., 1]: the most of the last axis. Raises Poison (NOT_FINITE)."""
    # The largest of numbers with a NaN among them is NaN.
    top: NDArray[Any] = logits.max(-1, keepdims=True)
    if not np.isfinite(top).all():
        raise not_finite()
    return top


def likeliest(logits: Floats, count: int) -> Ids:
    """The `count` most likely tokens of float32[vocab], most likely first; of equals the lower
    number first.
    """
    count = min(count, len(logits))
    # All that are as likely as the last of them, so that equals are told apart by number alone.
    found = np.flatnonzero(logits >= np.partition(logits, -count)[-count])
    return found[np.argsort(-logits[found], kind="stable")][:count]


def not_finite() -> Poison:
    """What a job is told whose logits are not all numbers."""
    return Poison(
        "The model answered with numbers that are not finite; check its weights.", "NOT_FINITE"
    )
