"""What the benchmark says of agreements, on a domain that is worked out by hand; NegMAS is not
asked here.
"""

from math import dist
from random import Random

import pytest

from bench.conflict_negotiation import Drawn, draw, judged

# Outcomes: (1, .0), (.6, .6), (.3, .7), (.2, .2).
DOMAIN = Drawn([[[1.0, 0.6, 0.3, 0.2]], [[0.0, 0.6, 0.7, 0.2]]], [0.1, 0.1])


def test_the_nash_point_is_at_no_distance_from_itself() -> None:
    found = judged([DOMAIN], [[1]])
    assert found["distance to the Nash point"] == 0.0
    assert found["of the highest Nash product"] == pytest.approx(1.0)
    assert (found["agreed"], found["Pareto-efficient"]) == (1.0, 1.0)


def test_break_downs_dominated_and_irrational_outcomes_count_as_what_they_are() -> None:
    found = judged([DOMAIN] * 4, [None, [3], [0], [2]])
    assert found["agreed"] == 0.75
    assert found["below a reservation"] == 1
    assert found["Pareto-efficient"] == pytest.approx(2 / 3)
    apart = [dist((0.6, 0.6), at) for at in ((0.1, 0.1), (0.2, 0.2), (1.0, 0.0), (0.3, 0.7))]
    assert found["distance to the Nash point"] == pytest.approx(sum(apart) / 4)
    assert found["of the highest Nash product"] == pytest.approx((0.01 + 0.12) / 0.25 / 4)


def test_domains_that_are_drawn_can_be_agreed_on_and_are_the_same_again() -> None:
    for parties in (2, 3):
        one = draw(Random(5), parties)
        assert one == draw(Random(5), parties)
        worth = one.worth(one.outcomes())
        assert worth.shape[0] == parties and worth.max() <= 1.0 + 1e-9
        assert any((worth[:, n] >= one.reservations).all() for n in range(worth.shape[1]))
        assert [sum(map(max, table)) for table in one.tables] == pytest.approx([1.0] * parties)
