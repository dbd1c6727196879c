"""Router and aggregator as real processes on Apache Kafka: task in, decision out, also when both
are killed in the middle.

The agents of these tests are scripted: one coroutine that reads all inboxes with plain aiokafka and
answers what the task's text says ("<agent>=<option>", separated by blanks); an agent that the text
does not name stays silent.
"""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from comitia.config import KafkaSettings, load
from comitia.runtime.kafka_log import KafkaLog
from comitia.topics import Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.cancel_pb2 import Cancel
from comitia.v1.command_pb2 import Command
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_CANCELLED,
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_EXPIRED,
    DECISION_STATUS_NO_AGENT,
    DECISION_STATUS_REJECTED,
    Decision,
)
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task

AGENTS = ("ann", "bob", "eve")
PATIENCE_S = 120
TASKS = 200
OPEN_MAX = 40


class System:
    """Topics and scripted agents under a prefix of their own, and the services as processes."""

    def __init__(self, bootstrap: str, logs: Path) -> None:
        self.names = Names(f"t{uuid.uuid4().hex[:8]}.")
        self.logs = logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.decisions: dict[str, list[Decision]] = {}
        self.changed = asyncio.Condition()
        # Agent -> the digest of the model that it says it answers with.
        self.models: dict[str, str] = {}
        self.bootstrap = bootstrap
        self.producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=2)

    def cards(self) -> list[AgentCard]:
        """Of the scripted agents; they send no heartbeat."""
        return [
            AgentCard(name=agent, version=1, skills=["sentiment"], no_heartbeat=True)
            for agent in AGENTS
        ]

    def start(self, service: str, **settings: str) -> None:
        """Start a service as a user would: its command, configured by the environment alone."""
        environment = {
            "PATH": os.environ["PATH"],
            "COMITIA_BOOTSTRAP": self.bootstrap,
            "COMITIA_PREFIX": self.names.prefix,
            # A static member: its successor takes over at once instead of after the session
            # timeout.
            "COMITIA_INSTANCE_ID": f"{service}-0",
            "COMITIA_COMMIT_INTERVAL_MS": "100",
            **settings,
        }
        command = Path(sys.executable).with_name(f"comitia-{service}")
        with (self.logs / f"{service}.log").open("ab") as log:
            self.processes[service] = subprocess.Popen([command], env=environment, stderr=log)

    def kill(self, service: str, how: signal.Signals = signal.SIGKILL) -> int:
        process = self.processes.pop(service)
        process.send_signal(how)
        return process.wait(timeout=30)

    async def prepare(self) -> None:
        """Topics, and a card for each agent."""
        log = await KafkaLog.open(load(KafkaSettings, {"bootstrap": self.bootstrap}), "test")
        inboxes = [self.names.inbox_spec(card.name) for card in self.cards()]
        await log.create([*self.names.specs(), *inboxes])
        await log.close()
        await self.producer.start()
        for card in self.cards():
            await self.say("agents", card.name, card)

    async def say(self, entity: str, key: str, message: Task | Command | AgentCard | bytes) -> None:
        value = message if isinstance(message, bytes) else message.SerializeToString()
        await self.producer.send_and_wait(self.names.topic(entity), value, key.encode())

    async def answer(self) -> None:
        """The scripted agents."""
        inboxes = [self.names.inbox(card.name) for card in self.cards()]
        async with self.reader(*inboxes) as records:
            async for record in records:
                assignment = Assignment.FromString(record.value)
                said = dict(word.split("=") for word in assignment.task.input.text.split())
                if assignment.agent in said:
                    event = PanelEvent(task_id=assignment.task.id)
                    event.answer.assignment_id = assignment.id
                    event.answer.agent = assignment.agent
                    event.answer.model.digest = self.models.get(assignment.agent, "")
                    event.answer.value.option_id = said[assignment.agent]
                    event.answer.deadline_ms = assignment.deadline_ms
                    await self.producer.send(
                        assignment.reply_topic,
                        event.SerializeToString(),
                        assignment.task.id.encode(),
                        assignment.reply_partition,
                    )

    async def collect(self) -> None:
        """Keep every decision."""
        async with self.reader(self.names.topic("decisions")) as records:
            async for record in records:
                decision = Decision.FromString(record.value)
                async with self.changed:
                    self.decisions.setdefault(decision.task_id, []).append(decision)
                    self.changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for decisions that fulfil a condition."""
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(condition)

    async def decision(self, task: Task) -> Decision:
        await self.until(lambda: task.id in self.decisions)
        return self.decisions[task.id][0]

    @asynccontextmanager
    async def reader(self, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
        """All partitions, from the beginning, without a group."""
        consumer = AIOKafkaConsumer(
            *topics, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    async def first(self, entity: str, wanted: Callable[[ConsumerRecord], bool]) -> ConsumerRecord:
        """The first record of a topic that is wanted."""
        async with asyncio.timeout(PATIENCE_S), self.reader(self.names.topic(entity)) as records:
            async for record in records:
                if wanted(record):
                    return record
        raise AssertionError("the consumer ended")


@asynccontextmanager
async def running(bootstrap: str, logs: Path, kind: type[System] = System) -> AsyncIterator[System]:
    system = kind(bootstrap, logs)
    await system.prepare()
    background = [asyncio.create_task(work()) for work in (system.answer, system.collect)]
    try:
        for service in ("router", "aggregator"):
            system.start(service)
        yield system
        for task in background:
            assert not task.done(), task.exception()
    finally:
        for service in tuple(system.processes):
            system.kill(service)
        for task in background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await system.producer.stop()


def make_task(task_id: str, text: str, timeout_ms: int = PATIENCE_S * 1_000) -> Task:
    task = Task(id=task_id, skill="sentiment", timeout_ms=timeout_ms)
    task.input.text = text
    task.policy.wait_for_all = True
    for option in ("good", "bad"):
        task.format.choice.options.add(id=option)
    return task


async def published(system: System, task: Task) -> Decision:
    await system.say("tasks", task.id, task)
    return await system.decision(task)


async def test_every_kind_of_ending(broker: str, tmp_path: Path) -> None:
    async with running(broker, tmp_path) as system:
        decided = await published(system, make_task("decided", "ann=good bob=bad eve=good"))
        assert (decided.status, decided.value.option_id) == (DECISION_STATUS_DECIDED, "good")
        assert [ballot.agent for ballot in decided.ballots] == list(AGENTS)

        expired = await published(system, make_task("expired", "ann=good", timeout_ms=1_500))
        assert expired.status == DECISION_STATUS_EXPIRED
        assert [seat.agent for seat in expired.missing] == ["bob", "eve"]

        partial = await published(
            system, make_task("partial", "ann=good eve=good", timeout_ms=1_500)
        )
        assert (partial.status, partial.value.option_id) == (DECISION_STATUS_DECIDED, "good")

        unknown = make_task("unknown-skill", "ann=good")
        unknown.skill = "alchemy"
        refused = await published(system, unknown)
        assert refused.status == DECISION_STATUS_NO_AGENT
        assert refused.explanation == "skill: no agent has 'alchemy'; there are sentiment"

        invalid = await published(system, make_task("invalid", "", timeout_ms=0))
        assert invalid.status == DECISION_STATUS_REJECTED
        assert "input.text: it is empty" in invalid.explanation
        assert "timeout_ms: 0 is not possible" in invalid.explanation

        await system.say("tasks", "not-protobuf", b"\xff\xff")
        unreadable = await system.decision(Task(id="not-protobuf"))
        assert unreadable.status == DECISION_STATUS_REJECTED
        assert unreadable.dead_letter.topic == system.names.topic("dead-letters")

        open_task = make_task("cancelled", "ann=good")
        await system.say("tasks", open_task.id, open_task)
        cancel = Command(cancel=Cancel(task_id=open_task.id, reason="enough", by="ann"))
        await system.say("commands", open_task.id, cancel)
        cancelled = await system.decision(open_task)
        assert cancelled.status == DECISION_STATUS_CANCELLED
        assert cancelled.explanation == "The task was cancelled by ann: enough."
        await system.first("control", lambda record: record.key == b"cancelled")

        await system.say("tasks", "decided", make_task("decided", "ann=bad bob=bad eve=bad"))
        letter = await system.first(
            "dead-letters", lambda record: DeadLetter.FromString(record.value).task_id == "decided"
        )
        assert DeadLetter.FromString(letter.value).reason == "DUPLICATE_ID"
        assert len(system.decisions["decided"]) == 1
        assert [system.kill(name, signal.SIGTERM) for name in ("router", "aggregator")] == [0, 0]


async def test_killed_in_the_middle_nothing_is_lost(broker: str, tmp_path: Path) -> None:
    async with running(broker, tmp_path) as system:
        publishing = asyncio.create_task(publish_all(system))
        for after in (TASKS // 4, TASKS // 2):
            await system.until(lambda after=after: len(system.decisions) >= after)  # type: ignore[misc]
            for service in ("router", "aggregator"):
                system.kill(service)
            for service in ("aggregator", "router"):
                system.start(service)
        await publishing
        await system.until(lambda: len(system.decisions) == TASKS)
        for decisions in system.decisions.values():
            for decision in decisions:
                assert decision.status == DECISION_STATUS_DECIDED
                assert decision.value.option_id == "good"
                assert len(decision.ballots) == len(AGENTS)


async def publish_all(system: System) -> None:
    """All tasks, so paced by the decisions that the last ones are published after the last kill."""
    for number in range(TASKS):
        await system.until(lambda number=number: len(system.decisions) > number - OPEN_MAX)  # type: ignore[misc]
        task = make_task(f"t{number}", "ann=good bob=bad eve=good")
        await system.say("tasks", task.id, task)


@pytest.mark.parametrize("service", ["router", "aggregator"])
def test_a_wrong_setting_ends_the_start_with_the_name_of_the_variable(service: str) -> None:
    command = Path(sys.executable).with_name(f"comitia-{service}")
    ended = subprocess.run([command], env={}, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "COMITIA_BOOTSTRAP is not set" in ended.stderr.decode()
