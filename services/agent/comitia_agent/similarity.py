"""Choice by an encoder: similarity of the input to labelled examples, or to the options' own
texts. Pure; arrays in, scores out.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def scores(
    vector: Vectors,
    labelled: Mapping[str, Vectors],
    options: Sequence[str],
    *,
    neighbours: int,
    temperature: float,
) -> list[float]:
    """Log-weight per option: mean similarity to its `neighbours` nearest examples, divided by
    `temperature`.

    vector: float32[dimensions]; labelled: option id -> float32[examples, dimensions]; all of unit
    length, so that similarity is the cosine, [-1, 1]. Averaging only the nearest makes it a
    k-nearest-neighbour estimate per class (Fix and Hodges 1951, reprinted with DOI
    10.2307/1403797) that stays fair when classes have different numbers of examples.
    """
    found = []
    for option in options:
        near = np.sort(labelled[option] @ vector)[::-1][:neighbours]
        found.append(float(near.mean()) / temperature)
    return found
