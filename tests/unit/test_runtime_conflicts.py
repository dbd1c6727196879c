"""A partition's state while tasks wait for a person."""

import pytest

from comitia.effects import Publish, Recorded
from comitia.runtime.fold import GuardedFold
from comitia.runtime.partition_state import PartitionState
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_ESCALATED,
    DECISION_STATUS_EXPIRED,
    DECISION_STATUS_FAILED,
    Decision,
)
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia_aggregator.main import TaskFold
from tests.sim.events import cancelled
from tests.unit.conflict_world import EXPIRES_MS
from tests.unit.ladder_world import RULES
from tests.unit.partition_world import ASK, DECISIONS, Partition, disagreeing, settling


def conflict() -> Partition:
    """A partition of which one task waits for a person."""
    p = Partition()
    p.say(*disagreeing())
    p.publish()
    assert p.state.conflicts == 1
    return p


def test_an_escalated_task_is_open_as_a_conflict_alone_and_holds_the_mark() -> None:
    p = conflict()
    assert (p.state.open, p.load.tasks) == (0, 0)
    assert p.load.bytes > 0
    p.say(*disagreeing("t2"))
    p.publish()
    assert p.state.low_water() == 3, "the record that opened the conflict"
    assert p.state.decided["t1"].escalated


def test_a_conflict_outlives_its_owners_and_is_settled_once() -> None:
    p = conflict()
    for _ in range(3):
        p.crash()
        assert p.state.conflicts == 1
    p.say(settling())
    p.crash()
    p.publish()
    assert p.revisions() == [0, 1]
    assert p.state.conflicts == 0
    p.crash()
    p.publish()
    assert p.revisions() == [0, 1] and not p.letters
    p.take_over()
    p.publish()
    assert p.revisions() == [0, 1] and not p.letters, "nor when all is folded again"
    assert (p.state.open, p.state.conflicts) == (0, 0)


def test_what_is_read_before_the_decision_is_acknowledged_waits_for_that() -> None:
    p = Partition()
    p.say(*disagreeing())
    p.flush()
    p.read()
    p.say(settling())
    assert p.state.conflicts == 0 and p.state.low_water() == 0
    p.say(*disagreeing("t2"))
    p.state.done()
    assert p.state.conflicts == 1
    assert p.state.low_water() == 3, "also of a task that began before t2 did"
    p.publish()
    assert p.revisions() == [0, 1] and not p.letters


def test_a_settled_conflict_lets_the_mark_go() -> None:
    p = conflict()
    p.say(settling())
    p.publish()
    assert p.state.low_water() == p.state.next
    assert (p.load.tasks, p.load.bytes) == (0, 0)


def test_a_reminder_moves_the_mark_and_the_offset_of_the_decision_is_known_without_it() -> None:
    p = conflict()
    p.now_ms += RULES.remind_ms
    p.state.fire(p.now_ms)
    p.publish()
    assert p.log[-1][0].conflict_opened.decision_offset == 0
    assert p.state.low_water() == len(p.log) - 1
    p.take_over(p.state.low_water(), recalled=1)
    assert p.state.conflicts == 1, "the decision itself is forgotten"
    p.say(settling(offset=9))
    p.publish()
    assert p.letters == ["VERDICT_REFUSED"]
    p.say(settling())
    p.publish()
    assert p.revisions() == [0, 1]
    assert p.decisions[-1].settlement.decision_offset == 0


def test_a_reminder_behind_a_verdict_neither_takes_it_back_nor_hides_it_from_the_next_owner() -> (
    None
):
    p = conflict()
    p.now_ms += RULES.remind_ms
    p.state.fire(p.now_ms)
    # The verdict is in the log before the reminder, whose transaction is under way.
    p.append(settling())
    p.flush()
    p.read()
    p.state.done()
    assert p.log[-1][0].HasField("conflict_opened")
    mark = p.state.low_water()
    assert mark == 3
    p.crash()
    p.publish()
    assert p.revisions() == [0, 1] and not p.letters


def test_a_conflict_of_a_revision_that_is_settled_is_not_opened() -> None:
    p = conflict()
    p.say(settling())
    p.publish()
    p.say(p.log[3][0])
    assert p.state.conflicts == 0
    p.say(settling())
    assert not p.state.waiting, "the same verdict again"


def test_a_conflict_of_another_decision_than_the_one_remembered_is_not_opened() -> None:
    """Of a decision that could not be published: a small one, FAILED, stands in its place."""
    p = conflict()
    told, failed = PanelEvent(), Decision(task_id="t1", status=DECISION_STATUS_FAILED)
    told.CopyFrom(p.log[3][0])
    p.decisions[0] = failed
    p.take_over()
    assert p.state.conflicts == 0
    p.decisions[0].status = DECISION_STATUS_ESCALATED
    told.conflict_opened.decision.revision = 3
    p.log[3] = (told, p.log[3][1])
    p.take_over()
    assert p.state.conflicts == 0


def test_a_revision_is_remembered_while_a_fold_would_meet_its_verdict_again() -> None:
    p = conflict()
    p.say(*disagreeing("t2")[:1])
    p.say(settling())
    p.publish()
    p.state.prune(p.now_ms + 3_600_000, 1_000)
    assert p.state.low_water() == 4
    assert p.state.decided["t1"].revision == 1


def test_one_that_may_be_settled_before_the_memory_begins_is_looked_up() -> None:
    p = conflict()
    p.say(settling())
    p.publish()
    p.state.drop()
    p.state = PartitionState(GuardedFold(TaskFold(RULES)), p.load, DECISIONS, 3)
    p.state.memory.begin(2, p.now_ms + 3_600_000)
    p.read()
    assert list(p.state.parked) == ["t1"] and p.state.low_water() == 3
    found = Recorded(p.decisions[1], DECISIONS, 0, 1, p.now_ms)
    p.state.settle(["t1"], {"t1": found})
    assert p.state.conflicts == 0 and not p.state.waiting


@pytest.mark.parametrize("found", [True, False])
def test_one_that_is_not_settled_is_open_after_the_look_up(found: bool) -> None:
    p = conflict()
    p.state.drop()
    p.state = PartitionState(GuardedFold(TaskFold(RULES)), p.load, DECISIONS, 3)
    p.state.memory.begin(1, p.now_ms + 3_600_000)
    p.read()
    stands = Recorded(p.decisions[0], DECISIONS, 0, 0, p.now_ms)
    p.say(*disagreeing("t2"))
    p.state.settle(["t1", "t2"], {"t1": stands} if found else {})
    assert (p.state.conflicts, p.load.tasks) == (1, 0)
    assert p.state.low_water() == 3
    p.say(settling())
    p.publish()
    assert 1 in p.revisions() and not p.letters


def test_expiry_waits_for_its_timer_across_owners() -> None:
    p = conflict()
    p.crash()
    p.state.fire(p.now_ms + EXPIRES_MS + 1)
    p.publish()
    assert p.revisions() == [0, 1]
    assert p.decisions[1].status == DECISION_STATUS_EXPIRED
    assert p.state.conflicts == 0


def test_a_dropped_state_gives_the_load_back() -> None:
    p = conflict()
    p.say(*disagreeing("t2")[:2])
    p.state.drop()
    assert (p.load.tasks, p.load.bytes, p.state.conflicts) == (0, 0, 0)


def test_decisions_are_remembered_in_the_order_of_the_log() -> None:
    p = Partition()
    p.say(*disagreeing("t1"), *disagreeing("t2", {**ASK, "when": {"marginBelow": 0.001}})[:1])
    p.say(cancelled("t2"))
    p.publish()
    # t1's decision goes behind t2's, for its conflict goes before it.
    assert [one.task_id for one in p.decisions] == ["t2", "t1"]
    assert list(p.state.decided) == ["t2", "t1"]
    assert p.decisions[1].status == DECISION_STATUS_ESCALATED


def test_a_conflict_that_was_told_without_its_decision_is_not_open_yet() -> None:
    """Without transactions an owner may die between the two: whoever follows says both."""
    p = Partition()
    p.say(*disagreeing())
    (pending,) = p.state.take(10)
    (told,) = (
        effect.message
        for effect in pending.job.effects
        if isinstance(effect, Publish) and isinstance(effect.message, PanelEvent)
    )
    p.append(told)
    p.crash()
    assert p.state.conflicts == 0 and p.state.waiting
    p.publish()
    assert p.revisions() == [0] and p.state.conflicts == 1
