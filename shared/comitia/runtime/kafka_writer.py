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
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import RecordMetadata

from comitia.errors import ComitiaError, ConfigError, Fenced, Poison, Retryable
from comitia.ports import Ack, Outgoing, TopicSpec
from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_errors import RAISED, translate
from comitia.runtime.kafka_stop import stop_producer
from comitia.runtime.partitioner import partition_of

FindTopic = Callable[[str], Awaitable[TopicSpec]]
_BATCH_BYTES_MAX = 64 * 1024
_SWEEP_S = 0.5
_TIMESTAMP_IS_APPEND_TIME = 1


class KafkaWriter:
    """Made by KafkaLog.writer()."""

    def __init__(
        self, client: KafkaClient, transactional_id: str | None, find_topic: FindTopic
    ) -> None:
        self._client = client
        self._id = transactional_id
        self._find_topic = find_topic
        self._topics: dict[str, tuple[int, int]] = {}
        self._producer = self._make()
        self._in_transaction = False
        self._transaction: list[asyncio.Future[Ack]] = []
        self._pending: deque[tuple[float, asyncio.Future[Ack]]] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._broken = False
        self._replacing = asyncio.Lock()
        self._dead: ComitiaError | None = None

    def _make(self) -> AIOKafkaProducer:
        client = self._client
        transactional: dict[str, Any] = {}
        if self._id is not None:
            transactional = {
                "transactional_id": self._id,
                "transaction_timeout_ms": client.transaction_timeout_ms,
            }
        return AIOKafkaProducer(
            bootstrap_servers=client.servers,
            client_id=client.client_id,
            enable_idempotence=True,
            acks="all",
            linger_ms=client.linger_ms,
            max_batch_size=_BATCH_BYTES_MAX,
            max_request_size=client.record_bytes_max,
            request_timeout_ms=client.request_timeout_ms,
            **transactional,
        )

    async def start(self) -> None:
        """Connect; with an id, fence its former holder and abort what that had open."""
        try:
            # Longer than a connection may take, which cut short would leak; then it asks for its
            # producer id without end.
            async with asyncio.timeout(2 * self._client.request_timeout_ms / 1000):
                await self._producer.start()
        except RAISED as error:
            await self._stop()
            who = f" with transactional id {self._id}" if self._id else ""
            raise translate(error, f"starting a writer{who} at {self._client.bootstrap}") from error

    async def send(self, record: Outgoing) -> Awaitable[Ack]:
        self._usable()
        if self._id is not None and not self._in_transaction:
            raise RuntimeError("begin() a transaction before send()")
        if record.key is None and record.value is None:
            raise ValueError("a record needs a key or a value")
        headers = list(record.headers)
        size = DefaultRecordBatchBuilder.estimate_size_in_bytes(record.key, record.value, headers)
        partition = await self._check(record, size)
        if self._broken:
            await self._replace()
        try:
            future = await self._producer.send(
                record.topic, record.value, record.key, partition, headers=headers
            )
        except KafkaTimeoutError as error:
            # No room in the queue; the producer is as it was.
            raise translate(error, f"writing to {record.topic}") from error
        except (*RAISED, AssertionError) as error:
            raise self._failed(error, f"writing to {record.topic}") from error
        loop = asyncio.get_running_loop()
        ack: asyncio.Future[Ack] = loop.create_future()
        future.add_done_callback(partial(self._settle, record.topic, ack))
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

    async def _check(self, record: Outgoing, size: int) -> int | None:
        """Refuse here what the broker would refuse; the record's partition, None without a key."""
        known = self._topics.get(record.topic)
        if known is None:
            spec = await self._find_topic(record.topic)
            limit = int(spec.config.get("max.message.bytes", self._client.record_bytes_max))
            if limit < _BATCH_BYTES_MAX:
                raise ConfigError(
                    f"topic {record.topic}: max.message.bytes is {limit}; raise it to at least"
                    f" {_BATCH_BYTES_MAX}, the size of a batch"
                )
            known = (spec.partitions, min(limit, self._client.record_bytes_max))
            self._topics[record.topic] = known
        count, bytes_max = known
        if record.partition is not None and not 0 <= record.partition < count:
            raise Poison(
                f"topic {record.topic} has no partition {record.partition}: it has {count}",
                "NO_PARTITION",
            )
        if size > bytes_max:
            raise Poison(
                f"record of about {size} bytes: topic {record.topic} takes up to {bytes_max}"
                " (max.message.bytes)",
                "TOO_LARGE",
            )
        if record.partition is not None or record.key is None:
            return record.partition
        # As aiokafka would choose, which does it anew, and slower, for every record of a key.
        return partition_of(record.key, count)

    def _settle(
        self, topic: str, ack: asyncio.Future[Ack], future: asyncio.Future[RecordMetadata]
    ) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            mapped = self._failed(error, f"writing to {topic}")
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

    def _failed(self, error: BaseException, doing: str) -> ComitiaError:
        """What to raise; a producer that met this error is not used again as it is."""
        doing = f"{doing} at {self._client.bootstrap}"
        if isinstance(error, AssertionError):
            # aiokafka's answer to any call on a producer that died.
            error = Fenced(f"{doing}: the writer is dead; take over again with a new one")
        mapped = translate(error, doing)
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
                ack.set_exception(
                    Retryable(
                        f"no acknowledgement from {self._client.bootstrap} in"
                        f" {self._client.delivery_timeout_ms} ms; the record may still be appended"
                    )
                )
        self._sweep = loop.call_later(_SWEEP_S, self._expire) if self._pending else None

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

    def _usable(self) -> None:
        if self._dead is not None:
            raise self._dead
