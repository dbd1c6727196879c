"""What the benchmarks share: tasks without a model's work, a client that measures, brokers and
processes.

In come the address and the prefix of a running system, out go milliseconds and tasks per second as
a user of the system would see them: from publishing a Task to reading its Decision, by plain
aiokafka.
"""

import asyncio
import logging
import os
import random
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from comitia.broker import HOST, BrokerSettings, EmbeddedBroker
from comitia.config import DirectorySettings, KafkaSettings, load
from comitia.ports import TopicSpec
from comitia.runtime.kafka_log import KafkaLog
from comitia.runtime.partitioner import partition_of
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, Decision
from comitia.v1.task_pb2 import Task

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
NOOP = ("noop-a", "noop-b", "noop-c")

_GRACE_S = 20
_SILENCE_S = 60.0


def task_of(skill: str, *, wait_for_all: bool = False, timeout_ms: int = 120_000) -> Task:
    """One choice task with an id of its own."""
    task = Task(id=f"bench-{uuid.uuid4().hex}", skill=skill, timeout_ms=timeout_ms)
    task.input.text = "A warm, clever film with a heart."
    for option in ("positive", "negative"):
        task.format.choice.options.add(id=option)
    if wait_for_all:
        task.policy.wait_for_all = True
    return task


class Client:
    """Publishes tasks and reads decisions. `read_committed` is how decisions that were written in
    transactions have to be read.
    """

    def __init__(self, bootstrap: str, prefix: str = "", *, read_committed: bool = False) -> None:
        self.tasks, self.decisions = f"{prefix}comitia.tasks.v1", f"{prefix}comitia.decisions.v1"
        servers = bootstrap.split(",")
        self.producer = AIOKafkaProducer(
            bootstrap_servers=servers, acks="all", enable_idempotence=True
        )
        self.reader = AIOKafkaConsumer(
            self.decisions,
            bootstrap_servers=servers,
            fetch_max_wait_ms=10,
            isolation_level="read_committed" if read_committed else "read_uncommitted",
        )

    async def __aenter__(self) -> "Client":
        # New topics have no leader for a moment, of which aiokafka complains once per partition.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        await self.producer.start()
        await self.reader.start()
        await self.reader.seek_to_end()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.producer.stop()
        await self.reader.stop()

    async def ask(self, tasks: Sequence[Task]) -> dict[str, Decision]:
        """Publish all; their decisions."""
        waiting, decided = {task.id for task in tasks}, {}
        for task in tasks:
            await self.producer.send(self.tasks, task.SerializeToString(), task.id.encode())
        while waiting:
            for records in (await self.reader.getmany(timeout_ms=1_000)).values():
                for record in records:
                    decision = Decision.FromString(record.value)
                    waiting.discard(decision.task_id)
                    decided[decision.task_id] = decision
        return decided

    async def until_decided(self, skill: str, count: int = 1) -> None:
        """Until the panel of a skill is complete, and `count` tasks were decided one by one."""
        while count:
            task = task_of(skill)
            decision = (await self.ask([task]))[task.id]
            complete = decision.status == DECISION_STATUS_DECIDED
            count -= complete
            await asyncio.sleep(0 if complete else 0.5)

    async def milliseconds(self, skill: str, count: int) -> list[float]:
        """One task at a time."""
        taken = []
        for _ in range(count):
            task = task_of(skill, wait_for_all=True)
            began = time.perf_counter()
            decided = await self.ask([task])
            taken.append(1000 * (time.perf_counter() - began))
            _check(decided[task.id])
        return taken

    async def flood(self, tasks: Sequence[Task]) -> float:
        """Seconds from publishing all at once until every decision was read."""
        count = len(self.producer._metadata.partitions_for_topic(self.tasks) or (0,))
        ready = batches(
            self.producer,
            ((partition_of(t.id, count), t.id.encode(), t.SerializeToString()) for t in tasks),
        )
        waiting = {task.id.encode() for task in tasks}
        read: list[bytes] = []
        began = heard = time.perf_counter()
        for partition, builder in ready:
            await self.producer.send_batch(builder, self.tasks, partition=partition)
        while waiting:
            for records in (await self.reader.getmany(timeout_ms=1_000)).values():
                waiting.difference_update(record.key for record in records)
                read += [record.value for record in records]
                heard = time.perf_counter()
            if time.perf_counter() - heard > _SILENCE_S:
                raise RuntimeError(f"{len(waiting)} of {len(tasks)} tasks have no decision")
        taken = time.perf_counter() - began
        for value in read:
            _check(Decision.FromString(value))
        return taken

    async def at_rate(self, skill: str, per_second: int, count: int) -> list[float]:
        """Milliseconds of each of `count` tasks that are published at even intervals."""
        asked: dict[bytes, float] = {}
        taken: list[float] = []

        async def publish() -> None:
            began = time.perf_counter()
            for number in range(count):
                await asyncio.sleep(began + number / per_second - time.perf_counter())
                task = task_of(skill, wait_for_all=True)
                asked[task.id.encode()] = time.perf_counter()
                await self.producer.send(self.tasks, task.SerializeToString(), task.id.encode())

        publishing = asyncio.create_task(publish())
        while len(taken) < count:
            for records in (await self.reader.getmany(timeout_ms=1_000)).values():
                now = time.perf_counter()
                for record in records:
                    began = asked.pop(record.key, None)
                    if began is not None:
                        taken.append(1000 * (now - began))
        await publishing
        return taken


def batches(
    producer: AIOKafkaProducer, records: Iterable[tuple[int, bytes, bytes]]
) -> list[tuple[int, Any]]:
    """Records (partition, key, value) as (partition, batch), to be sent at once."""
    made: list[tuple[int, Any]] = []
    latest: dict[int, Any] = {}
    for partition, key, value in records:
        builder = latest.get(partition)
        # append() answers None when the batch is full.
        if builder is None or not builder.append(timestamp=None, key=key, value=value):
            builder = latest[partition] = producer.create_batch()
            builder.append(timestamp=None, key=key, value=value)
            made.append((partition, builder))
    return made


def _check(decision: Decision) -> None:
    """What was measured must have been a vote of the whole panel, and that of all its agents."""
    seats = len(NOOP) if decision.skill == "noop" else decision.cost.assignments
    if decision.status != DECISION_STATUS_DECIDED or len(decision.ballots) != seats:
        raise RuntimeError(f"not the decision of a full panel: {decision}")


@contextmanager
def processes(
    commands: Sequence[Sequence[str]], env: Mapping[str, str], log: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Programs beside each other, ended in the order in which they were started."""
    with log.open("ab") as output:
        running: list[subprocess.Popen[bytes]] = []
        try:
            for command in commands:
                running.append(
                    subprocess.Popen(
                        list(command),
                        env={**os.environ, **env},
                        cwd=ROOT,
                        stdout=output,
                        stderr=output,
                    )
                )
            yield running
        finally:
            for process in running:
                process.terminate()
            for process in running:
                try:
                    process.wait(_GRACE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextmanager
def broker(state: Path, nodes: int) -> Iterator[str]:
    """Apache Kafka with `nodes` nodes: its address."""
    cache = load(DirectorySettings).cache_dir
    with EmbeddedBroker(BrokerSettings(state, cache, free_ports(2 * nodes), nodes)) as running:
        yield running.bootstrap


def free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that nobody listens on."""
    while True:
        first = random.SystemRandom().randrange(20_000, 30_000)
        if all(_free(port) for port in range(first, first + count)):
            return first


def _free(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((HOST, port)) != 0


async def create_topics(bootstrap: str, topics: Sequence[TopicSpec]) -> None:
    """Create those of `topics` that do not exist."""
    log = await KafkaLog.open(load(KafkaSettings, {"bootstrap": bootstrap}), "bench")
    try:
        await log.create(topics)
    finally:
        await log.close()


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
