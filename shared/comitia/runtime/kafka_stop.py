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
    cancelled = _cancellations()
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            await producer.stop()
    except RAISED:
        _log.warning("%s: closed before everything was delivered", doing, exc_info=True)
        await _end(producer)
    except asyncio.CancelledError:
        await _end(producer)
        raise
    _look_at_errors(producer)
    _pass_on(cancelled)


async def stop_consumer(consumer: AIOKafkaConsumer, timeout_ms: int, doing: str) -> None:
    """Leave the group for up to `timeout_ms`, then end all the same: it finds out by the missing
    heartbeats.
    """
    cancelled = _cancellations()
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            await consumer.stop()
    except RAISED:
        _log.warning("%s: closed without leaving the group", doing, exc_info=True)
        await consumer._client.close()
    except asyncio.CancelledError:
        # We were cancelled, or its fetcher has cancelled a fetch that waits for a broker which is
        # away, awaited it and let that out: either leaves fetches and connections behind.
        fetches = list(consumer._fetcher._pending_tasks) if consumer._fetcher else []
        for fetch in fetches:
            fetch.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)
        await consumer._client.close()
    _pass_on(cancelled)


async def _end(producer: AIOKafkaProducer) -> None:
    """Deliver nothing more."""
    if producer._sender.sender_task is not None:
        producer._sender.sender_task.cancel()
    await producer.client.close()


def _cancellations() -> int:
    """How often the present task was cancelled."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _pass_on(before: int) -> None:
    """Raise what aiokafka kept for itself: while it closes, it cancels tasks of its own, and takes
    the cancellation of whoever waits for theirs. `before`: how often that was cancelled before.
    """
    if _cancellations() > before:
        raise asyncio.CancelledError


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
