"""Services of two versions of the contract side by side on Apache Kafka: every task is decided once
while old processes are replaced by new ones, whichever of the two meets it.

The old ones run today's code on frozen classes (tests/frozen/previous.py): they know neither
Policy.wait_for_all nor commands and events that cancel.
"""

import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from comitia.ports import Outgoing, ReaderSpec
from comitia.v1 import decision_pb2 as d
from comitia.v1.cancel_pb2 import Cancel
from comitia.v1.command_pb2 import Command
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from tests.integration.panel_support import ATTEMPTS_MAX, FETCH_MS, Client, Processes

NEW = [sys.executable, "-m"]
OLD = [*NEW, "tests.frozen.previous"]
AGENTS = ("anna", "ben", "cleo")
WAVE = 40


def a_task(task_id: str) -> Task:
    task = Task(id=task_id, skill="noop", timeout_ms=30_000)
    task.input.text = "yes or no?"
    for option in ("yes", "no"):
        task.format.choice.options.add(id=option)
    task.policy.wait_for_all = True
    return task


class Fleet:
    """Processes of both versions, by name, and their user."""

    def __init__(self, processes: Processes, client: Client) -> None:
        self._processes = processes
        self._client = client
        self._names = processes.names
        self.log = client.log

    def start(self, version: str, service: str, *arguments: str) -> None:
        module = "bench.noop_agent" if service == "agent" else f"comitia_{service}.main"
        command = [*(OLD if version == "old" else NEW), module, *arguments]
        self._processes.start(f"{version}-{service}", command)

    def end(self, version: str, service: str) -> None:
        self._processes.end(f"{version}-{service}")

    async def publish(self, *task_ids: str) -> None:
        for task_id in task_ids:
            await self._client.publish(a_task(task_id))

    async def command(self, key: str, command: Command) -> None:
        writer = await self.log.writer()
        topic, value = self._names.topic("commands"), command.SerializeToString()
        await (await writer.send(Outgoing(topic, value, key.encode())))
        await writer.close()

    async def read(self, entity: str, wanted: set[str]) -> list[bytes]:
        """All values of a topic, once each of `wanted` stands in one of them."""
        reader = await self.log.reader(ReaderSpec(topics=(self._names.topic(entity),)))
        values: list[bytes] = []
        try:
            for _ in range(ATTEMPTS_MAX):
                self._processes.check()
                fresh = [r.value or b"" for r in await reader.fetch(1_000, FETCH_MS)]
                values += fresh
                wanted = {one for one in wanted if not any(one.encode() in v for v in fresh)}
                if not wanted and not fresh:
                    return values
        finally:
            await reader.close()
        raise AssertionError(f"{sorted(wanted)[:5]} are not in {entity}")

    async def decided(self, *task_ids: str) -> dict[str, Decision]:
        """The decisions of these tasks; no task has two."""
        found = [Decision.FromString(value) for value in await self.read("decisions", {*task_ids})]
        assert len({one.task_id for one in found}) == len(found), "a task was decided twice"
        return {one.task_id: one for one in found if one.task_id in task_ids}

    async def ready(self) -> None:
        """Until all three agents sit on a panel."""
        await self._client.decided_by(a_task, *AGENTS)

    async def letters(self, *wanted: str) -> list[DeadLetter]:
        return [
            DeadLetter.FromString(value) for value in await self.read("dead-letters", {*wanted})
        ]


@pytest.fixture
def processes(tmp_path: Path, broker: str, cache_dir: Path) -> Iterator[Processes]:
    with Processes(tmp_path, broker, cache_dir) as made:
        yield made


@asynccontextmanager
async def a_fleet(processes: Processes) -> AsyncIterator[Fleet]:
    client = await Client.open(processes)
    try:
        yield Fleet(processes, client)
    finally:
        await client.close()


def ids() -> tuple[str, ...]:
    return tuple(f"w{uuid.uuid4().hex[:12]}" for _ in range(WAVE))


def whole(decisions: dict[str, Decision], task_ids: tuple[str, ...]) -> bool:
    """Decided by everybody: so the field that an old process does not know was obeyed."""
    return all(
        decisions[one].status == d.DECISION_STATUS_DECIDED and len(decisions[one].ballots) == 3
        for one in task_ids
    )


async def test_a_fleet_is_upgraded_process_by_process(processes: Processes) -> None:
    async with a_fleet(processes) as fleet:
        for service in ("router", "aggregator"):
            fleet.start("old", service)
            fleet.start("new", service)
        fleet.start("old", "agent", "anna", "ben")
        fleet.start("new", "agent", "cleo")
        await fleet.ready()
        mixed = ids()
        await fleet.publish(*mixed)
        # Cancels of tasks that are not there yet: half of them meets an old router, which keeps
        # them, or an old aggregator, which passes them over.
        cancelled = tuple(f"c{one}" for one in mixed[:20])
        for one in cancelled:
            await fleet.command(one, Command(cancel=Cancel(task_id=one, reason="changed my mind")))
        decisions = await fleet.decided(*mixed)
        assert {one.status for one in decisions.values()} == {d.DECISION_STATUS_DECIDED}
        await fleet.publish(*cancelled)
        ended = await fleet.decided(*cancelled)
        assert {one.status for one in ended.values()} <= {
            d.DECISION_STATUS_CANCELLED,
            d.DECISION_STATUS_DECIDED,
        }

        for service in ("router", "aggregator"):
            fleet.end("old", service)
        upgraded = ids()
        await fleet.publish(*upgraded)
        assert whole(await fleet.decided(*upgraded), upgraded)
        last = f"c{upgraded[0]}"
        await fleet.command(last, Command(cancel=Cancel(task_id=last, reason="now it works")))
        await fleet.read("panel-events", {"now it works"})
        await fleet.publish(last)
        assert (await fleet.decided(last))[last].status == d.DECISION_STATUS_CANCELLED


async def test_an_old_router_before_a_new_aggregator_loses_no_field(processes: Processes) -> None:
    async with a_fleet(processes) as fleet:
        fleet.start("old", "router")
        fleet.start("new", "aggregator")
        fleet.start("old", "agent", *AGENTS)
        await fleet.ready()
        mine = ids()
        await fleet.publish(*mine)
        await fleet.command(mine[0], Command(cancel=Cancel(task_id=mine[0], reason="too new")))
        assert whole(await fleet.decided(*mine), mine)
        (kept,) = await fleet.letters("too new")
        assert Command.FromString(kept.value).cancel.task_id == mine[0]


async def test_a_new_router_before_an_old_aggregator_harms_no_task(processes: Processes) -> None:
    async with a_fleet(processes) as fleet:
        fleet.start("new", "router")
        fleet.start("old", "aggregator")
        fleet.start("new", "agent", *AGENTS)
        await fleet.ready()
        mine = ids()
        for one in mine:
            await fleet.command(one, Command(cancel=Cancel(task_id=one, reason="too new")))
        await fleet.read("panel-events", set(mine))
        await fleet.publish(*mine)
        decisions = await fleet.decided(*mine)
        assert {one.status for one in decisions.values()} == {d.DECISION_STATUS_DECIDED}
        events = [PanelEvent.FromString(v) for v in await fleet.read("panel-events", set(mine))]
        opened = [event.panel_opened for event in events if event.HasField("panel_opened")]
        assert all(panel.task.policy.wait_for_all for panel in opened)
        assert sum(event.HasField("task_cancelled") for event in events) == WAVE
