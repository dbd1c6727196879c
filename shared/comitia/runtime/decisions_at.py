"""The decisions that stand at given offsets: what feedback speaks of.

In come partitions and offsets of `decisions`; out come the records that stand there. An offset at
which nothing stands (before the log's beginning, behind its end, a marker) is left out.
"""

from collections.abc import Iterable

from comitia.ports import Reader, ReaderSpec, Record, TopicPartition
from comitia.runtime.context import Runtime

_FETCH_MAX = 500
# Offsets between two that are wanted which are rather read than sought past.
_SKIPPED_MAX = 500


async def decisions_at(
    runtime: Runtime, wanted: Iterable[tuple[int, int]], partitions: int
) -> dict[tuple[int, int], Record]:
    """The record at each (partition, offset) that has one. `partitions`: how many the topic has.
    Retryable when the broker is away.
    """
    topic = runtime.names.topic("decisions")
    by_partition: dict[int, set[int]] = {}
    for partition, offset in wanted:
        if 0 <= partition < partitions:
            by_partition.setdefault(partition, set()).add(offset)
    found: dict[tuple[int, int], Record] = {}
    for partition, offsets in sorted(by_partition.items()):
        tp = TopicPartition(topic, partition)
        reader = await runtime.log.reader(ReaderSpec(partitions=(tp,)))
        try:
            for record in await _read(runtime, reader, tp, offsets):
                found[partition, record.offset] = record
        finally:
            await reader.close()
    return found


async def _read(
    runtime: Runtime, reader: Reader, tp: TopicPartition, offsets: set[int]
) -> list[Record]:
    here = frozenset({tp})
    first = (await reader.offsets_at(here, 0))[tp]
    end = (await reader.end_offsets(here))[tp]
    found: list[Record] = []
    position = -1
    for offset in sorted(one for one in offsets if first <= one < end):
        if position < 0 or offset - position > _SKIPPED_MAX:
            reader.seek(tp, offset)
            position = offset
        while position <= offset:
            records = await reader.fetch(_FETCH_MAX, runtime.fetch_wait_ms)
            found += (record for record in records if record.offset in offsets)
            position = await reader.position(tp)
    return found
