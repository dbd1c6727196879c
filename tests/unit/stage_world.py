"""A task of stages on the real router and the real fold of a partition, without a broker: in come a
task and what agents say in each stage; out come all decisions. Every append is a place to crash:
what was committed stays and is folded anew, what was not is gone.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from google.protobuf import json_format

from comitia.effects import Effect, Publish, Recorded
from comitia.ports import Ack, Record
from comitia.runtime.fold import Load
from comitia.runtime.open_tasks import Pending
from comitia.runtime.partition_state import PartitionState
from comitia.topics import Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.policy_pb2 import Policy
from comitia.v1.task_pb2 import Task
from comitia.v1.value_pb2 import Value
from comitia_aggregator.main import TaskFold
from comitia_aggregator.state import Rules
from comitia_router.handler import Router
from comitia_router.limits import Limits
from tests.sim.events import APPENDED_MS, TRACEPARENT

NAMES = Names()
TASKS, STAGES = NAMES.topic("tasks"), NAMES.topic("stages")
EVENTS, DECISIONS = NAMES.topic("panel-events"), NAMES.topic("decisions")
PARTITION = 3
RULES = Rules(DECISIONS)
# Answers of the entries into a stage, the last one again and again; None: nobody answers.
Said = Mapping[str, list[Value | None]]
NOTHING = ("", "")


def text(said: str) -> Value:
    return Value(text=said)


def option(name: str) -> Value:
    return Value(option_id=name)


def staged_task(*stages: Mapping[str, object], **more: object) -> Task:
    """A task of these stages, as they are written in a file. Texts unless they say otherwise."""
    given = {"id": "t1", "skill": "answer", "timeoutMs": 60_000, "input": {"text": "Why?"}}
    task = json_format.ParseDict({**given, "format": {"text": {}}, **more}, Task())
    task.policy.CopyFrom(json_format.ParseDict({"stages": list(stages)}, Policy()))
    return task


@dataclass(eq=False)
class World:
    """`said`: by the agent, in each stage. `crash`: after so many appends the owner is lost.
    `before`: append -> an event that comes into the log before it; `idle`: those that come
    when everybody waits. `lose`: ids of stages that the
    router never gets. `sizes`: of the task's state, in bytes, each time that the owner has read.
    """

    said: Said
    crash: int = -1
    before: dict[int, PanelEvent] = field(default_factory=dict)
    rules: Rules = RULES
    skills: tuple[str, ...] = ("answer",)
    lose: tuple[str, ...] = ()
    idle: tuple[PanelEvent, ...] = ()
    open_tasks_max: int = 1_000

    def __post_init__(self) -> None:
        self.before = dict(self.before)
        self.router = Router(NAMES, Limits(), lambda key: PARTITION, "r")
        card = AgentCard(name="anna", version=1, skills=self.skills, no_heartbeat=True)
        self.router.agents.learn(card)
        self.router.agents.open_inbox("anna")
        self.fold = TaskFold(self.rules)
        self.now_ms = APPENDED_MS
        self.events: list[Recorded[PanelEvent]] = []
        self.made: list[Recorded[Decision]] = []
        self.children: list[Task] = []
        self.published: list[Publish] = []
        self.appends = 0
        self.sizes: list[int] = []
        # What others than the owner do, in order.
        self.others: deque[Callable[[], None]] = deque()
        self.state = self._fresh()

    def run(self, task: Task) -> "World":
        self.others.append(lambda: self._route(task))
        while True:
            batch = self.state.take(1)
            if batch:
                self._commit([e for pending in batch for e in pending.job.effects], batch)
            elif self.others:
                self.others.popleft()()
            elif self.idle:
                event, self.idle = self.idle[0], self.idle[1:]
                self._append([event])
            elif (timer_ms := self._next_timer()) is not None:
                self.now_ms = max(self.now_ms, timer_ms)
                self.state.fire(self.now_ms)
            else:
                return self

    def decisions(self) -> dict[str, Decision]:
        found = {one.message.task_id: one.message for one in self.made}
        assert len(found) == len(self.made), "a task was decided twice"
        return found

    def walk(self) -> list[str]:
        """Ids of the child tasks, in the order in which they were published."""
        ids = [child.id for child in self.children]
        assert len(set(ids)) == len(ids), "a stage was begun twice"
        return ids

    def _fresh(self) -> PartitionState:
        return PartitionState(self.fold, Load(self.open_tasks_max, 10**9), DECISIONS, 0)

    def _next_timer(self) -> int | None:
        return self.state._table.timers.next_ms

    def _commit(self, effects: list[Effect], batch: Sequence[Pending]) -> None:
        published = [effect for effect in effects if isinstance(effect, Publish)]
        self.published += published
        acks = self._append([effect.message for effect in published], read=False)
        for pending in batch:
            pending.job.acks = list(zip(published, acks, strict=True))
        self.state.done()
        self._read()

    def _append(self, messages: Sequence[object], read: bool = True) -> list[Ack]:
        """One transaction. Afterwards the owner may be lost."""
        earlier = self.before.pop(self.appends, None)
        if earlier is not None:
            self._record(earlier)
        acks = [self._record(message) for message in messages]
        self.appends += 1
        if read:
            self._read()
        return acks

    def _record(self, message: object) -> Ack:
        self.now_ms += 1
        topic, offset = EVENTS, len(self.events)
        if isinstance(message, PanelEvent):
            recorded = Recorded(message, EVENTS, PARTITION, offset, self.now_ms, TRACEPARENT)
            self.events.append(recorded)
        elif isinstance(message, Decision):
            topic, offset = DECISIONS, len(self.made)
            self.made.append(Recorded(message, topic, PARTITION, offset, self.now_ms))
        elif isinstance(message, Task):
            topic, offset = STAGES, len(self.children)
            self.children.append(message)
            if message.id not in self.lose:
                self.others.append(lambda: self._route(message, STAGES))
        return Ack(topic, PARTITION, offset, self.now_ms)

    def _read(self) -> None:
        """The owner reads what is new; after the crash, another one all from the beginning."""
        if self.appends >= self.crash >= 0:
            self.crash = -1
            self.state = self._fresh()
            for decided in self.made:
                self.state.recall(decided)
        for event in self.events[self.state.next :]:
            record = Record(EVENTS, PARTITION, event.offset, event.append_ms, None, b"")
            self.state.event(event, record, NOTHING)
        if "t1" in self.state._table.tasks:
            self.sizes.append(self.state._table.tasks["t1"].size)

    def _route(self, task: Task, topic: str = TASKS) -> None:
        recorded = Recorded(task, topic, 0, 0, self.now_ms, TRACEPARENT)
        on = self.router.on_task if topic == TASKS else self.router.on_stage
        for effect in on(recorded, self.now_ms):
            assert isinstance(effect, Publish)
            if isinstance(effect.message, PanelEvent):
                assert (effect.key, effect.partition) == ("t1", PARTITION)
                self._append([effect.message])
            elif isinstance(effect.message, Assignment):
                self.others.append(lambda given=effect.message: self._answer(given))  # type: ignore[misc]

    def _answer(self, assignment: Assignment) -> None:
        task = assignment.task
        attempt = int(task.id.rsplit(":", 1)[1])
        said = self.said.get(task.stage, [text(f"{task.stage} {attempt}")])
        value = said[min(attempt, len(said)) - 1]
        if value is None:
            return
        event = PanelEvent(task_id=task.id)
        event.answer.assignment_id, event.answer.agent = assignment.id, assignment.agent
        event.answer.value.CopyFrom(value)
        event.answer.usage.prompt_tokens, event.answer.usage.completion_tokens = 10, 2
        event.answer.deadline_ms = assignment.deadline_ms
        self._append([event])


def tiny(**changes: int) -> Rules:
    return replace(RULES, **changes)  # type: ignore[arg-type]
