"""Agents' work on Apache Kafka: kill -9, rebalances of two processes, orders to stop, lanes."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.cancel_pb2 import Cancel
from comitia.v1.command_pb2 import Command
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_CANCELLED,
    DECISION_STATUS_DECIDED,
    Decision,
)
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.policy_pb2 import SELECTION_BROADCAST
from comitia.v1.task_pb2 import PRIORITY_HIGH, Task
from tests.integration.panel_support import Processes

PATIENCE_S = 60
FAR = 2**50


class Stage:
    """Processes on a prefix of their own, and plain clients to play the rest."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self.processes = processes
        self.names = processes.names
        self.folder = folder

    def agent(self, process: str, *agents: str, **environment: str) -> Callable[[], list[str]]:
        """Start a process that serves `agents`; what it has written down so far."""
        diary = self.folder / f"{process}.diary"
        diary.touch()
        command = [sys.executable, "-m", "tests.integration.held_agent", str(self.folder), *agents]
        self.processes.start(
            process,
            command,
            COMITIA_TEST_DIARY=str(diary),
            COMITIA_COMMIT_INTERVAL_MS="50",
            **environment,
        )
        return lambda: diary.read_text().splitlines()

    def kill(self, process: str) -> None:
        running = self.processes._running[process]
        running.kill()
        running.wait()

    def let(self, *names: str) -> None:
        for name in names:
            (self.folder / name).touch()

    async def assign(self, name: str, partition: int, *, hold: bool = False) -> None:
        made = Assignment(id=name, agent="anna", deadline_ms=FAR, reply_partition=partition)
        made.reply_topic = self.names.topic("panel-events")
        made.task.id = f"task-{name}"
        made.task.input.text = "hold anna" if hold else "go"
        await self.send(self.names.inbox("anna"), made.task.id, made, partition)

    async def send(
        self,
        topic: str,
        key: str,
        message: Assignment | Task | Command,
        partition: int | None = None,
    ) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.processes.bootstrap)
        await producer.start()
        try:
            value = message.SerializeToString()
            await producer.send_and_wait(topic, value, key.encode(), partition)
        finally:
            await producer.stop()

    async def answered(self) -> list[str]:
        """Assignments of all answers in the log, each as often as it was answered."""
        events = [PanelEvent.FromString(value) for value in await self.values("panel-events")]
        return sorted(event.answer.assignment_id for event in events if event.HasField("answer"))

    async def decision(self, task_id: str) -> Decision:
        for _ in range(PATIENCE_S * 5):
            for value in await self.values("decisions"):
                found = Decision.FromString(value)
                if found.task_id == task_id:
                    return found
            await asyncio.sleep(0.2)
        raise AssertionError(f"{task_id} is not decided")

    async def values(self, entity: str) -> list[bytes]:
        consumer = AIOKafkaConsumer(
            self.names.topic(entity),
            bootstrap_servers=self.processes.bootstrap,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            found: list[bytes] = []
            for partition, end in ends.items():
                while await consumer.position(partition) < end:
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        found += [record.value for record in records]
            return found
        finally:
            await consumer.stop()

    async def committed(self) -> dict[int, tuple[int, str]]:
        """Position and metadata of every partition of anna's inbox that has one."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.processes.bootstrap)
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(self.names.group("agent.anna"))
        finally:
            await admin.close()
        return {tp.partition: (one.offset, one.metadata) for tp, one in found.items()}


async def until(holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up, "it did not come about"
        await asyncio.sleep(0.05)


async def until_committed(stage: Stage, wanted: dict[int, tuple[int, str]]) -> None:
    for _ in range(PATIENCE_S * 5):
        found = await stage.committed()
        if found == wanted:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"committed {found}, not {wanted}")


@pytest.fixture
def stage(broker: str, cache_dir: Path, tmp_path: Path) -> Iterator[Stage]:
    with Processes(tmp_path, broker, cache_dir) as processes:
        yield Stage(processes, tmp_path)


async def test_after_kill_9_only_what_was_unfinished_is_done_again(stage: Stage) -> None:
    first = stage.agent("first", "anna", COMITIA_INSTANCE_ID="anna-0")
    for number in range(40):
        await stage.assign(f"a{number}", 0, hold=number in (3, 7))
    await until(lambda: len(first()) == 40)
    # The oldest unfinished offset, and in the metadata what was finished above it.
    await until_committed(stage, {0: (3, "finished:+1-3+5-36")})
    stage.kill("first")
    second = stage.agent("second", "anna", COMITIA_INSTANCE_ID="anna-0")
    await until(lambda: len(second()) >= 2)
    stage.let("a3", "a7")
    await until_committed(stage, {0: (40, "")})
    assert sorted(second()) == ["begun a3", "begun a7"]
    assert await stage.answered() == sorted(f"a{number}" for number in range(40))


async def four_held(stage: Stage) -> Callable[[], list[str]]:
    """A process that is at work on one assignment of each of its four partitions."""
    first = stage.agent("first", "anna", COMITIA_SESSION_TIMEOUT_MS="6000")
    await until(lambda: stage.processes.output("first").count("ready"))
    for number in range(4):
        await stage.assign(f"h{number}", number, hold=True)
        await stage.assign(f"quick{number}", number)
    await until(lambda: len(first()) == 8)
    await until_committed(stage, dict.fromkeys(range(4), (0, "finished:+1")))
    return first


async def test_work_goes_on_when_its_partition_goes_away_and_comes_back(stage: Stage) -> None:
    first = await four_held(stage)
    second = stage.agent("second", "anna", COMITIA_SESSION_TIMEOUT_MS="6000")
    await until(lambda: len(second()) >= 2)
    moved = {line.split()[1] for line in second()}
    assert len(moved) == 2 and moved < {f"h{number}" for number in range(4)}
    stage.kill("second")
    await stage.assign("late", int(min(moved)[1:]))
    await until(lambda: "begun late" in first())
    stage.let(*(f"h{number}" for number in range(4)))
    numbers = {number: (3 if number == int(min(moved)[1:]) else 2, "") for number in range(4)}
    await until_committed(stage, numbers)
    assert len(first()) == len(set(first())) == 9, "nothing was begun twice"
    answered = await stage.answered()
    assert len(answered) == len(set(answered)) == 9


async def test_work_whose_partition_went_for_good_may_answer_but_not_commit(stage: Stage) -> None:
    first = await four_held(stage)
    second = stage.agent("second", "anna", COMITIA_SESSION_TIMEOUT_MS="6000")
    await until(lambda: len(second()) >= 2)
    moved = {line.split()[1] for line in second()}
    committed = await stage.committed()
    assert {number for number, (offset, _) in committed.items() if offset == 0} == set(range(4))
    stage.let(*(f"h{number}" for number in range(4)))
    await until_committed(stage, dict.fromkeys(range(4), (2, "")))
    stage.processes.check()
    assert len(first()) == 8
    answered = await stage.answered()
    held = [name for name in answered if name.startswith("h")]
    assert set(held) == {f"h{number}" for number in range(4)}
    assert len(held) == 4 + len(moved), "both have answered what moved; the log counts the first"


def make_task(task_id: str, text: str) -> Task:
    task = Task(id=task_id, skill="hold", timeout_ms=PATIENCE_S * 1_000)
    task.input.text = text
    for option in ("good", "bad"):
        task.format.choice.options.add(id=option)
    task.policy.selection = SELECTION_BROADCAST
    return task


async def test_orders_to_stop_and_the_priority_lane_through_all_services(stage: Stage) -> None:
    for service in ("router", "aggregator"):
        stage.processes.service(service)
    diary = stage.agent("agents", "anna", "bob", "eve-fast")
    tasks, commands = stage.names.topic("tasks"), stage.names.topic("commands")
    await until(lambda: stage.processes.output("router").count("can be seated") == 3)

    await stage.send(tasks, "settled", make_task("settled", "hold eve-fast"))
    decided = await stage.decision("settled")
    assert (decided.status, decided.value.option_id) == (DECISION_STATUS_DECIDED, "good")
    assert [seat.agent for seat in decided.missing] == ["eve-fast"]
    assert "could not change the outcome" in decided.explanation
    await until(lambda: sum("cancelled settled" in line for line in diary()) == 1)

    await stage.send(tasks, "dropped", make_task("dropped", "hold anna bob eve-fast"))
    await until(lambda: sum("begun dropped" in line for line in diary()) == 3)
    cancel = Command(cancel=Cancel(task_id="dropped", reason="enough", by="ann"))
    await stage.send(commands, "dropped", cancel)
    assert (await stage.decision("dropped")).status == DECISION_STATUS_CANCELLED
    await until(lambda: sum("cancelled dropped" in line for line in diary()) == 3)

    urgent = make_task("urgent", "go")
    urgent.priority = PRIORITY_HIGH
    urgent.policy.wait_for_all = True
    await stage.send(tasks, "urgent", urgent)
    assert (await stage.decision("urgent")).status == DECISION_STATUS_DECIDED
    lanes = [line.endswith(" high") for line in sorted(diary()) if "begun urgent" in line]
    # Seats are by name; only the last one's agent has a second inbox.
    assert lanes == [False, False, True]
