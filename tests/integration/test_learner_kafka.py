"""The learner as real processes on Apache Kafka: killed in the middle it comes to the same weights,
and of several only one writes, also when one was frozen and does not know.
"""

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from comitia.config import KafkaSettings, load
from comitia.ports import Outgoing, Reader, ReaderSpec, Writer
from comitia.runtime.kafka_log import KafkaLog
from comitia.topics import Names
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.weights_pb2 import WEIGHTS_BASIS_FEEDBACK, Weights
from tests.conftest import free_ports
from tests.unit.learner_world import agents_of, decision_on, feedback_on

PATIENCE_S = 120
TASKS = 120
PARTITIONS = 4
SHARES = {"ann@m": 0.9, "bob@m": 0.7, "cat@m": 0.6, "dan@m": 0.5, "eve@m": 0.4}


def votes(number: int) -> dict[str, str]:
    chance = random.Random(number)
    return {voter: "yes" if chance.random() < p else "no" for voter, p in SHARES.items()}


class Learners:
    """Processes of one prefix, and what stands in the topics that they read and write."""

    def __init__(self, bootstrap: str, log: KafkaLog, logs: Path) -> None:
        self.names = Names(f"t{uuid.uuid4().hex[:8]}.")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}
        self.weights: list[tuple[str, Weights]] = []
        self.offsets = [0] * PARTITIONS
        self.log = log
        self.writer: Writer
        self.reader: Reader
        self._bootstrap = bootstrap
        self._logs = logs

    async def prepare(self) -> None:
        await self.log.create(self.names.specs())
        self.writer = await self.log.writer()
        self.reader = await self.log.reader(ReaderSpec((self.names.topic("weights"),)))

    def start(self, name: str, *, static: bool = True) -> None:
        """`static`: its successor of the same name takes over at once."""
        self.ports[name] = free_ports(1)
        environment = {
            "PATH": os.environ["PATH"],
            "COMITIA_BOOTSTRAP": self._bootstrap,
            "COMITIA_PREFIX": self.names.prefix,
            "COMITIA_INSTANCE_ID": f"learner-{name}" * static,
            "COMITIA_HTTP_PORT": str(self.ports[name]),
            "COMITIA_SESSION_TIMEOUT_MS": "6000",
            "COMITIA_PUBLISH_INTERVAL_MS": "50",
            "COMITIA_SNAPSHOT_INTERVAL_MS": "200",
        }
        command = Path(sys.executable).with_name("comitia-learner")
        with (self._logs / f"learner-{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen([command], env=environment, stderr=log)

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        process.send_signal(how)
        return process.wait(timeout=30)

    async def say(self, entity: str, key: str, value: bytes, partition: int | None = None) -> None:
        record = Outgoing(self.names.topic(entity), value, key.encode(), partition=partition)
        await (await self.writer.send(record))

    async def decide(self, number: int) -> tuple[int, int]:
        """Append a decision; where it stands."""
        partition = number % PARTITIONS
        decision = decision_on(f"t{number}", votes(number)).SerializeToString()
        await self.say("decisions", f"t{number}", decision, partition)
        self.offsets[partition] += 1
        return partition, self.offsets[partition] - 1

    async def judge(self, number: int, place: tuple[int, int]) -> None:
        told = feedback_on(f"t{number}", "yes", place[1], partition=place[0])
        await self.say("feedback", f"t{number}", told.SerializeToString())

    async def teach(self, first: int, last: int) -> None:
        for number in range(first, last):
            await self.judge(number, await self.decide(number))

    async def read(self) -> None:
        for record in await self.reader.fetch(1_000, 100):
            if record.value is not None:
                key = (record.key or b"").decode()
                self.weights.append((key, Weights.FromString(record.value)))

    def newest(self) -> Weights:
        found = [weights for key, weights in self.weights if key == weights.skill]
        return found[-1] if found else Weights()

    async def until_folded(self, feedback: int, decisions: int) -> None:
        """Wait until a record holds so much."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                newest = self.newest()
                folded = sum(newest.decision_offsets.values())
                if newest.feedback_count >= feedback and folded >= decisions:
                    return
                await self.read()

    async def until_ready(self, name: str) -> None:
        """Wait until it leads or stands by."""
        url = f"http://127.0.0.1:{self.ports[name]}/readyz"
        async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.1)

    async def leading(self) -> list[str]:
        """Those that say that they hold the partition."""
        leads = []
        async with aiohttp.ClientSession() as session:
            for name in self.processes:
                url = f"http://127.0.0.1:{self.ports[name]}/metrics"
                async with session.get(url) as answer:
                    told = await answer.text()
                if re.search(r"^comitia_partitions_owned{.*} 1", told, re.MULTILINE):
                    leads.append(name)
        return leads

    def versions(self) -> list[int]:
        """In the order of the log."""
        return [weights.version for key, weights in self.weights if key != weights.skill]

    def each_version_once(self) -> bool:
        return self.versions() == list(range(1, self.newest().version + 1))

    async def letters(self) -> list[DeadLetter]:
        spec = ReaderSpec((self.names.topic("dead-letters"),))
        reader = await self.log.reader(spec)
        try:
            found: list[DeadLetter] = []
            (partition,) = reader.assignment()
            end = (await reader.end_offsets(reader.assignment()))[partition]
            while await reader.position(partition) < end:
                records = await reader.fetch(1_000, 100)
                found += (DeadLetter.FromString(record.value or b"") for record in records)
            return found
        finally:
            await reader.close()


@asynccontextmanager
async def learners(bootstrap: str, logs: Path, count: int = 1) -> AsyncIterator[list[Learners]]:
    """Systems apart from each other, on one broker."""
    log = await KafkaLog.open(load(KafkaSettings, {"bootstrap": bootstrap}), "test")
    made = [Learners(bootstrap, log, logs) for _ in range(count)]
    try:
        for system in made:
            await system.prepare()
        yield made
    finally:
        for system in made:
            for name in tuple(system.processes):
                system.kill(name)
            await system.reader.close()
            await system.writer.close()
        await log.close()


async def test_killed_in_the_middle_it_serves_the_weights_of_one_that_ran_through(
    broker: str, tmp_path: Path
) -> None:
    async with learners(broker, tmp_path, 2) as (through, killed):
        for system in (through, killed):
            system.start("a")
        await through.teach(0, TASKS - 1)
        for part in range(4):
            first, last = TASKS * part // 4, TASKS * (part + 1) // 4
            await killed.teach(first, min(last, TASKS - 1))
            # In the first round when it has published, then wherever it happens to be.
            if part == 0:
                await killed.until_folded(1, 1)
            killed.kill("a")
            await killed.say("feedback", "t0", b"\xff\xff")
            killed.start("a")
        for system in (through, killed):
            place = await system.decide(TASKS - 1)
            await system.until_folded(TASKS - 1, TASKS)
            await system.judge(TASKS - 1, place)
            await system.until_folded(TASKS, TASKS)
            assert system.newest().basis == WEIGHTS_BASIS_FEEDBACK
            assert system.newest().feedback_count == system.newest().decision_count == TASKS
            assert system.each_version_once()
        assert agents_of(killed.newest()) == agents_of(through.newest())
        assert killed.newest().temperature == through.newest().temperature > 0
        assert [letter.reason for letter in await killed.letters()] == ["UNREADABLE"] * 4
        assert killed.kill("a", signal.SIGTERM) == 0


async def test_of_several_one_writes_also_when_a_frozen_one_wakes_up(
    broker: str, tmp_path: Path
) -> None:
    async with learners(broker, tmp_path) as (system,):
        system.start("a", static=False)
        await system.teach(0, 30)
        await system.until_folded(30, 30)
        system.start("b", static=False)
        await system.until_ready("b")
        await system.teach(30, 40)
        await system.until_folded(40, 40)
        # Whoever leads is frozen, and thrown out of the group; the other takes over.
        (frozen,) = await system.leading()
        system.processes[frozen].send_signal(signal.SIGSTOP)
        await system.teach(40, 60)
        await system.until_folded(60, 60)
        system.processes[frozen].send_signal(signal.SIGCONT)
        await system.teach(60, 80)
        await system.until_folded(80, 80)
        system.kill("ab".replace(frozen, ""))
        await system.teach(80, 100)
        await system.until_folded(100, 100)
        assert system.newest().feedback_count == system.newest().decision_count == 100
        assert system.each_version_once()
        assert await system.letters() == []
