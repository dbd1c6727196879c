"""comitia.ports.Log for a simulated process: a LocalLog at the other end of a Network.

In come the calls of the process's loops; out come what LocalLog says, or the errors of the network.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence

from comitia.errors import ComitiaError, Retryable
from comitia.ports import (
    Ack,
    Committed,
    Outgoing,
    Partitions,
    ReaderSpec,
    Record,
    TopicPartition,
    TopicSpec,
)
from comitia.testing.reader import LocalReader
from comitia.testing.writer import LocalWriter
from tests.sim.network import Going, Network


class Link(Network):
    """Implements comitia.ports.Log for one process."""

    async def reader(self, spec: ReaderSpec) -> "LinkReader":
        async def act() -> LocalReader:
            inner = await self.log.reader(spec)
            self.readers.append(inner)
            if not self.thawed.is_set():
                self.log.silence(inner)
            return inner

        return LinkReader(self, await self.call("reader", spec.group or "", act, sure=True))

    async def writer(self, transactional_id: str | None = None) -> "LinkWriter":
        subject = transactional_id or ""

        async def act() -> LocalWriter:
            await self.weather.settled(subject)
            return await self.log.writer(transactional_id)

        inner = await self.call("writer", subject, act)
        if transactional_id is not None:
            self.tell(self.name, "writer", subject, "opened")
        return LinkWriter(self, inner)

    async def describe(self, topics: Sequence[str]) -> Mapping[str, TopicSpec]:
        return await self.call("describe", "", lambda: self.log.describe(topics))

    async def create(self, topics: Sequence[TopicSpec]) -> None:
        await self.call("create", "", lambda: self.log.create(topics))

    async def close(self) -> None:
        """The log outlives the process."""


class LinkReader:
    """Implements comitia.ports.Reader."""

    def __init__(self, link: Network, inner: LocalReader) -> None:
        self._link = link
        self._inner = inner
        self._group = inner.spec.group or ""

    async def fetch(self, records_max: int, timeout_ms: int) -> Sequence[Record]:
        weather = self._link.weather
        await self._link.hears.wait()
        if weather.slow and weather.chance.random() < 0.5:
            records_max = min(records_max, weather.chance.randrange(1, 6))

        async def act() -> tuple[Sequence[Record], Partitions]:
            if self._link.dead:
                # It arrives after all; but the fake takes a fetch for a sign of life.
                return (), self._inner.assignment()
            return await self._inner.fetch(records_max, timeout_ms), self._inner.assignment()

        # A fetch whose answer is lost is asked again at the same position: as if it had not been.
        records, served = await self._link.call("fetch", self._group, act, sure=True)
        # A client throws away what was fetched under a former assignment, and reads it again.
        return records if served is self._inner.assignment() else ()

    def assignment(self) -> Partitions:
        return self._inner.assignment()

    def pause(self, partitions: Partitions) -> None:
        self._inner.pause(partitions)

    def resume(self, partitions: Partitions) -> None:
        self._inner.resume(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._inner.seek(partition, offset)

    async def position(self, partition: TopicPartition) -> int:
        # Known to the client: no request.
        return await self._inner.position(partition)

    async def end_offsets(self, partitions: Partitions) -> Mapping[TopicPartition, int]:
        act = lambda: self._inner.end_offsets(partitions)  # noqa: E731
        return await self._link.call("end_offsets", self._group, act)

    def lag(self) -> Mapping[TopicPartition, int]:
        # No request either.
        return self._inner.lag()

    async def offsets_at(
        self, partitions: Partitions, timestamp_ms: int
    ) -> Mapping[TopicPartition, int]:
        act = lambda: self._inner.offsets_at(partitions, timestamp_ms)  # noqa: E731
        return await self._link.call("offsets_at", self._group, act)

    async def committed(self, partition: TopicPartition) -> Committed | None:
        act = lambda: self._inner.committed(partition)  # noqa: E731
        return await self._link.call("committed", self._group, act)

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        async def act() -> None:
            await self._inner.commit(offsets)
            for tp, position in offsets.items():
                self._link.on_commit(self._group, tp, position)
                what = f"{tp.topic}[{tp.partition}] at {position.offset} {position.metadata}"
                self._link.tell(self._link.name, "commit", self._group, what)

        await self._link.call("commit", self._group, act)

    async def close(self) -> None:
        if not self._link.dead:
            await self._inner.close()


class LinkWriter:
    """Implements comitia.ports.Writer. Appends travel in pieces, so that a crash or a loss falls
    between them.
    """

    def __init__(self, link: Network, inner: LocalWriter) -> None:
        self._link = link
        self._inner = inner
        self._lost: Retryable | None = None
        self._going: Going = set()

    async def send(self, record: Outgoing) -> Awaitable[Ack]:
        async def act() -> Ack:
            return await (await self._inner.send(record))

        ack: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        try:
            ack.set_result(await self._link.call("send", record.topic, act))
        except ComitiaError as error:
            self._note(error)
            ack.set_exception(error)
        return ack

    async def append(self, records: Sequence[Outgoing]) -> list[Ack | ComitiaError]:
        results: list[Ack | ComitiaError] = []
        chance, left = self._link.weather.chance, list(records)
        while left:
            size = chance.randrange(1, len(left) + 1) if self._link.weather.slow else len(left)
            piece, left = left[:size], left[size:]
            results += await self._append(piece)
        return results

    async def _append(self, piece: Sequence[Outgoing]) -> list[Ack | ComitiaError]:
        async def act() -> list[Ack | ComitiaError]:
            done = await self._inner.append(piece)
            for record, result in zip(piece, done, strict=True):
                at = f"[{result.partition}]@{result.offset}" if isinstance(result, Ack) else result
                key = (record.key or b"").decode(errors="replace")
                self._link.tell(self._link.name, "append", record.topic, f"{at} {key}")
            return done

        try:
            return await self._link.travel("append", piece[0].topic, act, self._going)
        except Retryable as error:
            self._note(error)
            return [error for _ in piece]

    def _note(self, error: ComitiaError) -> None:
        if self._lost is None and isinstance(error, Retryable):
            self._lost = error

    async def begin(self) -> None:
        self._lost = None
        await self._link.weather.settled(self._id)
        await self._inner.begin()

    async def commit(self) -> None:
        if self._lost is not None:
            raise self._lost
        await self._link.travel("commit_transaction", self._id, self._commit, self._going)
        self._link.tell(self._link.name, "commit_transaction", self._id, "committed")

    async def _commit(self) -> None:
        """As on a broker: the answer may come before the markers that readers wait for."""
        weather, inner = self._link.weather, self._inner
        inner._alive()
        refused = any(ack.exception() is not None for ack in inner._acks)
        if inner.transaction is None or refused or weather.chance.random() >= weather.slow:
            await inner.commit()
            return
        # From here on neither its timeout nor a successor can end it otherwise.
        weather.prepared.add(inner.transaction)
        inner.transaction.begun_ms = self._link.log.clock.now_ms()
        weather.settling[self._id] = asyncio.ensure_future(self._settle())

    async def _settle(self) -> None:
        weather = self._link.weather
        await asyncio.sleep(weather.chance.randrange(1, weather.slow_ms) / 1000)
        await self._inner.commit()

    async def abort(self) -> None:
        await self._link.call("abort_transaction", self._id, self._inner.abort)

    async def close(self) -> None:
        if self._link.dead:
            return
        if self._going:
            # As a producer does that is stopped: what was sent arrives first.
            await asyncio.wait(self._going)
        await self._link.weather.settled(self._id)
        await self._inner.close()

    @property
    def _id(self) -> str:
        return self._inner.transactional_id or ""
