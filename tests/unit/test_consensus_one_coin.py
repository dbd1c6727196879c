"""Accuracies from agreement alone, on panels whose voters' accuracies are known."""

import json
import random

import pytest

from comitia.consensus import one_coin
from comitia.consensus.ballots import Ballot
from comitia.consensus.one_coin import PRIOR_ACCURACY, Agreement

TRUE = {"ann": 0.9, "bob": 0.75, "cid": 0.6, "dot": 0.45, "eve": 0.8}
OPTIONS = "ABCD"


def panels(count: int, seed: int = 0) -> list[list[Ballot]]:
    """Votes on questions of four options, of voters who are right as often as TRUE says."""
    draw, made = random.Random(seed), []
    for _ in range(count):
        right = draw.choice(OPTIONS)
        wrong = [option for option in OPTIONS if option != right]
        made.append(
            [
                Ballot(right if draw.random() < accuracy else draw.choice(wrong), voter=voter)
                for voter, accuracy in TRUE.items()
            ]
        )
    return made


def observed(several: list[list[Ballot]]) -> Agreement:
    state = Agreement()
    for panel in several:
        one_coin.observe(state, panel, len(OPTIONS))
    return state


def test_accuracies_come_out_of_agreement_alone() -> None:
    found = one_coin.accuracies(observed(panels(3_000)))
    assert found == pytest.approx(TRUE, abs=0.03)


def test_the_order_of_panels_and_of_votes_does_not_matter_to_the_last_bit() -> None:
    several = panels(300)
    shuffled = [random.Random(n).sample(panel, len(panel)) for n, panel in enumerate(several)]
    random.Random(7).shuffle(shuffled)
    assert one_coin.accuracies(observed(shuffled)) == one_coin.accuracies(observed(several))


def test_what_was_written_down_goes_on_as_if_nothing_had_been() -> None:
    several = panels(200)
    restored = one_coin.restore(json.loads(json.dumps(one_coin.dump(observed(several[:120])))))
    for panel in several[120:]:
        one_coin.observe(restored, panel, len(OPTIONS))
    assert restored == observed(several)


def test_who_is_forgotten_is_a_stranger() -> None:
    state = observed(panels(100))
    one_coin.forget(state, "ann")
    assert set(one_coin.accuracies(state)) == set(TRUE) - {"ann"}
    assert one_coin.accuracies(state) == one_coin.accuracies(
        observed([[b for b in panel if b.voter != "ann"] for panel in panels(100)])
    )


def test_little_is_claimed_of_little() -> None:
    assert one_coin.accuracies(Agreement()) == {}
    state = Agreement()
    one_coin.observe(state, [Ballot("A", voter="ann"), Ballot("A", voter="bob")], 2)
    assert one_coin.accuracies(state) == pytest.approx(
        {"ann": PRIOR_ACCURACY, "bob": PRIOR_ACCURACY}, abs=0.02
    )


def test_abstentions_and_lone_votes_say_nothing() -> None:
    state = Agreement()
    one_coin.observe(state, [Ballot("A", voter="ann"), Ballot(None, voter="bob")], 2)
    one_coin.observe(state, [], 2)
    assert state == Agreement()


def test_always_alike_and_never_alike_stay_within_bounds() -> None:
    alike, apart = Agreement(), Agreement()
    for _ in range(500):
        one_coin.observe(alike, [Ballot("A", voter=name) for name in "xyz"], 3)
        one_coin.observe(apart, [Ballot(name, voter=name) for name in "xyz"], 3)
    bounds = (one_coin.ACCURACY_LEAST, one_coin.ACCURACY_MOST)
    for state in (alike, apart):
        assert all(bounds[0] <= one <= bounds[1] for one in one_coin.accuracies(state).values())
    assert min(one_coin.accuracies(alike).values()) > 0.9
