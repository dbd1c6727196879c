"""KafkaWriter: one idempotent producer of Apache Kafka, transactional when opened with an id.
Implements comitia.ports.Writer.

In come ports.Outgoing, out come acknowledgements. What aiokafka 0.14.0 does on its own and is
bridged here: - a batch that the broker refuses leaves a gap in the sequence numbers, after which
every later one of that partition fails:
  records are measured against the topic's limit before they are sent, and a producer that met a
  refusal is replaced;
- idempotent batches are retried without end: an acknowledgement that does not come in the delivery
timeout is Retryable; - `commit_transaction` commits around refused records: each future is looked
at first; - a fenced producer answers with assertions, or under `python -O` not at all: it is not
asked again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import RecordMetadata

from comitia.errors import ComitiaError, Fenced, Poison, Retryable
from comitia.ports import Ack, Outgoing
from comitia.runtime import kafka_transactions
from comitia.runtime.kafka_batches import Batch, Result, pack
from comitia.runtime.kafka_client import KafkaClient, Right
from comitia.runtime.kafka_errors import RAISED
from comitia.runtime.kafka_limits import FindTopic, Limits
from comitia.runtime.kafka_producer import Producer
from comitia.runtime.kafka_stop import stop_producer

_SWEEP_S = 0.5
_TIMESTAMP_IS_APPEND_TIME = 1


class KafkaWriter:
    """Made by KafkaLog.writer()."""

    def __init__(
        self, client: KafkaClient, transactional_id: str | None, find_topic: FindTopic
    ) -> None:
        self._client = client
        self._id = transactional_id
        self._limits = Limits(find_topic, client.record_bytes_max)
        self._producer = self._make()
        self._in_transaction = False
        self._transaction: list[asyncio.Future[Ack]] = []
        self._pending: deque[tuple[float, asyncio.Future[Ack]]] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._broken = False
        self._replacing = asyncio.Lock()
        self._dead: ComitiaError | None = None

    def _make(self) -> Producer:
        return Producer(self._client, self._id)

    async def start(self) -> None:
        """Connect; with an id, fence its former holder and abort what that had open."""
        try:
            # Longer than a connection may take, which cut short would leak; then it asks for its
            # producer id without end.
            async with asyncio.timeout(2 * self._client.request_timeout_ms / 1000):
                await self._producer.start()
            if self._id is not None:
                kafka_transactions.require(self._producer)
        except asyncio.CancelledError:
            await self._stop()
            raise
        except RAISED as error:
            await self._stop()
            failed = kafka_transactions.not_started(error, self._id, self._client, self._needs())
            raise failed from error

    async def send(self, record: Outgoing) -> Awaitable[Ack]:
        self._usable()
        self._begun("send")
        await self._limits.learn(record.topic)
        partition = self._limits.place(record)
        if self._broken:
            await self._replace()
        return await self._queued(
            record.topic,
            self._producer.send(
                record.topic, record.value, record.key, partition, headers=list(record.headers)
            ),
        )

    async def append(self, records: Sequence[Outgoing]) -> list[Ack | ComitiaError]:
        results: list[Result | None] = [self._dead] * len(records)
        if self._dead is None:
            self._begun("append")
            await self._append(records, results)
        return [result for result in results if result is not None]

    async def _append(self, records: Sequence[Outgoing], results: list[Result | None]) -> None:
        """Give each record its result: from here, or from the broker."""
        batches = await pack(records, self._limits, self._producer.batch, results)
        acks: list[asyncio.Future[Ack]] = []
        try:
            if self._broken:
                await self._replace()
            for batch in batches:
                acks.append(await self._queue(batch))
        except ComitiaError as error:
            # What follows would fail likewise, or be appended before its elders.
            for batch in batches[len(acks) :]:
                batch.spread(error, results)
        settled = await asyncio.gather(*acks, return_exceptions=True)
        for batch, result in zip(batches, settled, strict=False):
            batch.spread(result, results)

    async def _queue(self, batch: Batch) -> asyncio.Future[Ack]:
        sending = self._producer.send_batch(batch.builder, batch.topic, partition=batch.partition)
        return await self._queued(batch.topic, sending)

    async def _queued(
        self, topic: str, sending: Awaitable[asyncio.Future[RecordMetadata]]
    ) -> asyncio.Future[Ack]:
        """Hand something to the producer; its acknowledgement, that of its first record."""
        try:
            future = await sending
        except KafkaTimeoutError as error:
            # No room in the queue; the producer is as it was.
            raise self._client.translate(error, f"writing to {topic}") from error
        except (*RAISED, AssertionError) as error:
            raise self._failed(error, f"writing to {topic}", topic) from error
        loop = asyncio.get_running_loop()
        ack: asyncio.Future[Ack] = loop.create_future()
        future.add_done_callback(partial(self._settle, topic, ack))
        self._pending.append((loop.time() + self._client.delivery_timeout_ms / 1000, ack))
        if self._sweep is None:
            self._sweep = loop.call_later(_SWEEP_S, self._expire)
        if self._in_transaction:
            self._transaction.append(ack)
        return ack

    async def begin(self) -> None:
        self._transactional(begun=False)
        await self._bounded(self._producer.begin_transaction, "beginning")
        self._in_transaction, self._transaction = True, []

    async def commit(self) -> None:
        self._transactional(begun=True)
        # Refused records are left out of what aiokafka commits: the first error is raised instead,
        # and the caller aborts.
        for result in await asyncio.gather(*self._transaction, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        await self._bounded(self._producer.commit_transaction, "committing")
        self._in_transaction, self._transaction = False, []

    async def abort(self) -> None:
        self._transactional(begun=True)
        await self._bounded(self._producer.abort_transaction, "aborting")
        self._in_transaction, self._transaction = False, []
        if self._broken:
            self._dead = Fenced(
                f"the broker refused a record of writer {self._id}: it can write no more;"
                " take over again with a new one"
            )

    async def close(self) -> None:
        """Deliver what is queued. An open transaction stays open until the next holder of the id or
        the timeout ends it.
        """
        if self._dead is None:
            self._dead = Retryable("this writer is closed")
        await self._stop()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for _, ack in self._pending:
            if not ack.done():
                ack.set_exception(Retryable("the writer was closed before the acknowledgement"))
        self._pending.clear()

    def _settle(
        self, topic: str, ack: asyncio.Future[Ack], future: asyncio.Future[RecordMetadata]
    ) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            mapped = self._failed(error, f"writing to {topic}", topic)
            if isinstance(mapped, Poison):
                self._limits.forget(topic)
            if not ack.done():
                ack.set_exception(mapped)
                if self._id is not None:
                    # commit() looks at every one; who aborts need not.
                    ack.exception()
        elif not ack.done():
            found = future.result()
            by_broker = found.timestamp_type == _TIMESTAMP_IS_APPEND_TIME
            ack.set_result(
                Ack(
                    found.topic,
                    found.partition,
                    found.offset,
                    found.timestamp if by_broker else -1,
                )
            )

    def _failed(self, error: BaseException, doing: str, topic: str = "") -> ComitiaError:
        """What to raise; a producer that met this error is not used again as it is."""
        doing = f"{doing} at {self._client.bootstrap}"
        if isinstance(error, AssertionError):
            # aiokafka's answer to any call on a producer that died.
            error = Fenced(f"{doing}: the writer is dead; take over again with a new one")
        mapped = self._client.translate(error, doing, *self._needs(topic))
        if not isinstance(mapped, Fenced):
            self._broken = True
        elif self._id is not None:
            self._dead = mapped
        else:
            # Without an id nobody takes over: the producer is replaced, and the record may be sent
            # again.
            self._broken = True
            mapped = Retryable(f"{doing}: the record was not appended ({type(error).__name__})")
        return mapped

    def _expire(self) -> None:
        """Fail overdue acknowledgements; they are settled about in the order of sending."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._pending and (self._pending[0][1].done() or self._pending[0][0] <= now):
            _, ack = self._pending.popleft()
            if not ack.done():
                late = (
                    f"no acknowledgement from {self._client.bootstrap} in"
                    f" {self._client.delivery_timeout_ms} ms; the record may still be appended"
                )
                ack.set_exception(self._client.security.blamed(Retryable(late)))
        self._sweep = loop.call_later(_SWEEP_S, self._expire) if self._pending else None

    def _needs(self, topic: str = "") -> list[Right]:
        """Rights of every call; with `topic`, of writing to it."""
        either = f"kafka-cluster, or Write on {topic or 'a topic that it writes'}"
        found = [Right("IdempotentWrite", "cluster", either), Right("Write", "topic", topic)]
        return found + [Right("Write", "transactional-id", one) for one in (self._id,) if one]

    async def _replace(self) -> None:
        """A new producer instead of one whose sequence has a gap; a transactional one is the
        caller's to replace.
        """
        async with self._replacing:
            if not self._broken or self._id is not None:
                return
            await self._stop()
            self._producer = self._make()
            await self.start()
            self._broken = False

    async def _bounded(self, call: Callable[[], Awaitable[None]], doing: str) -> None:
        doing = f"{doing} a transaction of {self._id}"
        try:
            async with asyncio.timeout(self._client.request_timeout_ms / 1000):
                await call()
        except TimeoutError as error:
            # Whether it took place is not known: only a new writer's start settles it.
            self._dead = Fenced(f"{doing}: no answer from {self._client.bootstrap}")
            raise self._dead from error
        except (*RAISED, AssertionError) as error:
            raise self._failed(error, doing) from error

    async def _stop(self) -> None:
        doing = f"writing to {self._client.bootstrap}"
        await stop_producer(self._producer, self._client.request_timeout_ms, doing)

    def _transactional(self, *, begun: bool) -> None:
        if self._id is None:
            raise RuntimeError("this writer was opened without a transactional id")
        self._usable()
        if begun != self._in_transaction:
            raise RuntimeError(
                "no transaction is open" if begun else "the former transaction is still open"
            )

    def _begun(self, doing: str) -> None:
        if self._id is not None and not self._in_transaction:
            raise RuntimeError(f"begin() a transaction before {doing}()")

    def _usable(self) -> None:
        if self._dead is not None:
            raise self._dead
