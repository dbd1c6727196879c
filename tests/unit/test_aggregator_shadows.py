"""Shadows: asked beside a panel, recorded, told to stop, and never counted or missed."""

import pytest

from comitia.effects import StopWork
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, DECISION_STATUS_NO_QUORUM
from comitia.v1.policy_pb2 import METHOD_LEARNED, Method, Policy
from tests.sim.events import (
    DEADLINE_MS,
    answered,
    make_answer,
    make_panel,
    make_task,
    make_weights,
    opened,
    policy,
)
from tests.sim.folding import Fold, three

WEIGHTS = make_weights({"a2": (9.0, 0.0, 0.99)})


def beside(asked: Policy, seats: int = 3, shadows: int = 1) -> Fold:
    return Fold(WEIGHTS).say(opened(make_panel(make_task(policy=asked), "p1", seats, shadows)))


@pytest.mark.parametrize("method", [Method.METHOD_PLURALITY, METHOD_LEARNED])
def test_a_shadow_is_recorded_and_neither_counted_nor_weighed(method: Method) -> None:
    fold = beside(policy(method=method)).say(*three("a", "a"))
    assert not fold.effects, "a policy that waits for all waits for shadows, too"
    decision = fold.say(answered(make_answer("p1.2.0.1", "b"))).decision
    assert (decision.value.option_id, decision.margin > 0) == ("a", True)
    assert [(b.agent, b.shadow, b.weight > 0) for b in decision.ballots] == [
        ("a0", False, True), ("a1", False, True), ("a2", True, False),
    ]  # fmt: skip
    assert decision.ballots[2].value.option_id == "b"
    assert decision.explanation.endswith('Shadows, not counted: a2 for "b".')
    assert (decision.cost.assignments, decision.cost.prompt_tokens) == (3, 30)


def test_a_shadow_does_not_help_a_quorum() -> None:
    fold = beside(policy(), seats=4, shadows=2).say(*three("a", None, "a", "a"))
    # One of the two seats that count has voted; two are needed.
    assert fold.decision.status == DECISION_STATUS_NO_QUORUM
    assert "1 of the 2 seats" in fold.decision.explanation
    asked = policy(quorum=2)
    assert beside(asked).say(*three("a", None, "a")).decision.status == DECISION_STATUS_NO_QUORUM


def test_shadows_are_not_waited_for_and_are_told_to_stop() -> None:
    fold = beside(policy(wait_for_all=False)).say(*three("a", "a"))
    decision = fold.decision
    assert decision.status == DECISION_STATUS_DECIDED
    assert not decision.missing
    assert "not waited for" not in decision.explanation
    assert len(fold.of(StopWork)) == 1


def test_nobody_misses_a_shadow_at_the_deadline() -> None:
    fold = beside(policy()).say(*three("a", "a")).tick(DEADLINE_MS)
    assert fold.decision.status == DECISION_STATUS_DECIDED
    assert not fold.decision.missing
    late = beside(policy()).say(*three("a", "a"))
    late.say(answered(make_answer("p1.2.0.1", "b")), at_ms=DEADLINE_MS + 1)
    assert not late.tick(DEADLINE_MS + 1).decision.late


def test_a_shadow_that_answers_first_changes_nothing() -> None:
    fold = beside(policy(wait_for_all=False)).say(answered(make_answer("p1.2.0.1", "b")))
    assert not fold.effects
    decision = fold.say(*three("a", "a")).decision
    assert (decision.value.option_id, len(decision.ballots)) == ("a", 3)
