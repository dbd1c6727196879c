"""Memory of the aggregator with many open tasks, and how long it takes to be live again after
kill -9.

`python -m bench.open_tasks [--tasks 100000] [--json FILE]` starts Apache Kafka and one real
aggregator, opens panels of three straight in `panel-events` with deadlines an hour away, notes the
resident memory at every tenth of them, lets one and then two agents of each answer, kills the
process, and starts it again.
"""

import argparse
import asyncio
import re
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
from aiokafka import AIOKafkaProducer

from bench.common import (
    BIN,
    NOOP,
    batches,
    broker,
    create_topics,
    free_ports,
    processes,
    tail,
    task_of,
)
from bench.reports import Figures, Goal, goal, report, show
from bench.transport_raw import PARTITIONS, opened
from comitia.runtime.partitioner import partition_of
from comitia.topics import HOUR_MS, Names
from comitia.v1.panel_event_pb2 import PanelEvent

NAMES = Names()
STEPS = 10
# The fold may hold more for a moment than it keeps: memory is read once it has settled.
SETTLE_S = 1.5
TIMEOUT_S = 240
BYTES_MAX = 2_048
PACKAGES = ("aiokafka", "protobuf", "comitia")


class Aggregator:
    """One running aggregator, asked over HTTP."""

    def __init__(self, pid: int, port: int) -> None:
        self._process = psutil.Process(pid)
        self._base = f"http://127.0.0.1:{port}"

    async def ready(self) -> None:
        """Until all partitions are folded."""
        await self._until(lambda: self._get("readyz") is not None)

    async def consumed(self, count: int) -> None:
        """Until that many panel events were read, and memory has settled."""
        name = "messaging_client_consumed_messages_total"
        await self._until(lambda: self.metric(name) >= count)
        await asyncio.sleep(SETTLE_S)

    def metric(self, name: str) -> float:
        """The sum of a metric's points; 0 when there is none."""
        body = self._get("metrics") or ""
        points = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", body, re.MULTILINE)
        return sum(float(point) for point in points)

    def resident(self) -> int:
        """Bytes."""
        return int(self._process.memory_info().rss)

    async def _until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + TIMEOUT_S
        while not done():
            if time.monotonic() > end:
                raise RuntimeError(f"the aggregator is not there after {TIMEOUT_S} s")
            await asyncio.sleep(0.02)

    def _get(self, path: str) -> str | None:
        """What it answers; None when it does not, or says that it is not ready."""
        try:
            with urllib.request.urlopen(f"{self._base}/{path}", timeout=10) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            return None


class Log:
    """Writes panel events into a log and counts them."""

    def __init__(self, bootstrap: str) -> None:
        self.producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
        self.written = 0

    async def write(self, events: Iterable[PanelEvent]) -> None:
        records = (
            (partition_of(e.task_id, PARTITIONS), e.task_id.encode(), e.SerializeToString())
            for e in events
        )
        acks = []
        for partition, builder in batches(self.producer, records):
            self.written += builder.record_count()
            topic = NAMES.topic("panel-events")
            acks.append(await self.producer.send_batch(builder, topic, partition=partition))
        await asyncio.gather(*acks)


def panels(count: int) -> list[PanelEvent]:
    """Panels of three over tasks without a model's work, open for an hour."""
    now_ms = int(1000 * time.time())
    tasks = (task_of("noop", wait_for_all=True, timeout_ms=HOUR_MS) for _ in range(count))
    return [opened(task, f"{task.id}@{number}", now_ms) for number, task in enumerate(tasks)]


def answers(opens: Iterable[tuple[str, str]], seat: int) -> Iterable[PanelEvent]:
    """What the agent of `seat` says in each of the (task id, panel id)."""
    for task_id, panel_id in opens:
        event = PanelEvent(task_id=task_id)
        event.answer.assignment_id = f"{panel_id}.{seat}.0.1"
        event.answer.agent = NOOP[seat]
        event.answer.value.option_id = "positive"
        yield event


async def measure(bootstrap: str, tasks: int, log_file: Path) -> Figures:
    await create_topics(bootstrap, NAMES.specs())
    port, figures, opens = free_ports(1), Figures(), []
    env = {
        "COMITIA_BOOTSTRAP": bootstrap,
        "COMITIA_OPEN_TASKS_MAX": str(2 * tasks),
        "COMITIA_OPEN_BYTES_MAX": str(1 << 40),
        "COMITIA_HTTP_PORT": str(port),
        # Static membership: who comes back need not wait for the end of its former session.
        "COMITIA_INSTANCE_ID": "bench-0",
    }
    command = [(str(BIN / "comitia-aggregator"),)]
    log = Log(bootstrap)
    async with log.producer:
        with processes(command, env, log_file) as (process,):
            aggregator = Aggregator(process.pid, port)
            await aggregator.ready()
            resident = [aggregator.resident()]
            for _ in range(STEPS):
                events = panels(tasks // STEPS)
                opens += [(event.task_id, event.panel_opened.panel_id) for event in events]
                await log.write(events)
                del events
                await aggregator.consumed(log.written)
                resident.append(aggregator.resident())
            figures |= curve(resident, tasks // STEPS)
            for seat in (0, 1):
                await log.write(answers(opens, seat))
                await aggregator.consumed(log.written)
                each = (aggregator.resident() - resident[0]) / tasks
                figures[f"bytes per task with {seat + 1} of 3 answers"] = each
            check(aggregator, tasks)
            process.kill()
            process.wait()
        with processes(command, env, log_file) as (process,):
            began = time.monotonic()
            aggregator = Aggregator(process.pid, port)
            await aggregator.ready()
            figures["kill -9 to ready again s"] = time.monotonic() - began
            figures["bytes per task after the fold"] = (aggregator.resident() - resident[0]) / tasks
            figures["events folded"] = log.written
            name = "comitia_fold_duration_seconds"
            folds = aggregator.metric(f"{name}_sum") / aggregator.metric(f"{name}_count")
            figures["fold of one of four partitions s"] = folds
            check(aggregator, tasks)
    return figures


def curve(resident: list[int], step: int) -> Figures:
    """Resident memory over the number of open tasks, and how straight it is from the first step."""
    figures: Figures = {}
    for number, size in enumerate(resident):
        figures[f"{number * step} open tasks, resident MiB"] = size / 2**20
    first, last = resident[1], resident[-1]
    count = len(resident) - 1
    figures["bytes per task"] = (last - resident[0]) / (count * step)
    slope = (last - first) / (count - 1)
    figures["bytes per task from the first step on"] = slope / step
    off = max(abs(size - first - slope * at) for at, size in enumerate(resident[1:]))
    figures["largest distance from a straight line, share"] = off / (last - first)
    return figures


def check(aggregator: Aggregator, tasks: int) -> None:
    """What was measured must hold the tasks."""
    found = aggregator.metric("comitia_tasks_open")
    if found != tasks:
        raise RuntimeError(f"{found:.0f} tasks are open, not {tasks}")


def goals(figures: Figures) -> list[Goal]:
    """What this project has set itself."""
    names = (
        "bytes per task",
        "bytes per task from the first step on",
        "bytes per task with 1 of 3 answers",
        "bytes per task with 2 of 3 answers",
    )
    straight = "largest distance from a straight line, share"
    return [
        *(goal(name, round(figures[name]), "<=", BYTES_MAX) for name in names),
        goal(straight, round(figures[straight], 3), "<=", 0.1),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000, help="open at the same time")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder), 1) as bootstrap:
        log = Path(folder) / "services.log"
        try:
            figures = asyncio.run(measure(bootstrap, chosen.tasks, log))
        except Exception:
            print(tail(log))
            raise
    show(report(figures, goals(figures), PACKAGES), chosen.json)


if __name__ == "__main__":
    main()
