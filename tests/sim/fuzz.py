"""Mutated messages in volume: `python -m tests.sim.fuzz --messages 1000000 [--from N] [--jobs 2]`.

In comes a number of messages; every one is made from its own number, decoded and handled as in the
services and the command line (see fuzz_targets). Out come counts and what was unhandled, with the
batch that shows it again. Exit code 1 when there is anything.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

import yaml
from google.protobuf.message import DecodeError, Message

from comitia.ports import Record
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.command_pb2 import Command
from comitia.v1.control_pb2 import Control
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import Decision
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_agent.card import AgentProfile, read_card
from tests.sim.corpus import corpus
from tests.sim.events import APPENDED_MS
from tests.sim.fuzz_targets import AgentTarget, AggregatorTarget, CommandLineTarget, RouterTarget
from tests.sim.mutate import mutated
from tests.sim.processes import NAMES

# Messages that meet the same state: events before and after, cards, stops.
BATCH = 500
SHOWN_MAX = 10
CARD = {
    "name": "a0", "version": 1, "description": "For fuzzing.", "model": "scripted",
    "skills": {
        "sentiment": {
            "choice": {"item": "R: {input}", "words": {"a": "good", "b": "bad"}},
            "text": {"item": "Q: {input}\nA:", "tokens_max": 4, "stop": ["\n"]},
            "number": {"item": "Q: {input}\nA:", "tokens_max": 4, "stop": ["\n"]},
            "json": {"item": "Q: {input}\nA:", "tokens_max": 4},
            "utilities": {"colour": {"red": 1, "blue": 0.5}},
        }
    },
}  # fmt: skip
Take = Callable[[Record], Awaitable[None]]


@dataclass(frozen=True)
class Target:
    """Who takes a kind of message from a topic; `weight`: how often."""

    name: str
    kind: type[Message]
    topic: str
    take: Take
    weight: int


@dataclass
class Report:
    """`unhandled`: (batch, target, what). `counts`: messages by target, and how many of them were
    still messages of their kind.
    """

    unhandled: list[tuple[int, str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@cache
def profile() -> AgentProfile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a0.yaml"
        path.write_text(yaml.safe_dump(CARD), encoding="utf-8")
        return read_card(path)


def targets() -> list[Target]:
    """All of them, with fresh state."""
    router, aggregator = RouterTarget(), AggregatorTarget()
    agent, command_line = AgentTarget(profile()), CommandLineTarget()
    topic = NAMES.topic
    return [
        Target("router: task", Task, topic("tasks"), router.take, 18),
        Target("router: command", Command, topic("commands"), router.take, 6),
        Target("router: card", AgentCard, topic("agents"), router.take, 5),
        Target("router: heartbeat", Heartbeat, topic("heartbeats"), router.beat, 3),
        Target("aggregator: event", PanelEvent, topic("panel-events"), aggregator.take, 36),
        Target("aggregator: decision", Decision, topic("decisions"), aggregator.recall, 4),
        Target("agent: assignment", Assignment, NAMES.inbox("a0"), agent.take, 15),
        Target("agent: control", Control, topic("control"), agent.stop, 3),
        Target("cli: decision", Decision, topic("decisions"), command_line.decision, 3),
        Target("cli: event", PanelEvent, topic("panel-events"), command_line.event, 3),
        Target("cli: letter", DeadLetter, topic("dead-letters"), command_line.letter, 4),
    ]


def record_of(target: Target, data: bytes, offset: int, chance: Random) -> Record:
    """`data` where its target reads it; key, headers and time are odd at times, too."""
    keys = (b"t1", b"t1", b"t2", b"", None, b"\xff\xfe", b"k" * 300, b"a1@1@digest", b"@@")
    headers: list[tuple[str, bytes]] = []
    if chance.random() < 0.3:
        names = ("traceparent", "tracestate", "comitia_resolves", "comitia_original_bytes", "x")
        values = (b"", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", b"7", b"9" * 5_000, b"\xff")
        headers = [(chance.choice(names), chance.choice(values)) for _ in range(3)]
    at_ms = APPENDED_MS + chance.choice((0, 1, 500, 999, 1_001, 20_000))
    value = None if chance.random() < 0.01 else data
    key = chance.choice(keys)
    return Record(target.topic, 0, offset, at_ms, key, value, tuple(headers))


def run_batch(number: int, messages: int = BATCH) -> Report:
    """The messages of one batch, made of its number alone."""
    logging.disable(logging.CRITICAL)
    report = Report()
    asyncio.run(_batch(number, messages, report))
    return report


async def _batch(number: int, messages: int, report: Report) -> None:
    chance = Random(f"fuzz {number}")
    bytes_of = corpus()
    some = targets()
    weights = [target.weight for target in some]
    for offset in range(messages):
        (target,) = chance.choices(some, weights)
        data = mutated(bytes_of[target.kind], target.kind, chance)
        record = record_of(target, data, offset, chance)
        report.counts[target.name] += 1
        report.counts["parsed"] += _is_message(target.kind, data)
        try:
            await target.take(record)
        except Exception as error:  # noqa: BLE001 - every one is a finding
            where = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
            report.unhandled.append((number, target.name, what))
            some = targets()


def _is_message(kind: type[Message], data: bytes) -> bool:
    try:
        kind.FromString(data)
    except DecodeError:
        return False
    return True


def run_all(first: int, messages: int, jobs: int) -> Report:
    whole = Report()
    numbers = range(first, first + -(-messages // BATCH))
    sizes = [min(BATCH, messages - BATCH * index) for index in range(len(numbers))]
    with ProcessPoolExecutor(jobs) as pool:
        for done, report in enumerate(pool.map(run_batch, numbers, sizes, chunksize=4), 1):
            whole.unhandled += report.unhandled
            whole.counts += report.counts
            if done % 100 == 0:
                print(f"{done * BATCH} messages, {len(whole.unhandled)} unhandled", file=sys.stderr)
    return whole


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of a batch")
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    report = run_all(chosen.first, chosen.messages, chosen.jobs)
    seen: Counter[str] = Counter()
    for number, target, what in report.unhandled:
        seen[what] += 1
        if seen[what] == 1 and len(seen) <= SHOWN_MAX:
            print(f"{target}: {what[:500]}")
            print(f"    python -m tests.sim.fuzz --from {number} --messages {BATCH}")
    parsed = report.counts.pop("parsed")
    total = sum(report.counts.values())
    counts = ", ".join(f"{name} {count}" for name, count in sorted(report.counts.items()))
    print(f"{len(report.unhandled)} of {total} unhandled ({parsed} could be parsed; {counts})")
    return 1 if report.unhandled else 0


if __name__ == "__main__":
    sys.exit(main())
