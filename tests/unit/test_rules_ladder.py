"""Rules as a step of the ladder: what they leave goes to the steps behind them, a person is asked
past all others, and the decision says which rule applied.
"""

from collections.abc import Mapping

import pytest

from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_ESCALATED,
    DECISION_STATUS_NO_QUORUM,
)
from tests.unit.ladder_world import Story, ladder, says

VETO = {"name": "legal", "veto": {"voter": {"agent": "a2"}}, "because": "Legal has to agree."}
PERSON = {**VETO, "effect": "RULE_EFFECT_PERSON"}
OWNER = {"name": "owner", "owner": {"voter": {"agent": "a2"}}}


def story(*steps: Mapping[str, object]) -> Story:
    judges = {"judge": [says("b")]}
    return Story(ladder(*steps), [says("a"), says("a"), says("b")], judges).run()


def step(rule: Mapping[str, object]) -> Mapping[str, object]:
    return {"rules": {"rules": [rule]}, "when": {"always": True}}


def test_a_veto_ends_it_without_a_value_and_the_decision_says_whose() -> None:
    decision = story(step(VETO)).decision
    assert decision.status == DECISION_STATUS_NO_QUORUM and not decision.HasField("value")
    said = 'Rule legal: a2 is for "b" and against "a"; no value wins. Legal has to agree.'
    assert decision.steps[0].reason == f"always: {said}"
    assert f"{said[:-1]}; then no value leads" in decision.explanation


def test_what_a_veto_leaves_open_the_next_step_settles() -> None:
    met = story(step(VETO), {"judge": {}})
    assert met.steps() == {"rules": True, "judge": True}
    assert met.decision.status == DECISION_STATUS_NO_QUORUM, "two for each, and no value wins"


def test_an_owner_decides() -> None:
    decision = story(step(OWNER)).decision
    assert (decision.status, decision.decided_by) == (DECISION_STATUS_DECIDED, "rules")
    assert decision.value.option_id == "b"


def test_a_person_is_asked_past_the_steps_between() -> None:
    met = story(step(PERSON), {"judge": {}, "when": {"always": True}}, {"person": {}})
    assert met.steps() == {"rules": True, "person": True}
    assert met.decision.status == DECISION_STATUS_ESCALATED
    assert met.decision.escalation.reason.startswith("Rule legal: a2")


@pytest.mark.parametrize("steps", [(step(PERSON),), (step(PERSON), {"judge": {}})])
def test_where_there_is_no_person_what_a_rule_objects_to_does_not_win(
    steps: tuple[Mapping[str, object], ...],
) -> None:
    decision = Story(ladder(*steps), [says("a"), says("a"), says("b")]).run().decision
    assert decision.status == DECISION_STATUS_NO_QUORUM
