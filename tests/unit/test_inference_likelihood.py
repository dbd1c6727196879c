"""Arithmetic on logits: probabilities, the likeliest, and the refusal of what is not a number."""

import numpy as np
import pytest

from comitia.errors import Poison
from comitia.inference.likelihood import likeliest, log_total

LOGITS = np.array([1.0, 3.0, 3.0, -80.0], np.float32)


def test_probabilities_sum_to_one_however_large_the_logits() -> None:
    for shift in (0.0, 1e4, -1e4):
        shifted = LOGITS + np.float32(shift)
        probabilities = np.exp(shifted - log_total(shifted))
        assert probabilities.sum() == pytest.approx(1.0)
        assert probabilities[1] / probabilities[0] == pytest.approx(np.exp(2.0), rel=1e-3)


def test_the_sum_in_parts_of_float32_is_that_of_float64() -> None:
    logits = np.random.default_rng(0).normal(0.0, 4.0, (3, 50_000)).astype(np.float32)
    exact = np.log(np.exp(logits.astype(np.float64)).sum(-1))
    np.testing.assert_allclose(log_total(logits), exact, atol=1e-6)


def test_the_likeliest_come_in_order_and_of_equals_the_lower_number_first() -> None:
    assert likeliest(LOGITS, 1).tolist() == [1]
    assert likeliest(LOGITS, 3).tolist() == [1, 2, 0]
    assert likeliest(LOGITS, 9).tolist() == [1, 2, 0, 3]
    assert likeliest(np.zeros(1000, np.float32), 4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_poison(bad: float) -> None:
    logits = np.array([0.0, bad, 1.0], np.float32)
    with pytest.raises(Poison, match="not finite") as caught:
        log_total(logits)
    assert caught.value.reason == "NOT_FINITE"
