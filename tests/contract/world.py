"""What the contract tests do with a log besides calling it: names of their own, patience, the
passing of time.
"""

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from comitia.ports import (
    Ack,
    Log,
    Outgoing,
    Partitions,
    Reader,
    ReaderSpec,
    Record,
    TopicPartition,
    TopicSpec,
    Writer,
)
from comitia.testing import LocalLog

# Long enough for a loaded machine.
PATIENCE_MS = 60_000
SESSION_MS = 6_000
TRANSACTION_MS = 6_000
FETCH_MS = 200


@dataclass
class World:
    """A log and what a test may do to it; closes what it opened."""

    log: Log
    opened: list[Reader | Writer] = field(default_factory=list)
    prefix: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def name(self, what: str) -> str:
        return f"{what}-{self.prefix}-{next(self.numbers)}"

    async def topic(self, partitions: int = 1, **config: str) -> str:
        """A new topic that keeps append times; settings with _ for the dots in their names."""
        name = self.name("topic")
        settings = {"message.timestamp.type": "LogAppendTime"}
        settings |= {key.replace("_", "."): value for key, value in config.items()}
        await self.log.create([TopicSpec(name, partitions, config=settings)])
        return name

    async def writer(self, transactional_id: str | None = None) -> Writer:
        writer = await self.log.writer(transactional_id)
        self.opened.append(writer)
        return writer

    async def reader(self, spec: ReaderSpec) -> Reader:
        reader = await self.log.reader(spec)
        self.opened.append(reader)
        return reader

    async def member(self, group: str, *topics: str, partitions: int) -> Reader:
        """A reader of `group` that has been given `partitions` partitions."""
        reader = await self.reader(ReaderSpec(topics, group))
        await until(lambda: len(reader.assignment()) == partitions, reader)
        return reader

    async def append(self, topic: str, *values: bytes, partition: int = 0) -> list[Ack]:
        """Append plain values, and wait until they stand in the log."""
        writer = await self.writer()
        acks = [await writer.send(Outgoing(topic, v, partition=partition)) for v in values]
        return [await ack for ack in acks]

    async def pass_ms(self, duration_ms: int) -> None:
        """Let the log's clock go on by at least `duration_ms`."""
        if isinstance(self.log, LocalLog):
            self.log.clock.advance(duration_ms)
        else:
            await asyncio.sleep(duration_ms / 1000)

    async def close(self) -> None:
        for one in reversed(self.opened):
            await one.close()
        await self.log.close()


async def read(reader: Reader, count: int) -> list[Record]:
    """The next `count` records or more; fails when they do not come."""
    found: list[Record] = []
    for _ in range(PATIENCE_MS // FETCH_MS):
        found += await reader.fetch(1_000, FETCH_MS)
        if len(found) >= count:
            return found
    raise AssertionError(f"{len(found)} of {count} records came: {found}")


async def nothing(reader: Reader) -> None:
    """Nothing comes for a while."""
    for _ in range(2):
        assert list(await reader.fetch(1_000, FETCH_MS)) == []


async def until(condition: Callable[[], bool | Awaitable[bool]], *members: Reader) -> None:
    """Keep `members` fetching until `condition` holds; fails when it does not."""
    for _ in range(PATIENCE_MS // 50):
        for member in members:
            await member.fetch(1_000, 50)
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the condition did not come to hold")


def parts(topic: str, *numbers: int) -> Partitions:
    return frozenset(TopicPartition(topic, number) for number in numbers)


def values(records: list[Record]) -> list[bytes | None]:
    return [record.value for record in records]
