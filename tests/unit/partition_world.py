"""A partition's state over the aggregator's own fold, with the two topics that it writes as lists:
what becomes due is published, acknowledged and read back one after the other, as a test says.
"""

from collections.abc import Mapping

from comitia.effects import DeadLetter, Publish, Recorded, StopWork
from comitia.ports import Ack, Record
from comitia.runtime.fold import GuardedFold, Load
from comitia.runtime.open_tasks import Pending
from comitia.runtime.partition_state import PartitionState
from comitia.v1.decision_pb2 import (
    Decision,
)
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia_aggregator.main import TaskFold
from tests.sim.events import (
    APPENDED_MS,
    answered,
    make_answer,
    make_panel,
    make_task,
    opened,
    recorded,
)
from tests.unit.conflict_world import EXPIRES_MS, verdict
from tests.unit.ladder_world import RULES, ladder

DECISIONS = "comitia.decisions.v1"
EVENTS = "comitia.panel-events.v1"
ASK: Mapping[str, object] = {"name": "ask", "person": {"expiresMs": str(EXPIRES_MS)}}
TALK: Mapping[str, object] = {"deliberation": {}, "when": {"always": True}}


class Partition:
    """A state over the real fold, with the two topics that it writes as lists."""

    def __init__(self) -> None:
        self.load = Load(1_000, 10_000_000)
        self.log: list[tuple[PanelEvent, int]] = []
        self.decisions: list[Decision] = []
        self.decided_ms: list[int] = []
        self.feedback: list[Feedback] = []
        self.letters: list[str] = []
        self.stopped: list[str] = []
        self.now_ms = APPENDED_MS
        self.state: PartitionState
        self.take_over()

    def take_over(self, start: int = 0, recalled: int = 0, from_ms: int = 0) -> None:
        """A new owner: `decisions` are read from `recalled` on, and known from `from_ms` on; the
        log is folded from `start`.
        """
        self.state = PartitionState(GuardedFold(TaskFold(RULES)), self.load, DECISIONS, start)
        self.state.memory.begin(recalled, from_ms)
        for offset in range(recalled, len(self.decisions)):
            self.state.recall(self.decision_at(offset))
        self.state.decisions_next = len(self.decisions)
        self.read()

    def decision_at(self, offset: int) -> Recorded[Decision]:
        """As a reader gives it."""
        return Recorded(self.decisions[offset], DECISIONS, 0, offset, self.decided_ms[offset])

    def crash(self) -> None:
        """Whoever follows begins where the mark is now."""
        mark, recalled = self.state.low_water(), self.state.decisions_from()
        self.state.drop()
        self.take_over(mark, recalled)

    def say(self, *events: PanelEvent, at_ms: int = 0) -> None:
        for event in events:
            self.append(event, at_ms=at_ms)
            self._fold(len(self.log) - 1)

    def append(self, event: PanelEvent, at_ms: int = 0) -> None:
        """What is in the log and was not read."""
        self.now_ms = max(self.now_ms + 1, at_ms)
        self.log.append((event, self.now_ms))

    def read(self, count: int = 1_000) -> None:
        """Fold what is in the log, as many records as are said."""
        for offset in range(self.state.next, min(len(self.log), self.state.next + count)):
            self._fold(offset)

    def flush(self) -> list[Pending]:
        """Publish what is due; what it writes into the log is not read."""
        batch = self.state.take(1_000)
        items = [(one, effect) for one in batch for effect in one.job.effects]
        for one, effect in sorted(items, key=lambda item: getattr(item[1], "order", 0)):
            if isinstance(effect, DeadLetter):
                self.letters.append(effect.reason)
            elif isinstance(effect, StopWork):
                self.stopped.append(effect.task_id)
            elif isinstance(effect, Publish) and isinstance(effect.message, PanelEvent):
                self.append(effect.message)
            elif isinstance(effect, Publish) and isinstance(effect.message, Feedback):
                self.feedback.append(effect.message)
            elif isinstance(effect, Publish) and isinstance(effect.message, Decision):
                self.decisions.append(effect.message)
                self.decided_ms.append(self.now_ms)
                ack = Ack(DECISIONS, 0, len(self.decisions) - 1, self.now_ms)
                one.job.acks.append((effect, ack))
        return batch

    def publish(self) -> None:
        """Publish what is due, learn that it is, and read what that has written."""
        self.flush()
        self.state.done()
        self.read()

    def revisions(self, task_id: str = "t1") -> list[int]:
        return [one.revision for one in self.decisions if one.task_id == task_id]

    def _fold(self, offset: int) -> None:
        event, append_ms = self.log[offset]
        # Every reader decodes for itself.
        event = PanelEvent.FromString(event.SerializeToString())
        record = Record(EVENTS, 0, offset, append_ms, b"t1", event.SerializeToString())
        self.state.event(recorded(event, append_ms, offset), record, ("", ""))


def disagreeing(task_id: str = "t1", *steps: Mapping[str, object]) -> list[PanelEvent]:
    """A panel of two, and their answers, one for a and one for b."""
    task = make_task(task_id, policy=ladder(*(steps or (ASK,))))
    panel = make_panel(task, f"p-{task_id}", seats=2)
    answers = [make_answer(f"p-{task_id}.{n}.0.1", "ab"[n]) for n in range(2)]
    return [opened(panel), *(answered(one, task_id) for one in answers)]


def settling(task_id: str = "t1", offset: int = 0) -> PanelEvent:
    event = verdict("b", task_id=task_id, decision_offset=offset)
    event.task_id = task_id
    return event
