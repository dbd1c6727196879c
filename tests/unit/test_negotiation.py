"""Alternating offers: what is agreed on is worth it to everybody, as good as can be shown on small
domains, the same every time, and bounded.
"""

import itertools
import math
from random import Random

import numpy as np
import pytest

from comitia.consensus.bargaining import OUTCOMES_MAX, domain_of
from comitia.consensus.concession import Concession, rise, target
from comitia.consensus.negotiation import negotiate, negotiate_in

Told = dict[str, dict[str, dict[str, float]]]
TACTICS = list(Concession)


def told(chance: Random, parties: int) -> Told:
    """Issues of different importance to each."""
    options = [chance.randint(2, 5) for _ in range(chance.randint(1, 4))]
    return {
        f"p{party}": {
            f"i{issue}": {f"o{o}": chance.random() * weight for o in range(count)}
            for issue, count in enumerate(options)
            for weight in [chance.random()]
        }
        for party in range(parties)
    }


def test_worth_is_additive_and_its_best_is_one() -> None:
    domain = domain_of({"a": {"x": {"1": 3.0, "2": 1.0}, "y": {"1": 1.0}}, "b": {"y": {"2": 5.0}}})
    worth = {tuple(domain.outcome(n).items()): domain.worth[:, n] for n in range(4)}
    assert worth[("x", "1"), ("y", "1")] == pytest.approx([1.0, 0.0])
    assert worth[("x", "2"), ("y", "2")] == pytest.approx([0.25, 1.0])


@pytest.mark.parametrize("tactic", TACTICS)
@pytest.mark.parametrize("parties", [2, 3])
def test_agreements_are_rational_and_what_is_reported_of_them_is_true(
    tactic: Concession, parties: int
) -> None:
    agreed = 0
    for seed in range(60):
        chance = Random(seed)
        utilities = told(chance, parties)
        least = {name: chance.uniform(0.0, 0.5) for name in utilities}
        made = negotiate(utilities, 50, tactic, least)
        domain = domain_of(utilities)
        outcomes = [
            [sum(utilities[p][i][o] for i, o in domain.outcome(n).items()) for p in domain.parties]
            for n in range(len(domain.choices))
        ]
        best = [max(one[at] for one in outcomes) for at in range(parties)]
        shares = [[u / b for u, b in zip(one, best, strict=True)] for one in outcomes]
        products = [
            math.prod(max(0.0, s - least[p]) for s, p in zip(one, domain.parties, strict=True))
            for one in shares
        ]
        assert made.nash_product_max == pytest.approx(max(products))
        if made.outcome is None:
            assert made.nash_product == 0.0
            continue
        agreed += 1
        got = [made.utilities[name] for name in domain.parties]
        assert all(u >= least[name] - 1e-9 for name, u in made.utilities.items()), seed
        assert got == pytest.approx(shares[made.number])
        assert made.nash_product == pytest.approx(products[made.number])
        dominated = any(
            all(s >= g - 1e-9 for s, g in zip(one, got, strict=True))
            and any(s > g + 1e-9 for s, g in zip(one, got, strict=True))
            for one in shares
        )
        assert made.pareto_efficient == (not dominated), seed
    assert agreed >= 50


def test_without_room_for_agreement_there_is_none() -> None:
    against = {"a": {"x": {"1": 1.0, "2": 0.0}}, "b": {"x": {"1": 0.0, "2": 1.0}}}
    made = negotiate(against, reservations=0.4)
    assert made.outcome is None and not made.pareto_efficient
    assert made.utilities == {"a": 0.4, "b": 0.4}
    assert negotiate(against, reservations=0.0).outcome is not None


def test_what_is_best_for_all_is_agreed_on_at_once() -> None:
    alike = {name: {"x": {"1": 1.0, "2": 0.3}} for name in "abc"}
    made = negotiate(alike)
    assert (made.outcome, made.offers) == ({"x": "1"}, 1)
    assert made.nash_product == made.nash_product_max == 1.0
    assert negotiate({"a": alike["a"]}).outcome == {"x": "1"}, "one alone agrees with itself"


def test_logrolling_beats_splitting() -> None:
    """Each gives way where it costs it little."""
    both = {
        "a": {"price": {"low": 1.0, "high": 0.0}, "colour": {"red": 0.1, "blue": 0.0}},
        "b": {"price": {"low": 0.0, "high": 0.1}, "colour": {"red": 0.0, "blue": 1.0}},
    }
    made = negotiate(both, concessions=Concession.LINEAR)
    assert made.outcome == {"price": "low", "colour": "blue"}
    assert made.pareto_efficient


def test_targets_fall_from_the_best_to_the_reservation_as_the_tactic_says() -> None:
    for tactic in (Concession.BOULWARE, Concession.LINEAR, Concession.CONCEDER):
        asked = [target(tactic, t / 10, 0.3) for t in range(11)]
        assert asked[0] == 1.0 and asked[-1] == pytest.approx(0.3)
        assert all(a >= b for a, b in itertools.pairwise(asked))
    at_half = [target(one, 0.5, 0.0) for one in TACTICS[:3]]
    assert at_half == pytest.approx([1 - 0.5**5, 0.5, 1 - 0.5**0.2])
    assert target(Concession.TIT_FOR_TAT, 0.1, 0.0, risen=0.25) == pytest.approx(0.75)
    assert rise({"b": [0.2, 0.5, 0.4], "c": [0.1], "d": []}) == pytest.approx(0.15)


def test_the_same_parties_agree_on_the_same_and_a_large_domain_stays_bounded() -> None:
    chance = Random(3)
    wide = {
        p: {f"i{i}": {str(o): chance.random() for o in range(9)} for i in range(8)} for p in "ab"
    }
    domain = domain_of(wide)
    assert len(domain.choices) <= OUTCOMES_MAX < 9**8
    made = negotiate_in(domain, 20)
    assert made == negotiate_in(domain_of(wide), 20)
    assert made.offers <= 40


def test_odd_numbers_are_worth_nothing() -> None:
    odd = {"a": {"x": {"1": math.nan, "2": -3.0, "3": math.inf}}, "b": {"x": {"1": 1.0}}}
    domain = domain_of(odd)
    assert np.array_equal(domain.worth[0], [0.0, 0.0, 0.0])
    assert negotiate(odd).outcome is not None
    with pytest.raises(ValueError, match="parties and issues"):
        domain_of({})


@pytest.mark.parametrize("tactic", [Concession.BOULWARE, Concession.LINEAR])
def test_two_who_could_agree_do_for_nobody_insists_on_one_of_many(tactic: Concession) -> None:
    """Among these, who repeats one of several offers that seem alike ends without an agreement."""
    for seed in (49, 123, 166, 197, 215, 283, *range(40)):
        chance = Random(seed)
        utilities = told(chance, 2)
        domain = domain_of(utilities)
        least = {name: chance.uniform(0.2, 0.6) for name in utilities}
        asked = np.asarray([least[name] for name in domain.parties])
        if (domain.worth >= asked[:, None]).all(axis=0).any():
            assert negotiate(utilities, 50, tactic, least).outcome is not None, seed
