"""What a simulation has left in its log, decoded once: events, decisions, answers, letters.

In come the log as a read_committed reader sees it, the plan and every offset commit; out come
tables by task, by assignment and by place.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from comitia.ports import Record, TopicPartition
from comitia.testing import LocalLog
from comitia.testing.partition import Partition, Transaction
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import (
    Decision,
    Delivery,
)
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from tests.sim.plan import Plan
from tests.sim.processes import NAMES

EVENTS, DECISIONS = NAMES.topic("panel-events"), NAMES.topic("decisions")
LETTERS, TASKS = NAMES.topic("dead-letters"), NAMES.topic("tasks")
STAGES, FEEDBACK = NAMES.topic("stages"), NAMES.topic("feedback")
Place = tuple[str, int, int]
POISON = b"\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Commit:
    """An offset commit, when it was made, and where the log ended then."""

    group: str
    tp: TopicPartition
    offset: int
    at_ms: int
    ends: Mapping[TopicPartition, int]


@dataclass
class Seen:
    """The whole log, decoded."""

    log: LocalLog
    plan: Plan
    commits: list[Commit]
    delivery: Delivery
    # Transactions that nothing can undo, with or without their markers.
    prepared: set[Transaction]
    now_ms: int = 0

    def ends(self) -> dict[TopicPartition, int]:
        """Where answers and decisions are looked for ends: of decisions what will stand, of the
        rest all that was appended.
        """
        return {
            TopicPartition(name, p.number): self._standing(p) if name == DECISIONS else p.end(False)
            for name in (EVENTS, DECISIONS, LETTERS)
            for p in self.log.topic(name).partitions
        }

    def _standing(self, partition: Partition) -> int:
        open_at = [at for one, at in partition._open.items() if one not in self.prepared]
        return min(open_at, default=partition.high_watermark)

    def records(self, topic: str) -> Iterator[Record]:
        for partition in self.log.topic(topic).partitions:
            yield from partition.read(0, 10**9, True)[0]

    def settled(self) -> bool:
        """Whether every readable task has a decision, and so have its stages."""
        decided = {d.task_id for d in map(decision_of, self.records(DECISIONS))}
        return self.expected | {child.id for child in self.children} <= decided

    def kinds(self) -> Counter[str]:
        """How many events of each kind the log has beside panels and answers, and how many
        revisions.
        """
        events = (event for pairs in self.events.values() for _, event in pairs)
        found = Counter(event.WhichOneof("event") or "nothing" for event in events)
        del found["panel_opened"], found["answer"]
        revised = (d for pairs in self.decisions.values() for _, d in pairs if d.revision)
        found["revisions"] = sum(1 for _ in revised)
        return found

    @property
    def children(self) -> list[Task]:
        """Stages that were begun."""
        return [Task.FromString(record.value or b"") for record in self.records(STAGES)]

    @property
    def feedback(self) -> list[Feedback]:
        return [Feedback.FromString(record.value or b"") for record in self.records(FEEDBACK)]

    @cached_property
    def expected(self) -> set[str]:
        """Ids of the tasks that must end in a decision."""
        named = set()
        for one in self.plan.publishings:
            key = (one.record.key or b"").decode()
            readable = "!" not in key
            if one.record.topic == TASKS and readable:
                named.add(key)
            elif one.kind == "poison" and one.record.topic == EVENTS and readable:
                named.add(key)  # its task fails in its own log
        return named

    @cached_property
    def events(self) -> dict[str, list[tuple[Record, PanelEvent]]]:
        """Per task, in log order."""
        found: dict[str, list[tuple[Record, PanelEvent]]] = {}
        for record in self.records(EVENTS):
            if not (record.value or b"").startswith(POISON):
                event = PanelEvent.FromString(record.value or b"")
                found.setdefault(event.task_id, []).append((record, event))
        return found

    @cached_property
    def decisions(self) -> dict[str, list[tuple[Record, Decision]]]:
        found: dict[str, list[tuple[Record, Decision]]] = {}
        for record in self.records(DECISIONS):
            decision = decision_of(record)
            found.setdefault(decision.task_id, []).append((record, decision))
        return found

    @cached_property
    def letters(self) -> dict[Place, list[tuple[Record, DeadLetter]]]:
        """By where the original stands."""
        found: dict[Place, list[tuple[Record, DeadLetter]]] = {}
        for record in self.records(LETTERS):
            letter = DeadLetter.FromString(record.value or b"")
            place = (letter.topic, letter.partition, letter.offset)
            found.setdefault(place, []).append((record, letter))
        return found

    @cached_property
    def answers(self) -> dict[str, list[tuple[Record, Answer]]]:
        """By assignment, in log order."""
        found: dict[str, list[tuple[Record, Answer]]] = {}
        for pairs in self.events.values():
            for record, event in pairs:
                if event.HasField("answer"):
                    found.setdefault(event.answer.assignment_id, []).append((record, event.answer))
        return found

    @cached_property
    def assignments(self) -> dict[str, list[tuple[Record, Assignment]]]:
        """By id, of all inboxes."""
        found: dict[str, list[tuple[Record, Assignment]]] = {}
        for agent, lane in self.plan.agents.items():
            for high in (False, True) if lane else (False,):
                for record in self.records(NAMES.inbox(agent, high=high)):
                    assignment = Assignment.FromString(record.value or b"")
                    found.setdefault(assignment.id, []).append((record, assignment))
        return found

    def before(self, commit: Commit, record: Record) -> bool:
        """Whether `record` was visible when `commit` was made."""
        return record.offset < commit.ends[TopicPartition(record.topic, record.partition)]


def decision_of(record: Record) -> Decision:
    return Decision.FromString(record.value or b"")
