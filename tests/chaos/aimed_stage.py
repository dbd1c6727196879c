"""Where aimed scenarios play: real aggregators and routers as processes, and the test in the parts
of user, router and agents, so that every record comes exactly when the scenario wants it.

In come a broker's address, a folder and the name of a sabotage; out comes a log under a prefix of
its own, which the checker then judges.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psutil
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from google.protobuf.message import Message

from comitia.config import KafkaSettings, load
from comitia.ports import Ack, Outgoing, Reader, ReaderSpec, Writer
from comitia.ports import TopicPartition as Here
from comitia.runtime.kafka_log import KafkaLog
from comitia.runtime.partitioner import partition_of
from comitia.topics import TOPICS, Names
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.panel_event_pb2 import ListedAssignment, PanelEvent, PanelOpened, Seat
from comitia.v1.task_pb2 import Task

ROOT = Path(__file__).parents[2]
AGENTS = ("ann", "bob", "cid")
# Tasks belong to the partition HOME of panel-events and decisions unless a scenario says otherwise.
HOME, ELSEWHERE = 1, 2
SESSION_MS = 2_000
TIMEOUT_MS = 120_000
PATIENCE_S = 60.0
LOOK_S = 0.05
# Lines that an aggregator logs.
LIVE = f"partition {HOME} is live"
ANY_LIVE = "is live"
AGAIN = "is to be taken over again"


@dataclass(slots=True)
class Actor:
    """A service under the launcher's hand."""

    process: subprocess.Popen[bytes]
    output: Path

    def said(self, line: str) -> int:
        """How often its log has `line`."""
        return self.output.read_text(errors="replace").count(line)

    def stopped(self) -> bool:
        return bool(psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass(slots=True)
class Stage:
    """One scenario's topics, processes and records. An async context manager."""

    bootstrap: str
    folder: Path
    sabotage: str
    names: Names = field(default_factory=lambda: Names(f"aimed{uuid.uuid4().hex[:8]}."))
    manifest: list[dict[str, str]] = field(default_factory=list)
    # Status of each task's first decision.
    statuses: dict[str, DecisionStatus] = field(default_factory=dict)
    _ends: dict[int, int] = field(default_factory=dict)
    _tasks: dict[str, tuple[Task, int]] = field(default_factory=dict)
    _actors: list[Actor] = field(default_factory=list)
    _files: ExitStack = field(default_factory=ExitStack)
    _log: KafkaLog = field(init=False)
    _writer: Writer = field(init=False)
    _reader: Reader = field(init=False)

    async def __aenter__(self) -> "Stage":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log = await KafkaLog.open(load(KafkaSettings, {"bootstrap": self.bootstrap}), "aimed")
        inboxes = [self.names.inbox_spec(agent) for agent in AGENTS]
        await self._log.create([*self.names.specs(), *inboxes])
        self._writer = await self._log.writer()
        topic = self.names.topic("decisions")
        self._reader = await self._log.reader(ReaderSpec(topics=(topic,)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for actor in self._actors:
            actor.kill()
            if kind is not None:
                print(f"--- {actor.output.name}\n{actor.output.read_text(errors='replace')}")
        self._files.close()
        await self._reader.close()
        await self._writer.close()
        await self._log.close()

    # --- processes --------------------------------------------------------------------------

    def start(self, service: str, *directions: str, **environment: str) -> Actor:
        """Run a service under this scenario's sabotage; settings without their prefix COMITIA_."""
        command = ["-m", "tests.chaos.sabotage", self.sabotage, service, "--stage", *directions]
        return self.run(service, command, **environment)

    def run(self, name: str, command: list[str], **environment: str) -> Actor:
        """Run `python COMMAND` with the scenario's settings."""
        output = self.folder / f"{len(self._actors)}-{name}.log"
        log = self._files.enter_context(output.open("wb"))
        settings = {
            "BOOTSTRAP": self.bootstrap,
            "PREFIX": self.names.prefix,
            "SESSION_TIMEOUT_MS": str(SESSION_MS),
            "COMMIT_INTERVAL_MS": "100",
            **environment,
        }
        variables = {**os.environ, **{f"COMITIA_{key}": text for key, text in settings.items()}}
        process = subprocess.Popen(
            [sys.executable, *command], env=variables, stdout=log, stderr=log, cwd=ROOT
        )
        self._actors.append(Actor(process, output))
        return self._actors[-1]

    async def until(self, what: str, there: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait until `there()`. AssertionError, naming `what`, after PATIENCE_S."""
        end = time.monotonic() + PATIENCE_S
        while True:
            found = there()
            if found if isinstance(found, bool) else await found:
                return
            assert time.monotonic() < end, f"waited in vain until {what}"
            await asyncio.sleep(LOOK_S)

    async def until_live(self, actor: Actor) -> None:
        await self.until("the partition is live", lambda: actor.said(LIVE) > 0)

    async def until_stopped(self, actor: Actor) -> None:
        await self.until("it stops itself", actor.stopped)

    # --- records ----------------------------------------------------------------------------

    @staticmethod
    def named(word: str, partition: int = HOME) -> str:
        """A task id of the partition that begins with `word`."""
        ids = (f"{word}-{number}" for number in range(1_000))
        return next(one for one in ids if home_of(one) == partition)

    async def task(self, task_id: str, skill: str = "aimed") -> Task:
        """Publish a task."""
        task = Task(id=task_id, skill=skill, timeout_ms=TIMEOUT_MS)
        task.input.text = "Which?"
        for option in "ab":
            task.format.choice.options.add(id=option)
        task.policy.seats_max = len(AGENTS)
        ack = await self._put(self.names.topic("tasks"), task, task_id)
        self._tasks[task_id] = (task, ack.timestamp_ms)
        self.manifest.append({"id": task_id, "kind": "plain"})
        return task

    async def panel(self, task_id: str, label: str) -> None:
        """The router's part: assignments, then the panel that lists them."""
        task, appended_ms = self._tasks[task_id]
        opened = PanelOpened(
            panel_id=f"{task_id}@{label}",
            task=task,
            deadline_ms=appended_ms + TIMEOUT_MS,
            task_appended_ms=appended_ms,
        )
        for seat, agent in enumerate(AGENTS):
            opened.seats.append(Seat(seat=seat, agent=agent, agent_version=1, probability=1))
            name = f"{opened.panel_id}.{seat}.0.1"
            opened.assignments.append(ListedAssignment(id=name, seat=seat, round=1))
            assignment = Assignment(
                id=name,
                panel_id=opened.panel_id,
                seat=seat,
                round=1,
                task=task,
                deadline_ms=opened.deadline_ms,
                reply_topic=self.names.topic("panel-events"),
                reply_partition=home_of(task_id),
                agent=agent,
            )
            await self._put(self.names.inbox(agent), assignment, task_id)
        await self._say(task_id, PanelEvent(panel_opened=opened))

    async def answer(self, task_id: str, label: str, seats: str) -> None:
        """The agents' part; `seats`: "0a1b" is option a from seat 0 and option b from seat 1."""
        for seat, option in zip(seats[::2], seats[1::2], strict=True):
            event = PanelEvent()
            event.answer.assignment_id = f"{task_id}@{label}.{seat}.0.1"
            event.answer.agent = AGENTS[int(seat)]
            event.answer.value.option_id = option
            event.answer.deadline_ms = self._tasks[task_id][1] + TIMEOUT_MS
            await self._say(task_id, event)

    async def whole(self, word: str, partition: int = HOME) -> str:
        """A task that is asked and answered by a majority at once; its id."""
        task_id = self.named(word, partition)
        await self.task(task_id)
        await self.panel(task_id, "one")
        await self.answer(task_id, "one", "0a1a")
        return task_id

    async def decided(self, *task_ids: str, patience_s: float = PATIENCE_S) -> bool:
        """Wait until each of the tasks has a committed decision, or the patience is over."""
        end = time.monotonic() + patience_s
        while any(task_id not in self.statuses for task_id in task_ids):
            if time.monotonic() > end:
                return False
            for record in await self._reader.fetch(500, 200):
                decision = Decision.FromString(record.value or b"")
                self.statuses.setdefault(decision.task_id, decision.status)
        return True

    async def until_decided(self, *task_ids: str) -> None:
        found = await self.decided(*task_ids)
        assert found, f"of {task_ids} only {sorted(self.statuses)} are decided"

    async def until_committed(self, partition: int = HOME) -> None:
        """Wait until the aggregators' committed offset is past every event of the partition."""
        topic, group = self.names.topic("panel-events"), self.names.group("aggregator")
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition)])
        admin, end = AdminClient({"bootstrap.servers": self.bootstrap}), self._ends[partition]

        def there() -> bool:
            [answer] = admin.list_consumer_group_offsets([asked]).values()
            return bool(answer.result().topic_partitions[0].offset >= end)

        await self.until("offsets are committed", lambda: asyncio.to_thread(there))

    async def until_nothing_is_open(self) -> None:
        """Wait until no transaction is open in the decisions of the home partition."""
        here = frozenset({Here(self.names.topic("decisions"), HOME)})
        spec = ReaderSpec(partitions=tuple(here), read_committed=False)
        uncommitted = await self._log.reader(spec)

        async def there() -> bool:
            written = await uncommitted.end_offsets(here)
            return await self._reader.end_offsets(here) == written

        await self.until("the transaction has ended", there)
        await uncommitted.close()

    async def _say(self, task_id: str, event: PanelEvent) -> None:
        event.task_id = task_id
        ack = await self._put(self.names.topic("panel-events"), event, task_id)
        self._ends[ack.partition] = ack.offset + 1

    async def _put(self, topic: str, message: Message, key: str) -> Ack:
        partition = home_of(key) if topic == self.names.topic("panel-events") else None
        record = Outgoing(topic, message.SerializeToString(), key.encode(), partition=partition)
        return await (await self._writer.send(record))


def home_of(task_id: str) -> int:
    """Partition of a task's events and decision."""
    return partition_of(task_id, TOPICS["panel-events"].partitions)
