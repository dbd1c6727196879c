"""The systems that bench.transport compares on one broker: raw aiokafka, and Comitia under each of
its two deliveries, all with three agents that do no work, one process each.

In: a broker's address. Out: per system decisions per second, milliseconds of one task at a time,
and the processor time that each of its processes took for a decision. Every round has topics of its
own, so that none inherits another's state.
"""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from aiokafka.admin import AIOKafkaAdminClient

from bench.common import BIN, NOOP, Client, create_topics, processes, task_of
from bench.reports import Figures, quantiles
from comitia.topics import Names
from comitia.v1.task_pb2 import Task

SKILL = "noop"
WARM_ONE, WARM_MANY = 30, 2_000
ROLES = ("router", *NOOP, "aggregator")
Command = Sequence[str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One system. `delivery` is the aggregator's setting, "" for the raw pipeline."""

    letter: str
    name: str
    delivery: str = ""

    def command(self, role: str) -> Command:
        """What runs one of ROLES."""
        if not self.delivery:
            return (sys.executable, "-m", "bench.transport_raw", role)
        if role in NOOP:
            return (sys.executable, "-m", "bench.noop_agent", role)
        return (str(BIN / f"comitia-{role}"),)


RAW = Kind("a", "raw aiokafka")
EXACTLY_ONCE = Kind("b", "exactly-once", "exactly-once")
AT_LEAST_ONCE = Kind("c", "at-least-once", "at-least-once")
KINDS = {kind.letter: kind for kind in (RAW, EXACTLY_ONCE, AT_LEAST_ONCE)}


@dataclass(frozen=True, slots=True)
class Running:
    """A system at work: a client of it, and its processes by role."""

    client: Client
    roles: dict[str, psutil.Process]

    def processor_s(self) -> Figures:
        """Processor time of each process so far, seconds."""
        times = {role: process.cpu_times() for role, process in self.roles.items()}
        return {role: time.user + time.system for role, time in times.items()}


@asynccontextmanager
async def running(
    kind: Kind,
    bootstrap: str,
    log: Path,
    commands: Mapping[str, Command] | None = None,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:
    """`kind` on topics of its own, warmed up; `commands` replace those of some roles, `more` is
    added to every process's environment.
    """
    names = Names(f"{kind.letter}-{uuid.uuid4().hex[:8]}.")
    specs = [*names.specs(), *(names.inbox_spec(agent) for agent in NOOP)]
    await create_topics(bootstrap, specs)
    env = {
        "COMITIA_BOOTSTRAP": bootstrap,
        "COMITIA_PREFIX": names.prefix,
        "COMITIA_DELIVERY": kind.delivery,
        # A run may hold tens of thousands of tasks open for a moment.
        "COMITIA_OPEN_TASKS_MAX": "1000000",
    }
    env |= more or {}
    if not kind.delivery:
        del env["COMITIA_DELIVERY"]
    chosen = {role: (commands or {}).get(role) or kind.command(role) for role in ROLES}
    with processes(list(chosen.values()), env, log) as started:
        by_role = {
            role: psutil.Process(process.pid) for role, process in zip(chosen, started, strict=True)
        }
        committed = kind is EXACTLY_ONCE
        async with Client(bootstrap, names.prefix, read_committed=committed) as client:
            await asyncio.wait_for(client.until_decided(SKILL, WARM_ONE), 60)
            yield Running(client, by_role)
    await _delete_topics(bootstrap, [spec.name for spec in specs])


async def throughput(
    kind: Kind, bootstrap: str, log: Path, tasks: int, more: Mapping[str, str] | None = None
) -> Figures:
    """One round of one system: singles first, then `tasks` tasks at once. `more`: environment."""
    async with running(kind, bootstrap, log, more=more) as system:
        await system.client.flood(tasks_of(WARM_MANY))
        taken = await system.client.milliseconds(SKILL, 200)
        before = system.processor_s()
        seconds = await system.client.flood(tasks_of(tasks))
        after = system.processor_s()
    figures = quantiles("one task", taken) | {"decisions/s": tasks / seconds}
    for role in ROLES:
        figures[f"{role} processor us/decision"] = 1e6 * (after[role] - before[role]) / tasks
    return figures


def tasks_of(count: int) -> list[Task]:
    """Tasks for the agents without a model, decided by all three."""
    return [task_of(SKILL, wait_for_all=True) for _ in range(count)]


async def _delete_topics(bootstrap: str, names: Sequence[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()
