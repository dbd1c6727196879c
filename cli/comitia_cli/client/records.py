"""Reading topics without a group: to their present end, or onwards as records come."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from comitia.errors import Poison
from comitia.ports import Log, Partitions, Reader, ReaderSpec, Record, TopicPartition, TopicSpec

FETCH_RECORDS_MAX = 1000
FETCH_TIMEOUT_MS = 500

M = TypeVar("M", bound=Message)


def partitions_of(topics: Iterable[TopicSpec]) -> Partitions:
    """All partitions of these topics."""
    return frozenset(
        TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)
    )


def decode(message: type[M], record: Record) -> M:
    """The record's message. Poison when it is none of this kind."""
    try:
        return message.FromString(record.value or b"")
    except DecodeError as error:
        where = f"{record.topic}-{record.partition} at {record.offset}"
        raise Poison(
            f"{where} is not a {message.DESCRIPTOR.full_name}: {error}", "UNREADABLE"
        ) from error


async def scan(
    log: Log, partitions: Partitions, start: Mapping[TopicPartition, int] | None = None
) -> AsyncIterator[Record]:
    """Every committed record from `start` (else the beginning) to the end as it is now, in order
    per partition.
    """
    reader = await log.reader(ReaderSpec(partitions=tuple(sorted(partitions))))
    try:
        ends = await reader.end_offsets(partitions)
        for partition, offset in (start or {}).items():
            reader.seek(partition, offset)
        while await _open(reader, ends):
            for record in await reader.fetch(FETCH_RECORDS_MAX, FETCH_TIMEOUT_MS):
                if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                    yield record
    finally:
        await reader.close()


async def _open(reader: Reader, ends: Mapping[TopicPartition, int]) -> bool:
    for partition, end in ends.items():
        if await reader.position(partition) < end:
            return True
    return False


async def offsets_since(
    log: Log, partitions: Partitions, since_ms: int
) -> Mapping[TopicPartition, int]:
    """First offsets at or after a time, milliseconds since 1970-01-01 UTC."""
    reader = await log.reader(ReaderSpec(partitions=tuple(sorted(partitions))))
    try:
        return await reader.offsets_at(partitions, since_ms)
    finally:
        await reader.close()


class Feed:
    """Committed records of some partitions as they come. Make one with `open`."""

    def __init__(self, reader: Reader, start: Mapping[TopicPartition, int]) -> None:
        self.start = start
        self._reader = reader

    @classmethod
    async def open(
        cls, log: Log, partitions: Partitions, start: Mapping[TopicPartition, int] | None = None
    ) -> "Feed":
        """Begin at `start`, else at the present end. The beginning is fixed when this returns."""
        reader = await log.reader(ReaderSpec(partitions=tuple(sorted(partitions))))
        chosen = dict(start) if start is not None else dict(await reader.end_offsets(partitions))
        for partition, offset in chosen.items():
            reader.seek(partition, offset)
        return cls(reader, chosen)

    async def next(self, timeout_ms: int = FETCH_TIMEOUT_MS) -> list[Record]:
        """Up to 1000 records; none after `timeout_ms`."""
        return list(await self._reader.fetch(FETCH_RECORDS_MAX, timeout_ms))

    async def close(self) -> None:
        await self._reader.close()
