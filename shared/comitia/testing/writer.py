"""LocalWriter: one producer of a LocalLog, transactional when opened with an id. Implements
comitia.ports.Writer.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Literal

from comitia.errors import ComitiaError, Fenced, Poison
from comitia.ports import Ack, Outgoing, TopicPartition
from comitia.runtime.partitioner import partition_of
from comitia.testing.partition import Transaction

if TYPE_CHECKING:
    from comitia.testing.local_log import LocalLog

# What a batch of one record adds to key, value and headers: 61 bytes of batch header and the
# record's own fields.
_BATCH_BYTES = 61
_RECORD_BYTES = 12
_HEADER_BYTES = 4


def size_bytes(record: Outgoing) -> int:
    """About what `record` takes as a batch of its own."""
    headers = sum(_HEADER_BYTES + len(key.encode()) + len(value) for key, value in record.headers)
    body = len(record.key or b"") + len(record.value or b"")
    return _BATCH_BYTES + _RECORD_BYTES + headers + body


class LocalWriter:
    """Made by LocalLog.writer()."""

    def __init__(self, log: "LocalLog", transactional_id: str | None) -> None:
        self.transactional_id = transactional_id
        self.transaction: Transaction | None = None
        self._log = log
        self._in_transaction = False
        self._fenced = False
        self._acks: list[asyncio.Future[Ack]] = []
        self._next_without_key = 0

    async def send(self, record: Outgoing) -> Awaitable[Ack]:
        self._alive()
        if self.transactional_id is not None and not self._in_transaction:
            raise RuntimeError("begin() a transaction before send()")
        if record.key is None and record.value is None:
            raise ValueError("a record needs a key or a value")
        topic = self._log.topic(record.topic)
        number = self._choose(record, len(topic.partitions))
        size = size_bytes(record)
        if size > topic.bytes_max:
            raise Poison(
                f"record of about {size} bytes: topic {record.topic} takes up to"
                f" {topic.bytes_max} (max.message.bytes)",
                "TOO_LARGE",
            )
        # One turn of the loop, as a producer that may have to wait for room in its buffer.
        await asyncio.sleep(0)
        ack: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        if self._in_transaction:
            self._acks.append(ack)
        fault = self._log.fault("append", record.topic)
        if fault is not None:
            ack.set_exception(fault)
        else:
            self._alive()
            ack.set_result(self._append(record, number))
        return ack

    async def append(self, records: Sequence[Outgoing]) -> list[Ack | ComitiaError]:
        results: list[Ack | ComitiaError] = []
        for record in records:
            try:
                results.append(await (await self.send(record)))
            except ComitiaError as error:
                results.append(error)
        return results

    async def begin(self) -> None:
        self._transactional()
        if self._in_transaction:
            raise RuntimeError("the former transaction is still open")
        self._in_transaction = True
        self._acks = []

    async def commit(self) -> None:
        self._transactional()
        if not self._in_transaction:
            raise RuntimeError("no transaction is open")
        # A refused record must not be left out of what is committed: the caller sees its error and
        # aborts.
        for ack in self._acks:
            await ack
        self._log.check("commit_transaction", self.transactional_id or "")
        self._alive()
        self._finish("committed")

    async def abort(self) -> None:
        self._transactional()
        if not self._in_transaction:
            raise RuntimeError("no transaction is open")
        self._log.check("abort_transaction", self.transactional_id or "")
        self._finish("aborted")

    async def close(self) -> None:
        """Leaves an open transaction open, as a crash does: the next holder of the id or the
        timeout ends it.
        """
        self._fenced = True

    def fence(self) -> None:
        """Another writer has the id, or the transaction timed out: abort what is open, refuse what
        comes.
        """
        self._fenced = True
        if self.transaction is not None:
            self.transaction.end("aborted", self._log.clock.now_ms())
            self.transaction = None

    def _append(self, record: Outgoing, number: int) -> Ack:
        topic = self._log.topic(record.topic)
        now_ms = self._log.clock.now_ms()
        if self._in_transaction and self.transaction is None:
            self.transaction = Transaction(now_ms)
        offset = self._log.partition(TopicPartition(record.topic, number)).append(
            now_ms, record.key, record.value, record.headers, self.transaction
        )
        self._log.changed()
        return Ack(record.topic, number, offset, now_ms if topic.append_time else -1)

    def _choose(self, record: Outgoing, count: int) -> int:
        if record.partition is not None:
            if not 0 <= record.partition < count:
                raise Poison(
                    f"topic {record.topic} has no partition {record.partition}: it has {count}",
                    "NO_PARTITION",
                )
            return record.partition
        if record.key is not None:
            return partition_of(record.key, count)
        self._next_without_key += 1
        return (self._next_without_key - 1) % count

    def _finish(self, state: Literal["committed", "aborted"]) -> None:
        if self.transaction is not None:
            self.transaction.end(state, self._log.clock.now_ms())
        self.transaction, self._in_transaction, self._acks = None, False, []
        self._log.changed()

    def _transactional(self) -> None:
        if self.transactional_id is None:
            raise RuntimeError("this writer was opened without a transactional id")
        self._alive()

    def _alive(self) -> None:
        self._log.expire()
        if self._fenced:
            raise Fenced(
                f"writer {self.transactional_id or '(closed)'} is fenced: another one took its"
                " transactional id or its transaction timed out; close it and take over again"
            )
