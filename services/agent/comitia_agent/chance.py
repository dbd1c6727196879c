"""From log-likelihoods of options to probabilities, by a card's calibration. Pure; plain numbers
in and out.
"""

import math
from collections.abc import Mapping, Sequence

from comitia_agent.blocks import Calibration


def probabilities(
    calibration: Calibration,
    options: Sequence[str],
    scores: Sequence[float],
    baseline: Sequence[float],
) -> dict[str, float]:
    """Calibrated softmax: option id -> (0, 1), sum 1, in the order of `options`.

    `scores` and `baseline` are natural logarithms, one per option (baseline all 0 where the card
    asks for none). ValueError when one of them is not finite.
    """
    bias = bias_for(calibration, options)
    logits = [
        calibration.scale * (score - base + bias.get(option, 0.0))
        for option, score, base in zip(options, scores, baseline, strict=True)
    ]
    if not all(math.isfinite(logit) for logit in logits):
        raise ValueError("the model gave a likelihood that is not a finite number")
    highest = max(logits)
    powers = [math.exp(logit - highest) for logit in logits]
    whole = math.fsum(powers)
    return {option: power / whole for option, power in zip(options, powers, strict=True)}


def bias_for(calibration: Calibration, options: Sequence[str]) -> Mapping[str, float]:
    """The card's bias where it was fitted on just these options, else none."""
    return calibration.bias if set(calibration.bias) == set(options) else {}


def best(chances: Mapping[str, float]) -> str | None:
    """The likeliest option; None when two lead exactly alike, which is no answer rather than a
    hidden choice.
    """
    highest = max(chances.values())
    leaders = [option for option, chance in chances.items() if chance == highest]
    return leaders[0] if len(leaders) == 1 else None


def tiers(chances: Mapping[str, float]) -> list[list[str]]:
    """Options from likeliest to least likely; those exactly alike share a tier."""
    return [
        [option for option, chance in chances.items() if chance == level]
        for level in sorted(set(chances.values()), reverse=True)
    ]
