"""One simulation: a plan carried out in virtual time, by the real loops, on a LocalLog.

In comes a plan; out come the violations of the invariants and a trace. The same plan gives the
same trace, in any process whose string hashes are the same (PYTHONHASHSEED).
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from unittest.mock import patch

from comitia.ports import Committed, TopicPartition, TopicSpec
from comitia.runtime import owner
from comitia.runtime import service as life
from comitia.testing import LocalLog, ManualClock
from comitia.testing.virtual_time import run_virtual
from comitia.v1.agent_card_pb2 import AgentCard
from comitia_aggregator.main import DELIVERIES
from tests.sim.invariants import violations
from tests.sim.link import Link
from tests.sim.network import Weather
from tests.sim.person import Person
from tests.sim.plan import PARTITIONS, Fault, Plan, Publishing
from tests.sim.processes import (
    AGGREGATOR,
    NAMES,
    ROUTER,
    Compose,
    Process,
    Script,
    agent_compose,
    settings_of,
)
from tests.sim.seen import Commit, Seen

# After the healing everything is decided within the longest timeout and the longest pauses.
PATIENCE_MS = 60_000
LOOK_EVERY_MS = 250
TICK_MS = 60
SESSION_MS = TRANSACTION_MS = 3_000


@dataclass
class Outcome:
    """`violations` is empty where all is well. `trace`: (virtual ms, who, what). `seen`: how often
    the log says what, beside answers.
    """

    plan: Plan
    violations: list[str] = field(default_factory=list)
    trace: list[tuple[int, str, str]] = field(default_factory=list)
    ended_ms: int = 0
    seen: Counter[str] = field(default_factory=Counter)


class Simulation:
    """One plan, carried out once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.outcome = Outcome(plan)
        self.clock = ManualClock()
        self.log = LocalLog(
            self.clock, session_timeout_ms=SESSION_MS, transaction_timeout_ms=TRANSACTION_MS
        )
        self.weather = Weather(Random(f"weather {plan.seed}"), plan.slow, plan.slow_ms, plan.lost)
        self.commits: list[Commit] = []
        self.person = Person(plan.seed, plan.settles, self.log)
        self.script = Script(plan.seed, plan.slowest_ms)
        self.processes = {name: self._process(*place) for place in plan.processes()
                          for name in place[1:]}  # fmt: skip

    def run(self) -> Outcome:
        """To the end. Violations are in the outcome; errors of the simulation itself are raised."""
        # Names of processes by the seed; ticks a little rarer, for there are many seeds; and a
        # simulation's memory is not settled as a service's.
        with (
            patch.object(os, "urandom", Random(f"names {self.plan.seed}").randbytes),
            patch.object(owner, "_TICK_MS", TICK_MS),
            patch.object(life, "_settle_memory", lambda: None),
        ):
            run_virtual(self._whole(), self.clock)
        return self.outcome

    async def _whole(self) -> None:
        await self._create()
        for process in self.processes.values():
            process.start()
        happening = [self._publish(one) for one in self.plan.publishings]
        happening += [self._break(fault) for fault in self.plan.faults]
        async with asyncio.TaskGroup() as group:
            for one in happening:
                group.create_task(one)
            group.create_task(self._heal())
        looking = asyncio.create_task(self.person.run())
        seen = self._seen()
        for _ in range(PATIENCE_MS // LOOK_EVERY_MS):
            if seen.settled():
                break
            await asyncio.sleep(LOOK_EVERY_MS / 1000)
        # Long enough for what must not come any more, and for the last commits.
        await asyncio.sleep(1.5)
        looking.cancel()
        await asyncio.wait({looking})
        self.outcome.ended_ms = self._now_ms()
        seen = self._seen()
        self.outcome.violations += violations(seen)
        self.outcome.seen = seen.kinds()
        for process in self.processes.values():
            self.outcome.violations += [f"{process.name} died: {e!r}" for e in process.died_of]
            await process.crash()

    async def _create(self) -> None:
        inboxes = [NAMES.inbox_spec(agent) for agent in self.plan.agents]
        inboxes += [NAMES.inbox_spec(a, high=True) for a, lane in self.plan.agents.items() if lane]
        await self.log.create(
            [
                TopicSpec(spec.name, min(spec.partitions, PARTITIONS), config=spec.config)
                for spec in (*NAMES.specs(), *inboxes)
            ]
        )
        for agent, lane in self.plan.agents.items():
            card = AgentCard(
                name=agent, version=1, skills=["s"], no_heartbeat=True, priority_lane=lane
            )
            await self._write(NAMES.topic("agents"), card.SerializeToString(), agent.encode())

    async def _write(self, topic: str, value: bytes, key: bytes) -> None:
        self.log.partition(TopicPartition(topic, 0)).append(self.clock.now_ms(), key, value, ())

    async def _publish(self, one: Publishing) -> None:
        await asyncio.sleep(one.at_ms / 1000)
        writer = await self.log.writer()
        ack = await (await writer.send(one.record))
        key = (one.record.key or b"").decode()
        self._tell("user", "publish", one.kind, f"{key} {ack.topic}[{ack.partition}]@{ack.offset}")

    async def _break(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_ms / 1000)
        self._tell("fault", fault.kind, fault.target, f"for {fault.for_ms} ms")
        if fault.kind == "outage":
            self.weather.outage = True
            await asyncio.sleep(fault.for_ms / 1000)
            self.weather.outage = False
        elif fault.kind == "storm":
            self.weather.lost += 0.25
            await asyncio.sleep(fault.for_ms / 1000)
            self.weather.lost = max(0.0, self.weather.lost - 0.25)
        elif fault.kind == "crash all":
            those = [p for p in self.processes.values() if p.service == fault.target]
            for process in those:
                await process.crash()
            await asyncio.sleep(fault.for_ms / 1000)
            for process in those:
                self._restart(process)
        else:
            await self._harm(self.processes[fault.target], fault)

    async def _harm(self, process: Process, fault: Fault) -> None:
        link = process.link
        if fault.kind == "deafen" and link is not None:
            link.deafen()
            await asyncio.sleep(fault.for_ms / 1000)
            link.hears.set()
            return
        if fault.kind == "freeze" and link is not None:
            link.freeze()
            await asyncio.sleep(fault.for_ms / 1000)
            self._tell("fault", "thaw", process.name, "")
            link.thaw()
            return
        if fault.kind == "die in a call" and link is not None:
            died = asyncio.Event()
            link.armed = died.set
            try:
                async with asyncio.timeout((self.plan.heal_ms - fault.at_ms) / 1000):
                    await died.wait()
            except TimeoutError:
                link.armed = None
                return
        await (process.stop() if fault.kind == "restart" else process.crash())
        await asyncio.sleep(fault.for_ms / 1000)
        self._restart(process)

    def _restart(self, process: Process) -> None:
        """Unless another fault that overlaps has done so already."""
        if process.task is None or process.task.done():
            self._tell("fault", "start", process.name, "")
            process.start()

    async def _heal(self) -> None:
        await asyncio.sleep(self.plan.heal_ms / 1000)
        self._tell("fault", "heal", "", "")
        self.weather.heal()

    def _process(self, service: str, name: str) -> Process:
        kind, _, agent = service.partition(".")
        composes: dict[str, Compose] = {"router": ROUTER, "aggregator": AGGREGATOR}
        compose = composes.get(kind) or agent_compose(
            agent, self.script, priority_lane=self.plan.agents[agent]
        )
        delivery = "exactly-once" if self.plan.exactly_once else "at-least-once"
        instance_id = name if self.plan.static else ""
        settings = settings_of(kind, instance_id, delivery)

        def connect(instance: str) -> Link:
            return Link(self.log, instance, self.weather, self._tell, self._committed)

        return Process(name, kind, compose, settings, self.clock, connect)

    def _committed(self, group: str, tp: TopicPartition, position: Committed) -> None:
        """Note a commit and how far the log had come then."""
        self.commits.append(
            Commit(group, tp, position.offset, self.clock.now_ms(), self._seen().ends())
        )

    def _seen(self) -> Seen:
        delivery = DELIVERIES["exactly-once" if self.plan.exactly_once else "at-least-once"]
        return Seen(
            *(self.log, self.plan, self.commits, delivery, self.weather.prepared),
            now_ms=self.clock.now_ms(),
        )

    def _tell(self, who: str, operation: str, subject: str, what: str) -> None:
        subject = subject.replace("comitia.", "").replace(".v1", "")
        self.outcome.trace.append((self._now_ms(), who, f"{operation} {subject} {what}"))

    def _now_ms(self) -> int:
        return int(self.clock.monotonic_ms())


def simulate(plan: Plan, sabotage: Callable[[], None] | None = None) -> Outcome:
    """Carry a plan out. `sabotage` patches the runtime first; whoever passes it undoes it."""
    if sabotage is not None:
        sabotage()
    return Simulation(plan).run()
