"""From logits to log-likelihoods and tokens. Pure arithmetic on numpy arrays."""

import numpy as np
from numpy.typing import NDArray

from comitia.errors import Poison

Floats = NDArray[np.float32]


def log_softmax(logits: Floats) -> NDArray[np.float64]:
    """ln softmax over the last axis, in float64. Raises Poison (NOT_FINITE)."""
    wide = logits.astype(np.float64)
    top = wide.max(-1, keepdims=True)
    # The largest of numbers with a NaN among them is NaN.
    if not np.isfinite(top).all():
        raise not_finite()
    result: NDArray[np.float64] = wide - top - np.log(np.exp(wide - top).sum(-1, keepdims=True))
    return result


def pick(logits: Floats, temperature: float, chance: np.random.Generator) -> int:
    """The next token from logits float32[vocab]; at temperature 0 the most likely, first on a tie.

    Otherwise the draw inverts the cumulative distribution of softmax(logits / temperature) at one
    uniform number.
    """
    if temperature == 0.0:
        # A NaN is its own maximum.
        likely = int(logits.argmax())
        if not np.isfinite(logits[likely]):
            raise not_finite()
        return likely
    weights = np.exp(log_softmax(logits / np.float32(temperature))).cumsum()
    return min(
        int(np.searchsorted(weights, chance.random() * weights[-1], "right")), len(logits) - 1
    )


def not_finite() -> Poison:
    """What a job is told whose logits are not all numbers."""
    return Poison(
        "The model answered with numbers that are not finite; check its weights.", "NOT_FINITE"
    )
