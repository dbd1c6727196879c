"""Simulated processes: the services' own compositions and loops, on a Link instead of Apache Kafka.

Router and aggregator are composed by their own `main`; an agent is the workers loop with scripted
answers. In come starts, crashes, freezes and restarts; out comes what a process died of.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from comitia.config import AggregatorSettings, RouterSettings, ServiceSettings
from comitia.effects import Effect, Publish, Recorded
from comitia.errors import Poison, Retryable
from comitia.runtime import service as life
from comitia.runtime.clock import BrokerClock
from comitia.runtime.codec import Codec
from comitia.runtime.context import Runtime
from comitia.runtime.health import Health
from comitia.runtime.service import Service
from comitia.runtime.stopped_tasks import StoppedTasks
from comitia.runtime.tables import Tables
from comitia.runtime.workers import Workers, WorkersSpec
from comitia.telemetry.histograms import Buckets
from comitia.telemetry.setup import Telemetry
from comitia.testing import ManualClock
from comitia.topics import Names
from comitia.v1.answer_pb2 import ABSTENTION_REASON_UNDECIDED
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.control_pb2 import Control
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia_aggregator import main as aggregator
from comitia_router import main as router
from tests.sim.link import Link

Compose = Callable[[Service[Any]], Awaitable[None]]
FETCH_WAIT_MS = 400
NAMES = Names()


class Quiet(Telemetry):
    """Nobody looks at the metrics of a simulation."""

    def __init__(self) -> None:
        self.tracer = None

    def add(self, *_: object) -> None:
        return

    def record(self, *_: object) -> None:
        return

    def buckets(self, *_: object) -> Buckets:
        return Buckets(())

    def observe(self, *_: object) -> None:
        return


@dataclass(eq=False)
class Process:
    """One place in the plan: `name` stays, `link` and `runtime` are new with every life."""

    name: str
    service: str
    compose: Compose
    settings: ServiceSettings
    clock: ManualClock
    connect: Callable[[str], Link]
    lives: int = 0
    link: Link | None = None
    runtime: Runtime | None = None
    task: "asyncio.Task[None] | None" = None
    died_of: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        self.lives += 1
        instance = f"{self.name}-{self.lives}"
        self.link = self.connect(instance)
        clock = BrokerClock(self.clock.monotonic_ms)
        self.runtime = Runtime(
            service=self.service,
            instance=instance,
            names=NAMES,
            log=self.link,
            clock=clock,
            codec=Codec(self.service, instance),
            telemetry=Quiet(),
            health=Health(),
            stop=asyncio.Event(),
            observe=clock.observe,
            member_id=self.settings.instance_id or None,
            heartbeat_interval_ms=self.settings.heartbeat_interval_ms,
            commit_interval_ms=self.settings.commit_interval_ms,
            fetch_wait_ms=FETCH_WAIT_MS,
        )
        self.task = asyncio.create_task(self._live(self.runtime), name=instance)

    async def crash(self) -> None:
        """End at once, without goodbye: transactions stay open, memberships until they expire."""
        if self.link is not None and self.task is not None:
            self.link.die()
            self.task.cancel()
            await asyncio.wait({self.task})

    async def stop(self) -> None:
        """Drain, as on SIGTERM."""
        if self.runtime is not None and self.task is not None:
            self.runtime.stop.set()
            await asyncio.wait({self.task})

    @property
    def ready(self) -> bool:
        return self.runtime is not None and self.runtime.health.ready

    async def _live(self, runtime: Runtime) -> None:
        try:
            await life._live(runtime, self.settings, self.compose)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # Told as a violation by whoever looks.
            self.died_of.append(error)
            logging.getLogger("sim").exception("%s died", runtime.instance)


@dataclass(frozen=True, slots=True)
class Script:
    """How agents answer, by the assignment's id: delay, silence, abstention, failure, option.

    `silent`, `failing`: shares of 1. What is silent answers after its deadline.
    """

    seed: int
    slowest_ms: int
    silent: float = 0.05
    failing: float = 0.05

    async def answer(self, agent: str, recorded: Recorded[Assignment]) -> Sequence[Effect]:
        assignment = recorded.message
        chance = Random(f"{self.seed} {assignment.id}")
        kind, delay_ms = chance.random(), chance.randrange(self.slowest_ms)
        if kind < self.silent:
            delay_ms += assignment.task.timeout_ms
        await asyncio.sleep(delay_ms / 1000)
        if self.silent <= kind < self.silent + self.failing:
            raise chance.choice([Retryable("the model is busy"), Poison("no answer", "TOO_LONG")])
        event = PanelEvent(task_id=assignment.task.id)
        event.answer.assignment_id = assignment.id
        event.answer.agent = agent
        event.answer.deadline_ms = assignment.deadline_ms
        if chance.random() < 0.1:
            event.answer.abstention.reason = ABSTENTION_REASON_UNDECIDED
        else:
            event.answer.value.option_id = chance.choice("aaab")
            event.answer.rationale = chance.choice(["", "so it is", "so it is"])
        key = assignment.task.root_id or assignment.task.id
        return (Publish(assignment.reply_topic, key, event, assignment.reply_partition),)


def agent_compose(agent: str, script: Script, *, priority_lane: bool) -> Compose:
    """As comitia_agent.main wires it, without model and card."""

    async def compose(service: Service[ServiceSettings]) -> None:
        runtime = service.runtime
        high = [agent] if priority_lane else []
        await service.ensure_topics(("agents", "control", "panel-events"), [agent], high)
        stopped = StoppedTasks(runtime.clock)
        tables = Tables(runtime)
        tables.add("control", Control, stopped.apply, back_ms=60_000)
        service.start(tables.run(), "tables")
        await tables.ready()

        async def answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
            return await script.answer(agent, recorded)

        workers = Workers(runtime, WorkersSpec(agent, 4, answer, stopped, priority_lane))
        stopped.listen(workers.stop_task)
        service.start(workers.run(), f"inbox {agent}")

    return compose


ROUTER: Compose = router.compose
AGGREGATOR: Compose = aggregator.compose


def settings_of(service: str, instance_id: str, delivery: str) -> ServiceSettings:
    """Settings of a process; "" as instance id: dynamic membership."""
    common: dict[str, Any] = {
        "bootstrap": "simulated",
        "instance_id": instance_id,
        "grace_ms": 2_000,
        "commit_interval_ms": 300,
    }
    if service == "router":
        return RouterSettings(**common)
    if service == "aggregator":
        common |= {"delivery": delivery, "duplicate_window_ms": 600_000}
        return AggregatorSettings(**common)
    return ServiceSettings(**common)
