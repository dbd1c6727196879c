"""Arithmetic on logits: probabilities, draws and the refusal of what is not a number."""

import numpy as np
import pytest

from comitia.errors import Poison
from comitia.inference.likelihood import log_softmax, pick

LOGITS = np.array([1.0, 3.0, 3.0, -80.0], np.float32)


def test_log_softmax_is_a_distribution_however_large_the_logits() -> None:
    for shift in (0.0, 1e4, -1e4):
        probabilities = np.exp(log_softmax(LOGITS + np.float32(shift)))
        assert probabilities.sum() == pytest.approx(1.0)
        assert probabilities[1] / probabilities[0] == pytest.approx(np.exp(2.0), rel=1e-3)


def test_draws_follow_the_temperature() -> None:
    chance = np.random.default_rng(0)
    assert {pick(LOGITS, 0.0, chance) for _ in range(10)} == {1}, "the first of equals"
    drawn = np.bincount([pick(LOGITS, 1.0, chance) for _ in range(4000)], minlength=4) / 4000
    assert drawn == pytest.approx(np.exp(log_softmax(LOGITS)), abs=0.03)
    assert {pick(LOGITS, 0.01, chance) for _ in range(200)} == {1, 2}
    assert len({pick(LOGITS, 50.0, chance) for _ in range(200)}) == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_is_not_finite_is_poison(bad: float, temperature: float) -> None:
    logits = np.array([0.0, bad, 1.0], np.float32)
    with pytest.raises(Poison, match="not finite"):
        pick(logits, temperature, np.random.default_rng(0))
    with pytest.raises(Poison, match="not finite"):
        log_softmax(logits)
