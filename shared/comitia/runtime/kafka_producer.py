"""The producer that KafkaWriter uses: aiokafka's, which begins a transaction sooner after the last.

In come the client's settings and a transactional id or none, out comes a producer. The broker
answers the end of a transaction before it has written its markers; until then the next transaction
of the same id gets CONCURRENT_TRANSACTIONS for its first partitions. aiokafka 0.14.0 then always
waits for 20 ms (`BACKOFF_OVERRIDE` in its sender module), which is most of a small transaction's
time; here the pauses begin at one millisecond and double up to those 20. Nothing else differs.
"""

from collections.abc import Set
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import CoordinationType
from aiokafka.producer import sender
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition

from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_limits import BATCH_BYTES_MAX

_FIRST_PAUSE_S = 0.001
# After any other passing error; aiokafka's own.
_RETRY_PAUSE_MS = 100


class _AddPartitions(sender.AddPartitionsToTxnHandler):  # type: ignore[misc]
    def handle_response(self, response: Any) -> float | None:
        pause_s: float | None = super().handle_response(response)
        return self._sender.next_pause_s() if pause_s == sender.BACKOFF_OVERRIDE else pause_s


class _Sender(sender.Sender):  # type: ignore[misc]
    _pause_s = _FIRST_PAUSE_S

    async def _do_add_partitions_to_txn(self, partitions: Set[TopicPartition]) -> bool:
        node = await self._find_coordinator(
            CoordinationType.TRANSACTION, self._txn_manager.transactional_id
        )
        added: bool = await _AddPartitions(self, partitions).do(node)
        if added:
            self._pause_s = _FIRST_PAUSE_S
        return added

    def next_pause_s(self) -> float:
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, sender.BACKOFF_OVERRIDE)
        return pause_s


class Producer(AIOKafkaProducer):  # type: ignore[misc]
    """An idempotent producer; transactional with an id."""

    def __init__(self, client: KafkaClient, transactional_id: str | None) -> None:
        transactional: dict[str, Any] = {}
        if transactional_id is not None:
            transactional = {
                "transactional_id": transactional_id,
                "transaction_timeout_ms": client.transaction_timeout_ms,
            }
        super().__init__(
            enable_idempotence=True,
            acks="all",
            linger_ms=client.linger_ms,
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=client.record_bytes_max,
            **client.options(),
            **transactional,
        )
        # In the place of the one that was just made and has not started.
        self._sender = _Sender(
            self.client,
            acks=-1,
            txn_manager=self._txn_manager,
            message_accumulator=self._message_accumulator,
            retry_backoff_ms=_RETRY_PAUSE_MS,
            request_timeout_ms=client.request_timeout_ms,
        )

    def batch(self, bytes_max: int) -> BatchBuilder:
        """An empty batch that takes up to `bytes_max` bytes, or one larger record.

        What `create_batch` makes, whose size is that of the batches of single records.
        """
        transactional = self._txn_manager.transactional_id is not None
        return BatchBuilder(bytes_max, 0, is_transactional=transactional)
