"""What a mutated message is given to: the loops' own code of router, agent and aggregator, and the
readers of the command line.

In come records; out come exceptions, where something is unhandled, and nothing where all is well.
Effects are encoded and delivered to a writer that acknowledges everything. What a loop itself
catches as a bug (HANDLER_FAILED) counts as unhandled.
"""

import asyncio
import io
from collections.abc import Awaitable, Sequence
from types import SimpleNamespace
from typing import Any

from comitia.errors import ComitiaError, Poison
from comitia.ports import Ack, Outgoing, Record, TopicPartition
from comitia.runtime.codec import Codec
from comitia.runtime.context import Runtime
from comitia.runtime.dead_letters import task_refused
from comitia.runtime.delivery import Delivery
from comitia.runtime.flush import Outlet
from comitia.runtime.fold import GuardedFold, Load
from comitia.runtime.health import Health
from comitia.runtime.held import Held
from comitia.runtime.partition_state import PartitionState
from comitia.runtime.stopped_tasks import StoppedTasks
from comitia.runtime.stream import Source, StreamSpec, _Stream
from comitia.runtime.tables import Tables
from comitia.runtime.workers import Workers, WorkersSpec
from comitia.testing import LocalLog, ManualClock, ScriptedModel
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.command_pb2 import Command
from comitia.v1.control_pb2 import Control
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import Decision
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_agent.card import AgentProfile
from comitia_agent.handler import Agent
from comitia_aggregator.main import TaskFold
from comitia_aggregator.state import Rules
from comitia_cli.client import letters, replaying
from comitia_cli.client.records import decode
from comitia_cli.output import TextConsole, as_dict, as_json
from comitia_cli.show import decision as shown
from comitia_cli.show import letters as shown_letters
from comitia_router.handler import Router
from comitia_router.limits import Limits
from tests.sim.events import APPENDED_MS
from tests.sim.processes import NAMES, Quiet

ZERO = TopicPartition(NAMES.topic("panel-events"), 0)
LETTERS = NAMES.topic("dead-letters")


class Sink:
    """Implements comitia.ports.Writer: acknowledges all, and raises what a loop took for a bug."""

    def __init__(self) -> None:
        self.appended = 0

    async def send(self, record: Outgoing) -> Awaitable[Ack]:
        raise NotImplementedError("the loops append")

    async def append(self, records: Sequence[Outgoing]) -> list[Ack | ComitiaError]:
        return [self._ack(record) for record in records]

    def _ack(self, record: Outgoing) -> Ack:
        if record.topic == LETTERS:
            letter = DeadLetter.FromString(record.value or b"")
            if letter.reason == "HANDLER_FAILED":
                raise AssertionError(f"unhandled: {letter.error}")
        for key, value in record.headers:
            key.encode() + value
        self.appended += 1
        return Ack(record.topic, record.partition or 0, self.appended, APPENDED_MS)

    async def begin(self) -> None:
        return

    async def commit(self) -> None:
        return

    async def abort(self) -> None:
        return

    async def close(self) -> None:
        return


def runtime_of(service: str) -> Runtime:
    """Surroundings of loops that nobody runs."""
    clock = ManualClock(APPENDED_MS)
    return Runtime(
        service=service, instance=service, names=NAMES, log=LocalLog(clock), clock=clock,
        codec=Codec(service, service), telemetry=Quiet(), health=Health(), stop=asyncio.Event(),
        observe=lambda _: None,
    )  # fmt: skip


class RouterTarget:
    """The router's stream and tables."""

    def __init__(self) -> None:
        runtime = runtime_of("router")
        self.router = Router(NAMES, Limits(), lambda key: 0, "n")
        # An agent that is always there, so that good tasks are seated.
        self.router.agents.learn(
            AgentCard(name="a0", version=1, skills=["sentiment"], no_heartbeat=True)
        )
        self.router.agents.open_inbox("a0")
        sources = (
            Source(NAMES.topic("tasks"), Task, self.router.on_task, task_refused(NAMES, 4)),
            Source(NAMES.topic("commands"), Command, self.router.on_command),
            Source(
                *(NAMES.topic("agents"), AgentCard, self.router.on_card),
                removed=self.router.agents.remove,
            ),
        )
        self._stream = _Stream(runtime, StreamSpec("router", sources))
        self._stream._delivery = Delivery(runtime, Sink())
        self._stream._assigned(frozenset(TopicPartition(source.topic, 0) for source in sources))
        self._tables = Tables(runtime)
        self._tables.add("heartbeats", Heartbeat, self.router.agents.on_heartbeat)

    async def take(self, record: Record) -> None:
        jobs = self._stream._handle([record])
        await self._stream._slots.acquire()
        await self._stream._emit(jobs)

    async def beat(self, record: Record) -> None:
        self._tables._apply(record)


class AggregatorTarget:
    """The fold of one partition with its way out, and what is remembered of decisions."""

    def __init__(self) -> None:
        runtime = self._runtime = runtime_of("aggregator")
        fold = GuardedFold(TaskFold(Rules(NAMES.topic("decisions"), keep_ms=5_000)))
        state = PartitionState(fold, Load(200, 10**7), NAMES.topic("decisions"), 0)
        self._held = Held(ZERO, state)
        self._held.outlet = Outlet(runtime, Sink(), ZERO, transactional=True)
        self._held.folding = True
        self._held.go_live()

    async def take(self, record: Record) -> None:
        held, state = self._held, self._held.state
        held.fold(self._runtime, "aggregator", record)
        state.fire(record.timestamp_ms)
        while held.outlet is not None and (batch := state.take(1_000)):
            await held.outlet.flush(batch)
            state.done()
        position = held.position(record.timestamp_ms - 1_000, 50)
        assert position is not None and len(position.metadata.encode()) <= 4_096

    async def recall(self, record: Record) -> None:
        try:
            recorded = self._runtime.codec.decode(Decision, record)
        except Poison:
            return
        self._held.state.recall(recorded)


class AgentTarget:
    """The workers of an agent whose model says what it is asked to, and its table of stops."""

    def __init__(self, profile: AgentProfile) -> None:
        runtime = runtime_of("agent")
        model = ScriptedModel(
            scores=lambda _, options: [-float(n) for n in range(len(options))],
            texts=lambda prompt: prompt[-5:] if len(prompt) % 2 else "7",
        )
        agent = Agent(profile, model, runtime.clock, 100_000)
        stopped = StoppedTasks(runtime.clock)
        self._tables = Tables(runtime)
        self._tables.add("control", Control, stopped.apply)
        self._workers = Workers(runtime, WorkersSpec("a0", 4, agent.handle))
        self._workers._delivery = Delivery(runtime, Sink())
        self._workers._closing = True
        self._lane = self._workers._lanes[0]
        stopped.listen(self._workers.stop_task)

    async def take(self, record: Record) -> None:
        workers, inboxes = self._workers, self._lane._inboxes
        inboxes.assigned(frozenset({TopicPartition(record.topic, record.partition)}))
        for work in inboxes.take([record]):
            recorded = workers._begin(work)
            if recorded is not None:
                await workers._answer(work, recorded)
            workers._wake.set()
            await workers._deliver()

    async def stop(self, record: Record) -> None:
        self._tables._apply(record)


class CommandLineTarget:
    """What the command line reads and shows: decisions, logs of tasks, dead letters."""

    def __init__(self) -> None:
        self._console = TextConsole(file=io.StringIO(), highlight=False, width=120)
        self._session: Any = SimpleNamespace(names=NAMES)

    async def decision(self, record: Record) -> None:
        try:
            found = decode(Decision, record)
        except Poison:
            return
        as_json(found)
        self._print(shown.one_line(found), shown.whole(found), shown.small_print(found))

    async def event(self, record: Record) -> None:
        try:
            as_dict(decode(PanelEvent, record))
        except Poison:
            return

    async def letter(self, record: Record) -> None:
        letters._resolved(record)
        try:
            found = letters.Letter(decode(DeadLetter, record), record)
        except Poison:
            return
        as_dict(found.letter)
        content = letters.original(self._session, found.letter)
        self._print(shown_letters.table([found]), shown_letters.whole(found, content))
        try:
            original = replaying.original_of(NAMES, found)
            replaying.check(original, {}, APPENDED_MS)
            replaying.under_new_id(original, found.place)
        except Poison:
            return

    def _print(self, *things: Any) -> None:
        for thing in things:
            self._console.print(thing)
        self._console.file = io.StringIO()
