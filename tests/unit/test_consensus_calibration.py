"""How far probabilities can be believed: the error is measured, and the temperature repairs it."""

import math
import random

import numpy as np
import pytest

from comitia.consensus.calibration import (
    TEMPERATURE_MAX,
    expected_calibration_error,
    temperature,
)


def test_the_error_is_the_gap_between_what_was_said_and_what_came() -> None:
    said = [0.95] * 10 + [0.55] * 10
    came = [True] * 5 + [False] * 5 + [True] * 5 + [False] * 5
    assert expected_calibration_error(said, came) == pytest.approx((0.45 + 0.05) / 2)
    assert expected_calibration_error([1.0, 0.0], [True, False]) == 0.0
    assert expected_calibration_error([], []) == 0.0


def test_too_sure_and_too_modest_do_not_cancel_but_within_a_bin() -> None:
    said, came = [0.91, 0.11], [False, True]
    assert expected_calibration_error(said, came) == pytest.approx((0.91 + 0.89) / 2)
    assert expected_calibration_error(said, came, bins=1) == pytest.approx(0.01)


@pytest.mark.parametrize("said", [[math.nan], [1.1], [-0.1], [0.5, 0.5]])
def test_what_is_no_probability_is_refused(said: list[float]) -> None:
    with pytest.raises(ValueError, match="probabilit"):
        expected_calibration_error(said, [True])


def drawn(count: int, times: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of 4 options, `times` as far apart as what is drawn with them."""
    chance = random.Random(7)
    scores = np.array([[chance.gauss(0, 1.5) for _ in range(4)] for _ in range(count)])
    right = [chance.choices(range(4), weights=np.exp(row).tolist())[0] for row in scores]
    return scores * times, np.array(right)


@pytest.mark.parametrize("times", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_overconfidence(times: float) -> None:
    scores, right = drawn(3000, times)
    found = temperature(scores, right)
    assert found == pytest.approx(times, rel=0.1)
    chances = np.exp(scores / found)
    chances /= chances.sum(axis=1, keepdims=True)
    said = chances.max(axis=1).tolist()
    came = (chances.argmax(axis=1) == right).tolist()
    assert expected_calibration_error(said, came) < 0.03


def test_few_votes_move_it_little_and_options_that_are_not_there_do_not_count() -> None:
    assert temperature(np.zeros((0, 3)), np.zeros(0, dtype=np.intp)) == pytest.approx(1.0)
    wrong = temperature(np.array([[5.0, 0.0]]), np.array([1]))
    assert 1.0 < wrong < 4.0
    padded = temperature(np.array([[5.0, 0.0, -math.inf]]), np.array([1]))
    assert padded == pytest.approx(wrong)
    many = temperature(np.array([[5.0, 0.0]] * 500), np.array([1] * 500))
    assert wrong < many <= TEMPERATURE_MAX
    with pytest.raises(ValueError, match="no finite score"):
        temperature(np.array([[5.0, -math.inf]]), np.array([1]))
