"""The loops against Apache Kafka: a task walks from its topic to one decision, through restarts."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest
from google.protobuf.message import Message

from comitia.config import KafkaSettings, load
from comitia.effects import DecidedTask, Effect, Publish, Recorded, Timer
from comitia.ports import Outgoing, ReaderSpec, Record
from comitia.runtime import catalogue, dead_letters
from comitia.runtime.clock import BrokerClock
from comitia.runtime.codec import Codec
from comitia.runtime.context import Runtime
from comitia.runtime.health import Health
from comitia.runtime.heartbeat import send_once, service_beats
from comitia.runtime.kafka_log import KafkaLog
from comitia.runtime.owner import OwnerSpec, run_owner
from comitia.runtime.partitioner import partition_of
from comitia.runtime.stream import Source, StreamSpec, run_stream
from comitia.runtime.workers import WorkersSpec, run_workers
from comitia.telemetry.setup import setup
from comitia.topics import Names
from comitia.v1 import decision_pb2 as d
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task

M = TypeVar("M", bound=Message)
TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PARTITIONS = 4


@dataclass
class State:
    timer_ms: int | None = None
    size_bytes: int = 100
    digest: bytes = b""
    answers: int = 0
    decided: bool = False


class OneAnswer:
    """The first answer after the panel decides; the deadline decides without one."""

    def __init__(self, names: Names) -> None:
        self._topic = names.topic("decisions")

    def step(
        self,
        state: State | None,
        event: Recorded[PanelEvent] | Timer,
        now_ms: int,
        overloaded: bool,
    ) -> tuple[State | None, Sequence[Effect]]:
        state = state or State()
        if isinstance(event, Timer):
            return state, self._decide(state, event.task_id, d.DECISION_STATUS_EXPIRED)
        message = event.message
        kind = message.WhichOneof("event")
        if kind == "panel_opened":
            state.timer_ms, state.digest = message.panel_opened.deadline_ms, b"d"
        elif kind == "task_refused":
            return state, self._decide(state, message.task_id, d.DECISION_STATUS_REJECTED)
        elif kind == "answer":
            state.answers += 1
        if state.digest and state.answers and not state.decided:
            return state, self._decide(state, message.task_id, d.DECISION_STATUS_DECIDED)
        return state, ()

    def after(self, decided: DecidedTask, event: Recorded[PanelEvent]) -> Sequence[Effect]:
        return ()

    def _decide(self, state: State, task_id: str, status: d.DecisionStatus) -> tuple[Effect, ...]:
        state.decided, state.timer_ms = True, None
        return (Publish(self._topic, task_id, Decision(task_id=task_id, status=status)),)


@dataclass
class System:
    """Router, one agent and aggregator over the broker, each startable and killable."""

    runtime: Runtime
    running: dict[str, tuple[Runtime, asyncio.Task[None]]] = field(default_factory=dict)

    def start(self, service: str) -> Runtime:
        runtime = replace(
            self.runtime,
            service=service,
            health=Health(),
            stop=asyncio.Event(),
            codec=Codec(service, uuid.uuid4().hex),
        )
        loop = {"router": self._router, "agent": self._agent, "aggregator": self._aggregator}
        self.running[service] = (runtime, asyncio.create_task(loop[service](runtime)))
        return runtime

    async def stop(self, service: str) -> None:
        runtime, task = self.running.pop(service)
        runtime.stop.set()
        await task

    async def kill(self, service: str) -> None:
        _, task = self.running.pop(service)
        task.cancel()
        await asyncio.wait({task})

    async def _router(self, runtime: Runtime) -> None:
        names = runtime.names
        source = Source(
            names.topic("tasks"), Task, self._seat, dead_letters.task_refused(names, PARTITIONS)
        )
        await run_stream(runtime, StreamSpec(names.group("router"), (source,)))

    def _seat(self, recorded: Recorded[Task], _: int) -> Sequence[Effect]:
        names, task = self.runtime.names, recorded.message
        partition = partition_of(task.id, PARTITIONS)
        deadline_ms = recorded.append_ms + task.timeout_ms
        event = PanelEvent(task_id=task.id)
        event.panel_opened.deadline_ms = deadline_ms
        assignment = Assignment(
            id=f"{task.id}.0",
            task=task,
            deadline_ms=deadline_ms,
            reply_topic=names.topic("panel-events"),
            reply_partition=partition,
        )
        return (
            Publish(names.inbox("anna"), task.id, assignment),
            Publish(names.topic("panel-events"), task.id, event, partition, order=1),
        )

    async def _agent(self, runtime: Runtime) -> None:
        async def answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
            assignment = recorded.message
            event = PanelEvent(task_id=assignment.task.id)
            event.answer.assignment_id = assignment.id
            reply = (assignment.reply_topic, assignment.task.id, event, assignment.reply_partition)
            return (Publish(*reply),)

        await run_workers(runtime, WorkersSpec("anna", 16, answer))

    async def _aggregator(self, runtime: Runtime) -> None:
        group = runtime.names.group("aggregator")
        bounds = (3_600_000, 100_000, 100_000, 2**30)
        await run_owner(runtime, OwnerSpec(group, OneAnswer(runtime.names), True, *bounds))

    async def publish(self, *tasks: Task | bytes) -> None:
        writer = await self.runtime.log.writer()
        acks = []
        for task in tasks:
            value = task.SerializeToString() if isinstance(task, Task) else task
            key = task.id if isinstance(task, Task) else "unreadable"
            headers = (("traceparent", TRACEPARENT),)
            topic = self.runtime.names.topic("tasks")
            acks.append(await writer.send(Outgoing(topic, value, key.encode(), headers)))
        for ack in acks:
            await ack
        await writer.close()

    async def read(self, entity: str, enough: Callable[[list[Record]], bool]) -> list[Record]:
        """Records of a topic from its beginning, until there are enough."""
        topic = self.runtime.names.topic(entity)
        reader = await self.runtime.log.reader(ReaderSpec(topics=(topic,)))
        found: list[Record] = []
        try:
            async with asyncio.timeout(60):
                while not enough(found):
                    found += await reader.fetch(1_000, 200)
        finally:
            await reader.close()
        return found

    async def decisions(self, count: int) -> dict[str, Decision]:
        records = await self.read("decisions", lambda found: len(found) >= count)
        decisions = [Decision.FromString(record.value or b"") for record in records]
        assert len({x.task_id for x in decisions}) == len(decisions)
        return {x.task_id: x for x in decisions}


@pytest.fixture
async def system(broker: str) -> AsyncIterator[System]:
    names = Names(f"t{uuid.uuid4().hex[:8]}.")
    log = await KafkaLog.open(load(KafkaSettings, {"bootstrap": broker}), "test")
    clock = BrokerClock()
    runtime = Runtime(
        service="test",
        instance=uuid.uuid4().hex,
        names=names,
        log=log,
        clock=clock,
        codec=Codec("test", uuid.uuid4().hex),
        telemetry=setup("test", "i", {}),
        health=Health(),
        stop=asyncio.Event(),
        observe=clock.observe,
        commit_interval_ms=100,
    )
    entities = ("tasks", "panel-events", "decisions", "control", "heartbeats", "dead-letters")
    await catalogue.ensure(log, names, catalogue.wanted(names, entities, ["anna"], -1), create=True)
    await send_once(runtime, service_beats(runtime))
    made = System(runtime)
    yield made
    for service in tuple(made.running):
        await made.stop(service)
    await log.close()


def tasks(*ids: str, timeout_ms: int = 60_000) -> list[Task]:
    return [Task(id=name, timeout_ms=timeout_ms) for name in ids]


async def test_tasks_walk_to_decisions_with_their_trace(system: System) -> None:
    for service in ("router", "agent", "aggregator"):
        system.start(service)
    names = [f"t{n}" for n in range(200)]
    await system.publish(*tasks(*names))
    decisions = await system.decisions(200)
    assert set(decisions) == set(names)
    assert {x.status for x in decisions.values()} == {d.DECISION_STATUS_DECIDED}
    for record in await system.read("decisions", lambda found: len(found) >= 200):
        headers = dict(record.headers)
        assert headers["traceparent"] == TRACEPARENT
        assert headers["ce_type"] == b"comitia.v1.Decision"
        assert record.partition == partition_of(record.key or b"", PARTITIONS)


async def test_bytes_that_are_no_task_end_in_a_decision_and_the_dead_letters(
    system: System,
) -> None:
    for service in ("router", "agent", "aggregator"):
        system.start(service)
    await system.publish(b"\xff\xff", *tasks("good"))
    decisions = await system.decisions(2)
    assert decisions["unreadable"].status == d.DECISION_STATUS_REJECTED
    assert decisions["good"].status == d.DECISION_STATUS_DECIDED
    (record,) = await system.read("dead-letters", lambda found: len(found) >= 1)
    assert dict(record.headers)["__streams.errors.topic"].endswith(b"comitia.tasks.v1")


async def test_a_deadline_fires_without_any_further_record(system: System) -> None:
    for service in ("router", "aggregator"):
        system.start(service)
    await system.publish(*tasks("slow", timeout_ms=300))
    decisions = await system.decisions(1)
    assert decisions["slow"].status == d.DECISION_STATUS_EXPIRED


async def test_killed_loops_start_again_and_every_task_is_decided_once(system: System) -> None:
    for service in ("router", "agent", "aggregator"):
        system.start(service)
    await system.publish(*tasks(*(f"a{n}" for n in range(100))))
    await system.decisions(20)
    for service in ("router", "agent", "aggregator"):
        await system.kill(service)
    await system.publish(*tasks(*(f"b{n}" for n in range(100))))
    for service in ("router", "agent", "aggregator"):
        system.start(service)
    decisions = await system.decisions(200)
    assert len(decisions) == 200
    assert {x.status for x in decisions.values()} == {d.DECISION_STATUS_DECIDED}
