"""Old tasks looked up among the decisions of Apache Kafka: after a take-over that meets the events
of forgotten tasks again, and when one of them is delivered once more.
"""

import asyncio
import uuid
from collections import Counter
from dataclasses import replace

from comitia.config import KafkaSettings, load
from comitia.ports import Outgoing, Record, TopicPartition
from comitia.runtime import catalogue
from comitia.runtime.clock import BrokerClock
from comitia.runtime.codec import Codec
from comitia.runtime.context import Runtime
from comitia.runtime.health import Health
from comitia.runtime.heartbeat import send_once, service_beats
from comitia.runtime.kafka_log import KafkaLog
from comitia.runtime.owner import OwnerSpec, run_owner
from comitia.telemetry.setup import setup
from comitia.topics import Names
from comitia.v1.decision_pb2 import DECISION_STATUS_REJECTED, Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia_aggregator.main import TaskFold
from comitia_aggregator.state import Rules
from comitia_cli.client.records import scan
from tests.sim.events import make_panel, make_task, opened

HOUR_MS = 3_600_000
REMEMBERED = 3
LOOK_EVERY_S = 0.05


async def opened_log(bootstrap: str) -> Runtime:
    log = await KafkaLog.open(load(KafkaSettings, {"bootstrap": bootstrap}), "test")
    clock = BrokerClock()
    runtime = Runtime(
        service="aggregator",
        instance=uuid.uuid4().hex,
        names=Names(f"t{uuid.uuid4().hex[:8]}."),
        log=log,
        clock=clock,
        codec=Codec("aggregator", uuid.uuid4().hex),
        telemetry=setup("aggregator", "i", {}),
        health=Health(),
        stop=asyncio.Event(),
        observe=clock.observe,
        commit_interval_ms=50,
    )
    entities = ("panel-events", "decisions", "control", "heartbeats", "dead-letters")
    specs = catalogue.wanted(runtime.names, entities, (), -1)
    await catalogue.ensure(log, runtime.names, specs, create=True)
    await send_once(runtime, service_beats(runtime))
    return runtime


def owning(runtime: Runtime) -> tuple[Runtime, "asyncio.Task[None]"]:
    """A process that owns all partitions and remembers very little."""
    own = replace(
        runtime, stop=asyncio.Event(), health=Health(), telemetry=setup("aggregator", "i", {})
    )
    fold = TaskFold(Rules(runtime.names.topic("decisions")))
    group = runtime.names.group("aggregator")
    spec = OwnerSpec(group, fold, True, HOUR_MS, REMEMBERED, 1_000, 2**30)
    return own, asyncio.create_task(run_owner(own, spec))


async def say(runtime: Runtime, *events: PanelEvent) -> None:
    writer = await runtime.log.writer()
    for event in events:
        value, key = event.SerializeToString(), event.task_id.encode()
        topic = runtime.names.topic("panel-events")
        await (await writer.send(Outgoing(topic, value, key, partition=0)))
    await writer.close()


def refused(task_id: str, appended_ms: int) -> PanelEvent:
    event = PanelEvent(task_id=task_id)
    event.task_refused.status = DECISION_STATUS_REJECTED
    event.task_refused.task_appended_ms = appended_ms
    return event


async def decisions(runtime: Runtime, of: str, within_s: float = 60) -> Counter[str]:
    """Decisions by task, as committed readers see them, once the task `of` has one."""
    tp = TopicPartition(runtime.names.topic("decisions"), 0)
    async with asyncio.timeout(within_s):
        while True:
            records: list[Record] = [one async for one in scan(runtime.log, frozenset({tp}))]
            found = Counter(Decision.FromString(one.value or b"").task_id for one in records)
            if of in found:
                return found
            await asyncio.sleep(LOOK_EVERY_S)


async def until_told(runtime: Runtime, line: str) -> None:
    """Wait until the metrics hold `line`."""
    async with asyncio.timeout(60):
        while True:
            if line in runtime.telemetry.exposition().decode().splitlines():
                return
            await asyncio.sleep(LOOK_EVERY_S)


async def test_forgotten_tasks_are_decided_once_over_take_overs_and_redeliveries(
    broker: str,
) -> None:
    runtime = await opened_log(broker)
    appended_ms = runtime.clock.now_ms()
    names = [f"t{number}" for number in range(20)]
    own, owner = owning(runtime)
    # "hold" is open to the end: whoever takes over meets all of the others again.
    panel = make_panel(make_task("hold"))
    panel.task_appended_ms, panel.deadline_ms = appended_ms, appended_ms + HOUR_MS
    await say(runtime, opened(panel), *(refused(name, appended_ms) for name in names))
    await decisions(runtime, of=names[-1])
    await until_told(own, f"comitia_tasks_remembered {REMEMBERED:.1f}")
    # A commit has told the next owner by now; without one it would remember more, not less.
    own.stop.set()
    await owner
    own, owner = owning(runtime)
    forgotten = len(names) - REMEMBERED
    await until_told(own, f'comitia_lookups_total{{comitia_reason="FOUND"}} {forgotten:.1f}')
    await until_told(own, 'comitia_lookups_total{comitia_reason="NOT_FOUND"} 1.0')
    await say(runtime, refused(names[0], appended_ms), refused("last", runtime.clock.now_ms()))
    found = await decisions(runtime, of="last")
    assert found == Counter([*names, "last"])
    own.stop.set()
    await owner
    await runtime.log.close()
