"""Decisions as they come and decisions of the past: the feed that `ask`, `publish --wait` and
`tail` read, and the look-up that `explain` makes.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from comitia.errors import Poison
from comitia.ports import Record, TopicPartition
from comitia.runtime.partitioner import partition_of
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia_cli.client.records import Feed, decode, offsets_since, partitions_of, scan
from comitia_cli.shell import Session

# A decision follows its deadline by the time it takes to read the log to an end; a restart of the
# aggregator takes longer.
SLACK_MS = 15_000


@dataclass(frozen=True)
class Found:
    """A decision and where it stands."""

    decision: Decision
    record: Record


async def open_feed(
    session: Session,
    start: Mapping[TopicPartition, int] | None = None,
    *,
    from_beginning: bool = False,
) -> Feed:
    """Decisions from `start`, else from the beginning or from now on."""
    partitions = partitions_of([await session.topic("decisions")])
    if from_beginning:
        start = await offsets_since(session.log, partitions, 0)
    return await Feed.open(session.log, partitions, start)


async def follow(feed: Feed) -> AsyncIterator[Found]:
    """Decisions without end."""
    while True:
        for record in await feed.next():
            yield Found(decode(Decision, record), record)


async def wait_for(feed: Feed, task_id: str, timeout_ms: int) -> Found | None:
    """The first decision of a task; None when none came in time."""

    async def first() -> Found | None:
        async for found in follow(feed):
            if found.decision.task_id == task_id:
                return found
        return None

    try:
        return await asyncio.wait_for(first(), timeout_ms / 1000)
    except TimeoutError:
        return None


async def _partition(session: Session, entity: str, root_id: str) -> TopicPartition:
    topic = await session.topic(entity)
    return TopicPartition(topic.name, partition_of(root_id, topic.partitions))


@dataclass(frozen=True)
class Family:
    """`own`: all decisions of a task, by revision. `children`: those of its stages, the newest of
    each, by task id.
    """

    own: list[Found]
    children: Mapping[str, Decision]


async def find(session: Session, task_id: str, root_id: str) -> list[Found]:
    """All decisions of a task, by revision."""
    return (await family(session, task_id, root_id)).own


async def family(session: Session, task_id: str, root_id: str) -> Family:
    """A task's decisions and its stages'. It reads one partition: the one that the root id (else
    the task's) names.
    """
    partition = await _partition(session, "decisions", root_id or task_id)
    found: dict[int, Found] = {}
    children: dict[str, Decision] = {}
    async for record in scan(session.log, frozenset({partition})):
        # Comparing bytes first spares decoding what cannot match.
        if task_id.encode() in (record.value or b""):
            decision = decode(Decision, record)
            if decision.task_id == task_id:
                found.setdefault(decision.revision, Found(decision, record))
            elif decision.task_id.startswith(f"{task_id}:"):
                children[decision.task_id] = decision
    return Family([found[revision] for revision in sorted(found)], children)


def root_of(task_id: str) -> str:
    """Of a stage's task, the one that it is part of, by its id; "" where that names no stage."""
    parts = task_id.rsplit(":", 2)
    return parts[0] if len(parts) == 3 and parts[2].isdigit() else ""


async def history(session: Session, task_id: str, root_id: str) -> list[PanelEvent]:
    """What the log says about a task, as far as it is kept and can be read."""
    partition = await _partition(session, "panel-events", root_id or task_id)
    events = []
    async for record in scan(session.log, frozenset({partition})):
        if task_id.encode() in (record.value or b""):
            try:
                event = decode(PanelEvent, record)
            except Poison:
                # The aggregator has kept it in the dead letters, where `comitia dlq` shows it.
                continue
            if event.task_id == task_id:
                events.append(event)
    return events
