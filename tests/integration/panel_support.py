"""Real services as processes on the session's broker, and a user's view of it: publish tasks,
read decisions.

Every panel has a prefix of its own, so that panels of different tests do not meet.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from comitia.config import KafkaSettings, load
from comitia.ports import Log, Outgoing, Reader, ReaderSpec
from comitia.runtime.kafka_log import KafkaLog
from comitia.topics import Names
from comitia.v1.decision_pb2 import Decision
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.task_pb2 import Task

ROOT = Path(__file__).parents[2]
FETCH_MS = 500
# Until a loaded machine has started everything.
ATTEMPTS_MAX = 240


class Processes:
    """Processes of one test, ended with it; each writes to a file of its own, shown when it
    fails.
    """

    def __init__(self, folder: Path, bootstrap: str, cache_dir: Path) -> None:
        self.names = Names(f"t{uuid.uuid4().hex[:8]}.")
        self.bootstrap = bootstrap
        self._folder = folder
        self.environment = {
            **os.environ,
            "COMITIA_BOOTSTRAP": bootstrap,
            "COMITIA_PREFIX": self.names.prefix,
            "COMITIA_CACHE_DIR": str(cache_dir),
            "COMITIA_MODELS_DIR": str(ROOT / "models"),
            "COMITIA_HEARTBEAT_INTERVAL_MS": "500",
            "COMITIA_LOG_FORMAT": "text",
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._files = ExitStack()

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for process in self._running.values():
            process.terminate()
        for name, process in self._running.items():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if kind is not None:
                print(f"--- {name}\n{self.output(name)}")
        self._files.close()

    def start(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        """Run `command` with the panel's settings."""
        log: IO[bytes] = self._files.enter_context((self._folder / f"{name}.log").open("wb"))
        self._running[name] = subprocess.Popen(
            command, env={**self.environment, **environment}, stdout=log, stderr=log, cwd=ROOT
        )
        return self._running[name]

    def service(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        """Run router, aggregator or agent."""
        return self.start(name, [sys.executable, "-m", f"comitia_{name}.main"], **environment)

    def end(self, name: str) -> None:
        """Ask a process to end, and wait."""
        process = self._running.pop(name)
        process.terminate()
        process.wait(30)

    def output(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def check(self) -> None:
        """Fail early when one of them has ended."""
        ended = [name for name, process in self._running.items() if process.poll() is not None]
        assert not ended, f"{ended[0]} has ended:\n{self.output(ended[0])}"


class Client:
    """What a user does: publish a task, wait for its decision."""

    def __init__(self, log: Log, processes: Processes) -> None:
        self.log = log
        self._processes = processes
        self._names = processes.names
        self._reader: Reader | None = None

    @classmethod
    async def open(cls, processes: Processes) -> Self:
        log = await KafkaLog.open(load(KafkaSettings, {"bootstrap": processes.bootstrap}), "test")
        await log.create(processes.names.specs())
        return cls(log, processes)

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.close()
        await self.log.close()

    async def publish(self, task: Task) -> None:
        writer = await self.log.writer()
        try:
            topic = self._names.topic("tasks")
            await (await writer.send(Outgoing(topic, task.SerializeToString(), task.id.encode())))
        finally:
            await writer.close()

    async def decide(self, task: Task) -> Decision:
        """Publish and wait."""
        if self._reader is None:
            spec = ReaderSpec(topics=(self._names.topic("decisions"),))
            self._reader = await self.log.reader(spec)
        await self.publish(task)
        for _ in range(ATTEMPTS_MAX):
            self._processes.check()
            for record in await self._reader.fetch(500, FETCH_MS):
                decision = Decision.FromString(record.value or b"")
                if decision.task_id == task.id:
                    return decision
        raise AssertionError(f"task {task.id} was not decided")

    async def alive(self, *agents: str) -> None:
        """Wait until each of `agents` has sent a heartbeat: it is loaded and takes work."""
        reader = await self.log.reader(ReaderSpec(topics=(self._names.topic("heartbeats"),)))
        missing = set(agents)
        try:
            for _ in range(ATTEMPTS_MAX):
                self._processes.check()
                for record in await reader.fetch(500, FETCH_MS):
                    missing.discard(Heartbeat.FromString(record.value or b"").agent)
                if not missing:
                    return
        finally:
            await reader.close()
        raise AssertionError(f"{sorted(missing)} sent no heartbeat")

    async def decided_by(self, make: Callable[[str], Task], *agents: str) -> Decision:
        """Ask (by `make(task id)`) until the router has met all of `agents`; their decision."""
        voted: set[str] = set()
        for attempt in range(ATTEMPTS_MAX):
            decision = await self.decide(make(f"t-{attempt}"))
            voted = {ballot.agent for ballot in decision.ballots}
            if voted >= set(agents):
                return decision
        raise AssertionError(f"only {sorted(voted)} voted")
