"""What the promise of one decision per task rests on in a running cluster: how its aggregators
deliver, and how far back the logs reach that a take-over reads.

In: an open session. Out: plain facts, which `comitia doctor` judges. Times are the broker's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from comitia.cards import MISSED_MAX
from comitia.ports import ReaderSpec, Record, TopicPartition
from comitia.v1.decision_pb2 import Delivery
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia_cli.client.records import decode, partitions_of, scan
from comitia_cli.shell import Session

# What an owner reads when it takes a partition over, and looks up later.
LOGS = ("panel-events", "decisions")


@dataclass(frozen=True)
class Beginning:
    """The first record that is still there of a partition whose earlier ones were removed.

    `age_ms`: how long before the newest heartbeat it was appended. Milliseconds.
    """

    tp: TopicPartition
    offset: int
    age_ms: int


@dataclass(frozen=True)
class Guarantees:
    """`deliveries`: running aggregators by the delivery that they keep; UNSPECIFIED: an older
    version, which does not say.
    """

    deliveries: Counter[Delivery]
    beginnings: Sequence[Beginning]


async def guarantees(session: Session) -> Guarantees | None:
    """None where the topics are missing, so that nothing can run."""
    names = [session.names.topic(entity) for entity in ("heartbeats", *LOGS)]
    if len(await session.log.describe(names)) < len(names):
        return None
    now_ms, deliveries = await _aggregators(session)
    return Guarantees(deliveries, await _beginnings(session, now_ms))


async def _aggregators(session: Session) -> tuple[int, Counter[Delivery]]:
    """(broker's clock at the newest heartbeat, epoch milliseconds; the living by delivery)."""
    last: dict[str, tuple[int, Heartbeat]] = {}
    now_ms = 0
    async for record in scan(session.log, partitions_of([await session.topic("heartbeats")])):
        beat = decode(Heartbeat, record)
        now_ms = max(now_ms, record.timestamp_ms)
        if beat.service == "aggregator":
            last[beat.instance] = (record.timestamp_ms, beat)
    return now_ms, Counter(
        beat.delivery
        for at_ms, beat in last.values()
        if not beat.leaving and now_ms - at_ms <= MISSED_MAX * beat.interval_ms
    )


async def _beginnings(session: Session, now_ms: int) -> list[Beginning]:
    """Of every partition of LOGS whose log does not begin at 0 and is not empty."""
    found = []
    partitions = partitions_of([await session.topic(entity) for entity in LOGS])
    for tp in sorted(partitions):
        # A reader of its own for each: so nothing but the first record is fetched for long.
        reader = await session.log.reader(ReaderSpec(partitions=(tp,)))
        try:
            here = frozenset({tp})
            start = (await reader.offsets_at(here, 0))[tp]
            end = (await reader.end_offsets(here))[tp]
            reader.seek(tp, start)
            first: Sequence[Record] = ()
            while start > 0 and not first and await reader.position(tp) < end:
                first = await reader.fetch(1, 500)
        finally:
            await reader.close()
        if first:
            age_ms = max(0, now_ms - first[0].timestamp_ms)
            found.append(Beginning(tp, first[0].offset, age_ms))
    return found
