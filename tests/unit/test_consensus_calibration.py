"""How far probabilities can be believed: the error is measured, and the temperature repairs it."""

import math
import random

import numpy as np
import pytest

from comitia.consensus import learning
from comitia.consensus.ballots import Ballot
from comitia.consensus.calibration import (
    TEMPERATURE_MAX,
    expected_calibration_error,
    temperature,
)
from comitia.consensus.linear import calibrated


def test_the_error_is_the_gap_between_what_was_said_and_what_came() -> None:
    said = [0.95] * 10 + [0.55] * 10
    came = [True] * 5 + [False] * 5 + [True] * 5 + [False] * 5
    assert expected_calibration_error(said, came) == pytest.approx((0.45 + 0.05) / 2)
    assert expected_calibration_error([1.0, 0.0], [True, False]) == 0.0
    assert expected_calibration_error([], []) == 0.0
    # 1 is in the last bin, not in one of its own.
    assert expected_calibration_error([1.0, 0.95], [False, True]) == pytest.approx(0.95 / 2)


def test_too_sure_and_too_modest_do_not_cancel_but_within_a_bin() -> None:
    said, came = [0.91, 0.11], [False, True]
    assert expected_calibration_error(said, came) == pytest.approx((0.91 + 0.89) / 2)
    assert expected_calibration_error(said, came, bins=1) == pytest.approx(0.01)


@pytest.mark.parametrize("said", [[math.nan], [1.1], [-0.1], [0.5, 0.5]])
def test_what_is_no_probability_is_refused(said: list[float]) -> None:
    with pytest.raises(ValueError, match="probabilit"):
        expected_calibration_error(said, [True])


def drawn(count: int, times: float) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds `times` as far from 0 as what is drawn with them."""
    chance = random.Random(7)
    log_odds = np.array([chance.gauss(0.5, 1.5) for _ in range(count)])
    right = np.array([chance.random() < 1 / (1 + math.exp(-one)) for one in log_odds])
    return log_odds * times, right


@pytest.mark.parametrize("times", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_overconfidence(times: float) -> None:
    log_odds, right = drawn(3000, times)
    found = temperature(log_odds, right)
    assert found == pytest.approx(times, rel=0.1)
    said = [calibrated(math.exp(-one), found) for one in log_odds]
    assert expected_calibration_error(said, right.tolist()) < 0.03


def test_few_votes_move_it_little() -> None:
    assert temperature(np.zeros(0), np.zeros(0, dtype=np.bool_)) == pytest.approx(1.0)
    sure_and_wrong = temperature(np.array([5.0]), np.array([False]))
    assert 1.0 < sure_and_wrong < 4.0
    often = temperature(np.full(500, 5.0), np.zeros(500, dtype=np.bool_))
    assert sure_and_wrong < often <= TEMPERATURE_MAX
    with pytest.raises(ValueError, match="not finite"):
        temperature(np.array([math.inf]), np.array([True]))


def test_weights_are_never_judged_by_the_answers_that_they_were_fitted_to() -> None:
    """Of thirty who guess, some have been right often by chance: a hundred answers say so, and the
    next ones do not.
    """
    chance = random.Random(1)
    voters = [f"guesser {number}" for number in range(30)]
    examples = [
        learning.Example({v: Ballot(chance.choice("ab")) for v in voters}, ("a", "b"), "a")
        for _ in range(100)
    ]
    assert learning.fit(examples, dict.fromkeys(voters, 0.7)).temperature > 1.3
