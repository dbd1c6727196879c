"""How a task ends without a vote: cancelled, refused, failed, overloaded, a panel of nobody."""

from comitia.effects import Publish, StopWork
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_CANCELLED,
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_FAILED,
    DECISION_STATUS_NO_AGENT,
    DECISION_STATUS_OVERLOADED,
    DECISION_STATUS_REJECTED,
    DeadLetterRef,
)
from comitia.v1.panel_event_pb2 import PanelEvent, TaskFailed, TaskRefused
from comitia_aggregator.state import digest_of
from tests.sim.events import (
    APPENDED_MS,
    DEADLINE_MS,
    TRACE_ID,
    cancelled,
    make_panel,
    make_task,
    opened,
)
from tests.sim.folding import RULES, Fold, three


def test_a_cancel_stops_the_panel() -> None:
    fold = Fold().say(opened(make_panel(make_task())), *three("a"), cancelled())
    assert fold.decision.status == DECISION_STATUS_CANCELLED
    assert fold.decision.explanation == "The task was cancelled by ann: no longer needed."
    assert len(fold.decision.ballots) == 1
    assert [stop.reason for stop in fold.of(StopWork)] == ["CANCELLED"]
    fold.say(*three("a", "a", "a"), cancelled()).tick(DEADLINE_MS)
    assert len(fold.of(Publish)) == 1


def test_a_cancel_before_its_panel_is_kept_and_wins() -> None:
    fold = Fold().say(cancelled(), *three("a", "a", "a"))
    assert not fold.effects
    fold.say(opened(make_panel(make_task())))
    assert fold.decision.status == DECISION_STATUS_CANCELLED
    assert fold.decision.trace_id == TRACE_ID


def test_a_cancel_without_a_panel_is_kept_for_a_bounded_time() -> None:
    fold = Fold().say(cancelled(), at_ms=APPENDED_MS)
    assert fold.tick(APPENDED_MS + RULES.keep_ms - 1).state is not None
    assert fold.tick(APPENDED_MS + RULES.keep_ms).state is None


def test_a_refusal_is_the_decision() -> None:
    refused = TaskRefused(
        status=DECISION_STATUS_NO_AGENT,
        reason="no agent",
        task=make_task(),
        task_appended_ms=APPENDED_MS,
    )
    fold = Fold().say(PanelEvent(task_id="t1", task_refused=refused), *three("a"))
    decision = fold.decision
    assert (decision.status, decision.explanation) == (DECISION_STATUS_NO_AGENT, "no agent")
    assert (decision.skill, decision.tenant, decision.cost.elapsed_ms) == ("sentiment", "acme", 7)
    assert fold.state is not None
    assert fold.state.digest == digest_of(make_task())


def test_a_refusal_after_the_panel_does_not_end_the_task() -> None:
    fold = Fold().say(opened(make_panel(make_task())))
    fold.say(PanelEvent(task_id="t1", task_refused=TaskRefused(status=DECISION_STATUS_REJECTED)))
    assert not fold.effects


def test_a_failed_record_ends_the_task_and_is_named() -> None:
    kept = DeadLetterRef(topic="comitia.dead-letters.v1", partition=0, offset=9)
    failed = PanelEvent(task_id="t1", task_failed=TaskFailed(reason="UNREADABLE", dead_letter=kept))
    for fold in (Fold().say(failed), Fold().say(opened(make_panel(make_task())), failed)):
        assert fold.decision.status == DECISION_STATUS_FAILED
        assert fold.decision.dead_letter == kept
        assert "UNREADABLE" in fold.decision.explanation


def test_without_room_a_new_panel_is_overloaded_and_an_open_one_goes_on() -> None:
    new = Fold().say(*three("a")).say(opened(make_panel(make_task())), overloaded=True)
    assert new.decision.status == DECISION_STATUS_OVERLOADED
    assert len(new.of(StopWork)) == 1
    old = Fold().say(opened(make_panel(make_task())))
    assert (
        old.say(*three("a", "a", "a"), overloaded=True).decision.status == DECISION_STATUS_DECIDED
    )


def test_a_panel_of_nobody_ends() -> None:
    fold = Fold().say(opened(make_panel(make_task(), seats=0)))
    assert fold.decision.status == DECISION_STATUS_NO_AGENT
