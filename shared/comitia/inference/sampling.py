"""The choice of the next token: a Sampling and logits in, a token's number out.

The order is that of transformers (`GenerationMixin._get_logits_processor`), and of vLLM's sampler
but for min-p, which vLLM takes before top-k: repetition penalty, constraint, temperature, top-k,
top-p, min-p, and one draw from what is left. Tokens that are equally likely are kept or dropped
together.

Sources: repetition penalty: N. S. Keskar et al., CTRL, https://arxiv.org/abs/1909.05858; top-k:
A. Fan et al., https://doi.org/10.18653/v1/P18-1082; top-p: A. Holtzman et al.,
https://arxiv.org/abs/1904.09751; min-p: N. N. Minh et al., https://arxiv.org/abs/2407.01082.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comitia.errors import ConfigError
from comitia.inference.likelihood import Floats, highest
from comitia.ports import Sampling

Mask = NDArray[np.bool_]

# The draw looks for its place among sums of so many weights, then among these weights.
_BLOCK = 512


def check(sampling: Sampling) -> None:
    """Raise ConfigError for values out of their range."""
    asked = sampling
    temperate = asked.temperature == 0.0 or 0.001 <= asked.temperature <= 100.0
    alternatives = asked.log_probabilities
    stops_fit = len(asked.stop) <= 16 and all(1 <= len(stop) <= 256 for stop in asked.stop)
    rules = (
        (asked.tokens_max >= 1, "tokens_max must be at least 1"),
        (temperate, "temperature must be 0 (the most likely token) or from .001 to 100"),
        (asked.seed >= 0, "seed must not be negative"),
        (0.0 < asked.top_p <= 1.0, "top_p must be above 0 and at most 1 (all tokens)"),
        (asked.top_k >= 0, "top_k must be at least 1, or 0 (all tokens)"),
        (0.0 <= asked.min_p < 1.0, "min_p must be at least 0 (all tokens) and below 1"),
        (
            0.01 <= asked.repetition_penalty <= 100.0,
            "repetition_penalty must be from .01 to 100, 1 for none",
        ),
        (
            alternatives is None or 0 <= alternatives <= 20,
            "log_probabilities must be from 0 to 20, or None",
        ),
        (stops_fit, "stop must have at most 16 strings of 1 to 256 characters"),
        (
            not (asked.json_schema and asked.regex),
            "json_schema and regex exclude each other; leave one of them empty",
        ),
        (
            not (asked.stop and (asked.json_schema or asked.regex)),
            "stop strings would cut a constrained text short; leave them out",
        ),
    )
    for holds, rule in rules:
        if not holds:
            raise ConfigError(f"Cannot generate as asked: {rule}.")


class Chooser:
    """Chooses the tokens of one text. Its chance is its own: a seed gives the same numbers whatever
    runs beside it (PCG64, whose stream numpy keeps over its versions).
    """

    def __init__(self, sampling: Sampling, prompt_tokens: Sequence[int]) -> None:
        self._sampling = sampling
        self._seen = set(prompt_tokens) if sampling.repetition_penalty != 1.0 else None
        self._random = (
            np.random.Generator(np.random.PCG64(sampling.seed)) if sampling.temperature else None
        )

    def choose(self, logits: Floats, allowed: Mask | None = None) -> int:
        """The next token from float32[vocab], which stay as they are; of those in `allowed`, a mask
        that may be shorter or longer. Raises Poison (NOT_FINITE).
        """
        scores = logits
        if self._seen is not None:
            seen = np.fromiter(self._seen, np.int64, len(self._seen))
            scores = penalised(logits, seen, self._sampling.repetition_penalty)
        numbers = None
        if allowed is not None:
            numbers = np.flatnonzero(allowed[: len(scores)])
            scores = scores[numbers]
        highest(scores)
        if self._random is None:
            place = int(scores.argmax())
        else:
            places, weights = candidates(scores, self._sampling)
            drawn = draw(weights, self._random.random())
            place = drawn if places is None else int(places[drawn])
        token = place if numbers is None else int(numbers[place])
        if self._seen is not None:
            self._seen.add(token)
        return token


def penalised(logits: Floats, seen: NDArray[np.int64], penalty: float) -> Floats:
    """A copy in which the tokens `seen` (in prompt or text) are less likely: divided by the penalty
    where positive, else multiplied by it.
    """
    result = logits.copy()
    before = logits[seen]
    result[seen] = np.where(before > 0, before / penalty, before * penalty)
    return result


def candidates(scores: Floats, sampling: Sampling) -> tuple[NDArray[np.int64] | None, Floats]:
    """Places (None for all) and weights, relative to the heaviest's 1, of what may be drawn at a
    temperature above 0.
    """
    places = None
    if 0 < sampling.top_k < len(scores):
        least_score = np.partition(scores, -sampling.top_k)[-sampling.top_k]
        places = np.flatnonzero(scores >= least_score)
        scores = scores[places]
    weights: Floats = np.exp((scores - scores.max()) / np.float32(sampling.temperature))
    least = sampling.min_p
    if sampling.top_p < 1.0:
        least = max(least, _least_of_nucleus(weights, sampling.top_p))
    if least > 0.0:
        kept = np.flatnonzero(weights >= least)
        places = kept if places is None else places[kept]
        weights = weights[kept]
    return places, weights


def draw(weights: Floats, uniform: float) -> int:
    """The place of `uniform` in [0, 1) in the cumulative distribution of `weights`; a weight of 0
    is never drawn.
    """
    sums = np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK), dtype=np.float64).cumsum()
    block, rest = _place(sums, uniform * sums[-1])
    start = block * _BLOCK
    within = weights[start : start + _BLOCK].cumsum(dtype=np.float64)
    return start + _place(within, rest)[0]


def _place(sums: NDArray[np.float64], at: float) -> tuple[int, float]:
    """The first place whose running sum is above `at`, and what of `at` is left there."""
    # Rounding must not lead behind the end.
    at = min(at, float(np.nextafter(sums[-1], 0.0)))
    place = int(np.searchsorted(sums, at, "right"))
    return place, at - (float(sums[place - 1]) if place else 0.0)


def _least_of_nucleus(weights: Floats, top_p: float) -> float:
    """The lightest weight of the smallest set whose share of the whole is at least `top_p`."""
    total = float(weights.sum(dtype=np.float64))
    # Those below have together less than 1 - top_p: none of them is in, and few need be sorted.
    heavy = np.sort(weights[weights >= (1.0 - top_p) * total / len(weights)])[::-1]
    place = int(np.searchsorted(heavy.cumsum(dtype=np.float64), top_p * total, "left"))
    return float(heavy[min(place, len(heavy) - 1)])
