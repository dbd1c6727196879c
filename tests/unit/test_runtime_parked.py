"""A partition's state while a task of it is looked up: what waits with it, and what does not."""

from collections.abc import Sequence

from comitia.effects import Effect, Publish, Recorded, Timer
from comitia.errors import Poison
from comitia.ports import Record
from comitia.runtime.fold import GuardedFold, Load
from comitia.runtime.partition_state import PartitionState
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia_aggregator.main import TaskFold
from comitia_aggregator.state import Rules, TaskState
from tests.sim.events import (
    APPENDED_MS,
    DEADLINE_MS,
    answered,
    make_answer,
    make_panel,
    make_task,
    opened,
    recorded,
)

DECISIONS = "comitia.decisions.v1"


class Partition:
    """A state whose memory begins an hour after the tasks of these tests were appended."""

    def __init__(self, fold: TaskFold | None = None) -> None:
        self.load = Load(1_000, 1_000_000)
        guarded = GuardedFold(fold or TaskFold(Rules(DECISIONS)))
        self.state = PartitionState(guarded, self.load, DECISIONS, 0)
        self.state.memory.begin(0, APPENDED_MS + 3_600_000)

    def say(self, *events: PanelEvent) -> None:
        for event in events:
            offset = self.state.next
            value = event.SerializeToString()
            record = Record("comitia.panel-events.v1", 0, offset, APPENDED_MS + 1, b"t1", value)
            self.state.event(recorded(event, APPENDED_MS + 1, offset), record, ("", ""))

    def decided(self) -> list[Decision]:
        due = [effect for pending in self.state.take(1_000) for effect in pending.job.effects]
        return [
            e.message for e in due if isinstance(e, Publish) and isinstance(e.message, Decision)
        ]


def three_of_a_panel() -> tuple[PanelEvent, list[PanelEvent]]:
    panel = opened(make_panel(make_task()))
    return panel, [answered(make_answer(f"p1.{seat}.0.1", "a")) for seat in range(3)]


def test_a_timer_waits_for_what_came_before_it() -> None:
    p = Partition()
    panel, answers = three_of_a_panel()
    # Held for its panel, with a timer; then the panel is parked, and the rest of the answers.
    p.say(answers[0], panel, answers[1])
    assert list(p.state.parked) == ["t1"]
    p.state.fire(DEADLINE_MS + 10_000)
    assert not p.state.waiting
    p.state.settle(["t1"], {})
    p.state.fire(DEADLINE_MS + 10_000)
    (decision,) = p.decided()
    assert [ballot.seat for ballot in decision.ballots] == [0, 1]


def test_parked_events_hold_the_mark_and_count_as_load_until_they_are_settled() -> None:
    p = Partition()
    panel, answers = three_of_a_panel()
    p.say(panel, *answers)
    parked_bytes = panel.ByteSize() + sum(answer.ByteSize() for answer in answers)
    assert (p.state.low_water(), p.state.next) == (0, 4)
    assert (p.load.tasks, p.load.bytes) == (1, parked_bytes)
    decision = Decision(task_id="t1")
    p.state.settle(["t1"], {"t1": Recorded(decision, DECISIONS, 0, 7, APPENDED_MS + 2)})
    assert (p.state.low_water(), p.state.next) == (4, 4)
    assert (p.load.tasks, p.load.bytes) == (0, 0)
    assert p.state.decided["t1"].offset == 7
    assert p.state.dropped == {"AFTER_DECISION": 3}


def test_what_was_dropped_meanwhile_is_not_settled() -> None:
    p = Partition()
    panel, answers = three_of_a_panel()
    p.say(panel, *answers)
    wanted = dict(p.state.parked)
    p.state.drop()
    p.state.settle(wanted, {})
    assert not p.state.waiting
    assert (p.load.tasks, p.load.bytes) == (0, 0)


class PoisonedAtTheBeginning(TaskFold):
    """A fold with a bug that the first record of the log meets."""

    def step(
        self,
        state: TaskState | None,
        event: Recorded[PanelEvent] | Timer,
        now_ms: int,
        overloaded: bool,
    ) -> tuple[TaskState | None, Sequence[Effect]]:
        if isinstance(event, Recorded) and event.offset == 0:
            raise Poison("a bug")
        return super().step(state, event, now_ms, overloaded)


def test_the_mark_does_not_pass_a_task_of_which_a_parked_event_could_not_be_folded() -> None:
    p = Partition(PoisonedAtTheBeginning(Rules(DECISIONS)))
    panel, _ = three_of_a_panel()
    young = opened(make_panel(make_task("t2")))
    young.panel_opened.task_appended_ms = APPENDED_MS + 7_200_000
    p.say(panel, panel, young)
    assert list(p.state.parked) == ["t1"]
    p.state.settle(["t1"], {})
    assert p.state.open == 2
    p.state.take(1)
    p.state.done()
    # The letter is kept; the second panel has opened the task, which waits for its answers.
    assert not p.state.waiting
    assert p.state.low_water() <= 1
