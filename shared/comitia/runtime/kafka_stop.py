"""Closing aiokafka's clients for good, also when the cluster is away or they died before. In comes
a client, out goes nothing: what cannot be delivered or said any more is logged, and no task,
connection or unread error is left behind.
"""

import asyncio
import logging

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from comitia.runtime.kafka_errors import RAISED

_log = logging.getLogger(__name__)


async def stop_producer(producer: AIOKafkaProducer, timeout_ms: int, doing: str) -> None:
    """Deliver what is queued for up to `timeout_ms`, then end all the same."""
    _look_at_errors(producer)
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            await producer.stop()
    except RAISED:
        _log.warning("%s: closed before everything was delivered", doing, exc_info=True)
        if producer._sender.sender_task is not None:
            producer._sender.sender_task.cancel()
        await producer.client.close()
    _look_at_errors(producer)


async def stop_consumer(consumer: AIOKafkaConsumer, timeout_ms: int, doing: str) -> None:
    """Leave the group for up to `timeout_ms`, then end all the same: it finds out by the missing
    heartbeats.
    """
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            await consumer.stop()
    except RAISED:
        _log.warning("%s: closed without leaving the group", doing, exc_info=True)
        await consumer._client.close()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Nobody cancelled us: its fetcher cancels a fetch that waits for a broker which is away,
        # awaits it, lets that out, and leaves the other fetches and the connections behind.
        fetches = list(consumer._fetcher._pending_tasks)
        for fetch in fetches:
            fetch.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)
        await consumer._client.close()


def _look_at_errors(producer: AIOKafkaProducer) -> None:
    """A fenced producer leaves errors on futures of its own, which nobody awaits: asyncio would
    print each with a traceback when it is collected.
    """
    batches = producer._message_accumulator._batches.values()
    waiters = [batch._drain_waiter for queue in batches for batch in queue]
    waiters.append(producer._txn_manager._transaction_waiter)
    for waiter in waiters:
        if waiter is not None and waiter.done() and not waiter.cancelled():
            waiter.exception()
