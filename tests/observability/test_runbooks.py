"""The runbooks of docs/operations.md that move what is kept, done as they are written: partitions
grow in a drain, and a broker's data is copied and restored. No task is lost or decided twice.
"""

import asyncio
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from prometheus_client.parser import text_string_to_metric_families

from comitia.broker import BrokerSettings, EmbeddedBroker
from comitia.ports import ReaderSpec, Record
from comitia.runtime.partitioner import partition_of
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, Decision
from comitia.v1.task_pb2 import Task
from tests.conftest import free_ports
from tests.integration.panel_support import FETCH_MS, Client, Processes

AGENTS = ("anna", "ben", "cleo")
WAVE = 60
BEFORE, AFTER = 4, 8
PATIENCE_S = 90
LOOK_EVERY_S = 0.1


def wave(name: str) -> list[Task]:
    tasks = [Task(id=f"{name}-{n}", skill="noop", timeout_ms=120_000) for n in range(WAVE)]
    for task in tasks:
        task.input.text = "yes or no?"
        for option in ("yes", "no"):
            task.format.choice.options.add(id=option)
    return tasks


class Operator:
    """Starts, stops and looks, as the runbooks say."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        services = ("router", "aggregator", "agent")
        first = free_ports(len(services))
        self._ports = {service: first + number for number, service in enumerate(services)}

    def start(self, *services: str) -> None:
        for service in services:
            module = "bench.noop_agent" if service == "agent" else f"comitia_{service}.main"
            command = [sys.executable, "-m", module, *(AGENTS if service == "agent" else ())]
            port = str(self._ports[service])
            self.processes.start(
                service, command, COMITIA_INSTANCE_ID=service, COMITIA_HTTP_PORT=port
            )

    def stop(self, *services: str) -> None:
        for service in services:
            self.processes.end(service)

    async def says(self, service: str, **wanted: float) -> None:
        """Wait until these metrics of `service`, summed, have these values."""
        async with asyncio.timeout(PATIENCE_S):
            while await asyncio.to_thread(self._metrics, service, *wanted) != wanted:
                self.processes.check()
                await asyncio.sleep(LOOK_EVERY_S)

    def _metrics(self, service: str, *names: str) -> dict[str, float]:
        try:
            url = f"http://127.0.0.1:{self._ports[service]}/metrics"
            with urlopen(url, timeout=5) as response:
                text = response.read().decode()
        except URLError:
            return {}  # It does not listen yet.
        found: Counter[str] = Counter()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] += sample.value  # type: ignore[assignment]
        return {name: found[name] for name in names if name in found}


async def publish(client: Client, tasks: list[Task]) -> None:
    for task in tasks:
        await client.publish(task)


async def decisions(client: Client, operator: Operator, tasks: list[Task]) -> list[Record]:
    """All decisions in the log, once each of these tasks has one and no more come."""
    topic = operator.processes.names.topic("decisions")
    reader = await client.log.reader(ReaderSpec(topics=(topic,)))
    records: list[Record] = []
    end = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < end:
            operator.processes.check()
            fresh = await reader.fetch(1_000, FETCH_MS)
            records += fresh
            open_ids = {task.id for task in tasks} - {_decided(record) for record in records}
            if not open_ids and not fresh:
                return records
    finally:
        await reader.close()
    raise AssertionError(f"not decided: {sorted(open_ids)}\n{operator.processes.output('router')}")


def _decided(record: Record) -> str:
    return Decision.FromString(record.value or b"").task_id


async def left(admin: AIOKafkaAdminClient, group: str) -> None:
    """Wait until the group has no members: a static one that comes back before its session is over
    is handed its former partitions, without the new ones.
    """
    async with asyncio.timeout(PATIENCE_S):
        while True:
            (answer,) = await admin.describe_consumer_groups([group])
            if {described[2] for described in answer.groups} <= {"Empty", "Dead"}:
                return
            await asyncio.sleep(LOOK_EVERY_S)


async def start_all(operator: Operator) -> None:
    """Agents before routers: a task for which nobody is there yet is decided NO_AGENT."""
    operator.start("agent", "aggregator")
    await operator.says("agent", comitia_ready=1)
    operator.start("router")


def assert_decided_once(records: list[Record], tasks: list[Task]) -> None:
    found = [Decision.FromString(record.value or b"") for record in records]
    assert Counter(one.task_id for one in found) == Counter(task.id for task in tasks)
    assert {one.status for one in found} == {DECISION_STATUS_DECIDED}


@pytest.fixture
def operator(broker: str, tmp_path: Path, cache_dir: Path) -> Iterator[Operator]:
    with Processes(tmp_path, broker, cache_dir) as processes:
        yield Operator(processes)


async def test_partitions_grow_in_a_drain_while_publishers_go_on(operator: Operator) -> None:
    first, meanwhile, last = wave("first"), wave("meanwhile"), wave("last")
    client = await Client.open(operator.processes)
    try:
        await start_all(operator)
        await publish(client, first)
        await decisions(client, operator, first[:1])
        # Tasks go on coming: what the router has not routed yet waits in the log.
        publishing = asyncio.create_task(publish(client, meanwhile))
        operator.stop("router")
        await operator.says("aggregator", comitia_tasks_open=0, comitia_consumer_lag=0)
        operator.stop("aggregator", "agent")
        admin = AIOKafkaAdminClient(bootstrap_servers=operator.processes.bootstrap)
        await admin.start()
        await left(admin, operator.processes.names.group("aggregator"))
        topics = [operator.processes.names.topic(one) for one in ("panel-events", "decisions")]
        await admin.create_partitions({topic: NewPartitions(AFTER) for topic in topics})
        await admin.close()
        operator.start("aggregator")
        await operator.says("aggregator", comitia_partitions_owned=AFTER, comitia_ready=1)
        operator.start("agent")
        await operator.says("agent", comitia_ready=1)
        operator.start("router")
        await publishing
        await publish(client, last)
        records = await decisions(client, operator, first + meanwhile + last)
    finally:
        await client.close()
    assert_decided_once(records, first + meanwhile + last)
    for record in records:
        key = record.key or b""
        assert record.partition in {partition_of(key, BEFORE), partition_of(key, AFTER)}
    of_last = {record.partition for record in records if (record.key or b"").startswith(b"last")}
    assert max(of_last) >= BEFORE, "nothing went to the new partitions"


async def test_a_copy_of_the_brokers_data_goes_on_where_it_was_taken(
    tmp_path: Path, cache_dir: Path
) -> None:
    port = free_ports(2)
    original, restored = tmp_path / "original", tmp_path / "restored"
    decided, still_open = wave("decided"), wave("open")
    with (
        EmbeddedBroker(BrokerSettings(original, cache_dir, port)) as broker,
        Processes(tmp_path, broker.bootstrap, cache_dir) as processes,
    ):
        operator = Operator(processes)
        client = await Client.open(processes)
        await start_all(operator)
        await publish(client, decided)
        await decisions(client, operator, decided)
        operator.stop("agent")
        await publish(client, still_open)
        await operator.says("aggregator", comitia_tasks_open=WAVE)
        await client.close()
        names = processes.names
    shutil.copytree(original, restored)
    shutil.rmtree(original)
    with (
        EmbeddedBroker(BrokerSettings(restored, cache_dir, port)) as broker,
        Processes(tmp_path, broker.bootstrap, cache_dir) as processes,
    ):
        processes.names = names
        processes.environment["COMITIA_PREFIX"] = names.prefix
        operator = Operator(processes)
        client = await Client.open(processes)
        try:
            await start_all(operator)
            # Published once more by somebody who does not know: remembered over the restore.
            await publish(client, decided)
            records = await decisions(client, operator, decided + still_open)
        finally:
            await client.close()
    assert_decided_once(records, decided + still_open)
