"""The decisions that stand at given offsets: what feedback speaks of.

In come partitions and offsets of `decisions`; out come the records that stand there. An offset at
which nothing stands (before the log's beginning, behind its end, a marker) is left out. One reader
serves all look-ups of a term; whatever is not asked for is paused.
"""

from collections.abc import Iterable

from comitia.errors import Retryable
from comitia.ports import Reader, ReaderSpec, Record, TopicPartition
from comitia.runtime.context import Runtime

_FETCH_MAX = 500
# Offsets between two that are wanted which are rather read than sought past.
_SKIPPED_MAX = 500


class DecisionsAt:
    """Of one term. Close it in the end."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._reader: Reader | None = None

    async def find(self, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Record]:
        """The record at each (partition, offset) that has one. Retryable when the broker is away;
        the next call begins afresh.
        """
        by_partition: dict[int, set[int]] = {}
        for partition, offset in wanted:
            by_partition.setdefault(partition, set()).add(offset)
        topic = self._runtime.names.topic("decisions")
        try:
            reader = self._reader = self._reader or await self._open(topic)
            found: dict[tuple[int, int], Record] = {}
            for partition, offsets in sorted(by_partition.items()):
                tp = TopicPartition(topic, partition)
                if tp in reader.assignment():
                    for record in await self._read(reader, tp, offsets):
                        found[partition, record.offset] = record
            return found
        except Retryable:
            await self.close()
            raise

    async def close(self) -> None:
        """Give the reader back."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    async def _open(self, topic: str) -> Reader:
        reader = await self._runtime.log.reader(ReaderSpec((topic,)))
        reader.pause(reader.assignment())
        return reader

    async def _read(self, reader: Reader, tp: TopicPartition, offsets: set[int]) -> list[Record]:
        here = frozenset({tp})
        first = (await reader.offsets_at(here, 0))[tp]
        end = (await reader.end_offsets(here))[tp]
        found: list[Record] = []
        position = -1
        reader.resume(here)
        for offset in sorted(one for one in offsets if first <= one < end):
            if position < 0 or offset - position > _SKIPPED_MAX:
                reader.seek(tp, offset)
                position = offset
            while position <= offset:
                records = await reader.fetch(_FETCH_MAX, self._runtime.fetch_wait_ms)
                found += (record for record in records if record.offset in offsets)
                position = await reader.position(tp)
        reader.pause(here)
        return found
