"""Dead letters on Apache Kafka with real services: a storm stops the router, letters are listed,
replayed once the cause is gone, and discarded; what is too large ends in a decision.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from comitia.ports import Outgoing, ReaderSpec
from comitia.v1 import decision_pb2 as d
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from tests.integration.panel_support import ATTEMPTS_MAX, FETCH_MS, Client, Processes

GARBAGE = b"\xff\xff not protobuf"


@pytest.fixture
def processes(tmp_path: Path, broker: str, cache_dir: Path) -> Iterator[Processes]:
    with Processes(tmp_path, broker, cache_dir) as made:
        yield made


def a_task(task_id: str, skill: str = "noop", size: int = 10) -> Task:
    task = Task(id=task_id, skill=skill, timeout_ms=20_000)
    task.input.text = "x" * size
    if skill == "noop":
        for option in ("yes", "no"):
            task.format.choice.options.add(id=option)
    else:
        task.format.text.SetInParent()
    return task


class User(Client):
    """A client that also writes bytes, reads letters and calls the command line."""

    async def write(
        self, entity: str, key: str, value: bytes, partition: int | None = None
    ) -> None:
        writer = await self.log.writer()
        topic = self._names.topic(entity)
        try:
            await (await writer.send(Outgoing(topic, value, key.encode(), (), partition)))
        finally:
            await writer.close()

    async def read(self, topic: str, enough: int) -> list[bytes]:
        """The values of a topic, once there are `enough`."""
        reader = await self.log.reader(ReaderSpec(topics=(topic,)))
        found: list[bytes] = []
        try:
            for _ in range(ATTEMPTS_MAX):
                found += [r.value or b"" for r in await reader.fetch(500, FETCH_MS)]
                if len(found) >= enough:
                    return found
        finally:
            await reader.close()
        raise AssertionError(f"{len(found)} records in {topic}")

    async def letters(self, enough: int) -> list[DeadLetter]:
        topic = self._names.topic("dead-letters")
        return [DeadLetter.FromString(value) for value in await self.read(topic, enough)]

    async def decisions(self, *task_ids: str) -> dict[str, Decision]:
        """The decisions of these tasks, once all are there; each is there once."""
        topic = self._names.topic("decisions")
        for enough in range(len(task_ids), ATTEMPTS_MAX):
            found = [Decision.FromString(value) for value in await self.read(topic, enough)]
            ids = [one.task_id for one in found]
            assert len(ids) == len(set(ids))
            if set(task_ids) <= set(ids):
                return {one.task_id: one for one in found}
        raise AssertionError("not all were decided")

    def dlq(self, *arguments: str) -> tuple[int, list[dict[str, object]], str]:
        """`comitia dlq ...`: exit code, lines of JSON, errors."""
        command = [sys.executable, "-m", "comitia_cli.main", "dlq", *arguments]
        environment = {**self._processes.environment, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


async def test_a_storm_stops_the_router_and_letters_are_replayed_and_discarded(
    processes: Processes,
) -> None:
    user = await User.open(processes)
    try:
        for number in range(60):
            await user.write("tasks", f"g-{number}", GARBAGE)
        router = processes.service("router", COMITIA_DEAD_LETTERS_PER_MINUTE_MAX="5")
        assert router.wait(60) == 1
        said = [line for line in processes.output("router").splitlines() if " ERROR " in line]
        assert len(said) == 1, said
        assert "COMITIA_DEAD_LETTERS_PER_MINUTE_MAX is 5" in said[0]
        assert "comitia dlq list" in said[0]
        assert len(await user.letters(1)) <= 5

        # Nothing drained away: with the limit raised every one of them is kept and decided.
        processes.service("router", COMITIA_TASK_BYTES_MAX="2000")
        processes.service("aggregator")
        processes.start("agents", [sys.executable, "-m", "bench.noop_agent", "anna", "ben"])
        ended = await user.decisions(*(f"g-{number}" for number in range(60)))
        assert {one.status for one in ended.values()} == {d.DECISION_STATUS_REJECTED}

        refused = await user.decide(a_task("large", size=5_000))
        assert refused.status == d.DECISION_STATUS_REJECTED
        code, rows, _ = user.dlq("list", "--task", "large")
        assert (code, len(rows)) == (0, 1)
        offset = str(rows[0]["offset"])
        code, _, error = user.dlq("replay", offset)
        assert (code, "task large ended REJECTED" in error) == (6, True), error
        # The cause goes away; the id was decided, so the task is asked anew.
        processes.end("router")
        processes.service("router")
        code, rows, error = user.dlq("replay", offset, "--new-id")
        assert code == 0, error
        again = str(rows[0]["taskId"])
        decided = (await user.decisions(again))[again]
        assert decided.status == d.DECISION_STATUS_DECIDED

        assert user.dlq("discard", "--reason", "UNREADABLE")[0] == 0
        assert user.dlq("list")[1] == []
        states = [row["state"] for row in user.dlq("list", "--all")[1]]
        assert states.count("REPLAYED") == 1
        assert states.count("DISCARDED") == len(states) - 1 >= 60
    finally:
        await user.close()


async def test_what_is_too_large_ends_in_a_decision_and_a_letter(processes: Processes) -> None:
    user = await User.open(processes)
    names = processes.names
    try:
        processes.service("router")
        processes.service("aggregator")
        processes.start("agents", [sys.executable, "-m", "bench.noop_agent", "anna", "ben"])
        card = AgentCard(name="writer", version=1, skills=["write"], no_heartbeat=True)
        await user.write("agents", "writer@1@x", card.SerializeToString())
        small = await user.decided_by(a_task, "anna", "ben")
        assert small.status == d.DECISION_STATUS_DECIDED

        # Compressed it passes the broker's limit; uncompressed it is larger than any topic takes.
        producer = Producer(
            {
                "bootstrap.servers": processes.bootstrap,
                "compression.type": "gzip",
                "message.max.bytes": 40_000_000,
            }
        )
        bomb = a_task("bomb", size=20_000_000)
        producer.produce(names.topic("tasks"), bomb.SerializeToString(), "bomb")
        assert producer.flush(30) == 0
        found = await user.decisions("bomb")
        assert found["bomb"].status == d.DECISION_STATUS_REJECTED
        (letter,) = await user.letters(1)
        assert (letter.reason, letter.task_id) == ("TOO_LARGE", "bomb")
        assert "cut to" in letter.error

        # An answer larger than counts, from an agent of somebody else.
        inbox = names.inbox("writer")
        await user.publish(a_task("long", "write"))
        await answer(user, inbox, "long", 300_000)
        decision = (await user.decisions("long"))["long"]
        (ballot,) = decision.ballots
        assert "bytes, at most" in ballot.abstention.detail
        assert (await user.letters(2))[1].service == "aggregator"

        # Topics made too small by hand, while everything runs.
        lower(processes.bootstrap, inbox, 70_000)
        lower(processes.bootstrap, names.topic("decisions"), 70_000)
        await user.publish(a_task("wide", "write", size=100_000))
        wide = (await user.decisions("wide"))["wide"]
        assert (wide.status, "TOO_LARGE" in wide.explanation) == (d.DECISION_STATUS_REJECTED, True)
        await user.publish(a_task("deep", "write"))
        await answer(user, inbox, "deep", 100_000)
        deep = (await user.decisions("deep"))["deep"]
        assert deep.status == d.DECISION_STATUS_FAILED
        letters = await user.letters(4)
        assert [(one.topic, one.reason) for one in letters[2:4]] == [
            (names.topic("tasks"), "TOO_LARGE"),
            (names.topic("decisions"), "TOO_LARGE"),
        ]
        assert (await user.decide(a_task("after"))).status == d.DECISION_STATUS_DECIDED
    finally:
        await user.close()


async def answer(user: User, inbox: str, task_id: str, size: int) -> None:
    """Answer the task's assignment with a text of this size."""
    works: list[Assignment] = []
    # Partitions come in no order: the last one read need not be the last one written.
    while not works:
        read = map(Assignment.FromString, await user.read(inbox, 1))
        works = [work for work in read if work.task.id == task_id]
    work = works[0]
    event = PanelEvent(task_id=work.task.id)
    event.answer.assignment_id = work.id
    event.answer.value.text = "y" * size
    value = event.SerializeToString()
    await user.write("panel-events", work.task.id, value, work.reply_partition)


def lower(bootstrap: str, topic: str, bytes_max: int) -> None:
    """Set a topic's max.message.bytes."""
    entry = ConfigEntry(
        "max.message.bytes", str(bytes_max), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for change in admin.incremental_alter_configs([resource]).values():
        change.result(30)
