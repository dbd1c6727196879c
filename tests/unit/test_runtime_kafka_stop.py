"""Closing clients whose broker is away, or while whoever closes them is cancelled."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from comitia.runtime.kafka_stop import stop_consumer, stop_producer


class Consumer:
    """Ends as aiokafka 0.14 does: it cancels its first waiting fetch and awaits it, unguarded."""

    def __init__(self) -> None:
        self.fetches = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(2)]
        self.closed = False
        self.stopping = asyncio.Event()
        self._fetcher = SimpleNamespace(_pending_tasks=set(self.fetches))
        self._client = SimpleNamespace(close=self._close)

    async def _close(self) -> None:
        self.closed = True

    async def stop(self) -> None:
        self.stopping.set()
        self.fetches[0].cancel()
        await self.fetches[0]


async def test_a_fetch_that_was_cancelled_does_not_cancel_who_closes() -> None:
    consumer: Any = Consumer()
    await stop_consumer(consumer, 1_000, "reading")
    assert consumer.closed
    assert all(fetch.cancelled() for fetch in consumer.fetches)


async def test_who_closes_can_be_cancelled() -> None:
    consumer: Any = Consumer()
    consumer.stop = lambda: consumer.stopping.set() or asyncio.sleep(3600)
    closing = asyncio.create_task(stop_consumer(consumer, 3_600_000, "reading"))
    await consumer.stopping.wait()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    consumer.fetches[0].cancel()
    consumer.fetches[1].cancel()


async def test_a_cancellation_that_the_client_keeps_for_itself_is_passed_on() -> None:
    consumer: Any = Consumer()
    ended = asyncio.Event()

    async def stop() -> None:
        consumer.stopping.set()
        with contextlib.suppress(asyncio.CancelledError):
            await ended.wait()

    consumer.stop = stop
    closing = asyncio.create_task(stop_consumer(consumer, 3_600_000, "reading"))
    await consumer.stopping.wait()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    for fetch in consumer.fetches:
        fetch.cancel()


async def test_a_producer_whose_closing_is_cancelled_sends_nothing_more() -> None:
    sending, closed = asyncio.create_task(asyncio.sleep(3600)), asyncio.Event()

    async def close() -> None:
        closed.set()

    producer: Any = SimpleNamespace(
        stop=lambda: asyncio.sleep(3600),
        client=SimpleNamespace(close=close),
        _sender=SimpleNamespace(sender_task=sending),
        _message_accumulator=SimpleNamespace(_batches={}),
        _txn_manager=SimpleNamespace(_transaction_waiter=None),
    )
    closing = asyncio.create_task(stop_producer(producer, 3_600_000, "writing"))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing, sending})
    assert closing.cancelled()
    assert sending.cancelled()
    assert closed.is_set()
