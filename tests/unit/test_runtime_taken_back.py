"""A partition's state when the log goes on otherwise than its fold would: a round that was opened
takes back what waits of its task.
"""

from comitia.v1.decision_pb2 import DECISION_STATUS_CANCELLED, DECISION_STATUS_DECIDED
from comitia.v1.panel_event_pb2 import PanelEvent
from tests.sim.events import answered, cancelled, make_answer, make_panel, make_task, opened
from tests.unit.partition_world import TALK, Partition, disagreeing


def talking(*, cancel: bool = False) -> tuple[Partition, PanelEvent]:
    """A task that opens a second round, and the event that says so, which was not read. `cancel`:
    somebody cancels it before; then its opening is not acknowledged yet.
    """
    p = Partition()
    p.say(*disagreeing("t1", TALK))
    assert p.load.tasks == 1
    if cancel:
        p.append(cancelled())
    p.flush()
    if not cancel:
        p.state.done()
    event, _ = p.log[-1]
    assert event.HasField("round_opened")
    return p, event


def test_a_cancel_before_a_round_in_the_log_ends_the_task_however_they_are_met() -> None:
    p, _ = talking(cancel=True)
    assert [one.WhichOneof("event") for one, _ in p.log[3:]] == ["task_cancelled", "round_opened"]
    p.state.done()
    p.read()
    p.publish()
    assert [one.status for one in p.decisions] == [DECISION_STATUS_CANCELLED]
    assert p.stopped == ["t1"], "whoever works on the round"
    p.decisions.clear()
    rounds = len(p.log)
    p.take_over()
    p.publish()
    assert [one.status for one in p.decisions] == [DECISION_STATUS_CANCELLED]
    assert len(p.log) == rounds, "the round is not opened once more"


def test_a_cancel_that_is_under_way_when_a_round_is_read_is_published_once() -> None:
    p, _ = talking(cancel=True)
    p.state.done()
    p.read(1)
    p.flush()
    assert p.stopped == ["t1"], "whoever works on the round that was asked for"
    p.read()
    p.state.done()
    p.publish()
    assert [one.status for one in p.decisions] == [DECISION_STATUS_CANCELLED]


def test_a_decision_that_is_taken_back_makes_its_task_open_again() -> None:
    p = Partition()
    p.say(*disagreeing("t1", TALK))
    # A former owner has opened the round; here, with other weights, the task is decided.
    _, round_opened = talking()
    p.state.take(1)
    p.state.done()
    p.state.fire(p.now_ms + 3_600_000)
    assert p.load.tasks == 0
    p.say(round_opened)
    assert p.load.tasks == 1
    assert not p.state.waiting
    for seat in range(2):
        answer = make_answer(f"p-t1.{seat}.0.2", "a")
        answer.rationale = "you are right"
        p.say(answered(answer))
    p.publish()
    assert p.revisions() == [0]
    assert (p.decisions[0].status, len(p.decisions[0].ballots)) == (DECISION_STATUS_DECIDED, 4)


def test_a_round_that_is_told_twice_takes_nothing_back() -> None:
    p, round_opened = talking()
    p.read()
    for seat in range(2):
        p.say(answered(make_answer(f"p-t1.{seat}.0.2", "a")))
    assert p.state.waiting
    p.say(round_opened)
    p.publish()
    assert p.revisions() == [0]


def test_a_round_is_too_late_for_a_decision_that_is_under_way() -> None:
    p, _ = talking()
    p.state.fire(p.now_ms + 3_600_000)
    p.flush()
    p.read()
    p.state.done()
    assert p.revisions() == [0]
    assert (p.state.open, p.load.tasks, p.state.waiting) == (0, 0, False)
    assert p.state.low_water() == p.state.next


def test_letters_are_kept_when_a_round_takes_effects_back() -> None:
    p = Partition()
    p.say(*disagreeing("t1", TALK))
    _, round_opened = talking()
    p.say(opened(make_panel(make_task(text="another content"), "p2")))
    p.say(round_opened)
    p.publish()
    assert p.letters == ["DUPLICATE_ID"]
    assert not any(one.HasField("round_opened") for one, _ in p.log[5:])
