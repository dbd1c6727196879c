"""From logits to log-likelihoods and tokens. Pure arithmetic on numpy arrays."""

import numpy as np
from numpy.typing import NDArray

from comitia.errors import Poison

Floats = NDArray[np.float32]


def log_softmax(logits: Floats) -> NDArray[np.float64]:
    """Natural logarithm of the softmax over the last axis, in float64. Raises Poison (NOT_FINITE)
    for NaN or infinity.
    """
    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    result: NDArray[np.float64] = wide - np.log(np.exp(wide).sum(-1, keepdims=True))
    if not np.isfinite(result).all():
        raise Poison(
            "The model answered with numbers that are not finite; check its weights.", "NOT_FINITE"
        )
    return result


def pick(logits: Floats, temperature: float, chance: np.random.Generator) -> int:
    """The next token from logits float32[vocab]: the most likely one (lowest number on a tie) at
    temperature 0, else drawn.

    The draw inverts the cumulative distribution of softmax(logits / temperature) at one uniform
    number.
    """
    if temperature == 0.0:
        return int(logits.argmax())
    weights = np.exp(log_softmax(logits / np.float32(temperature))).cumsum()
    return min(
        int(np.searchsorted(weights, chance.random() * weights[-1], "right")), len(logits) - 1
    )
