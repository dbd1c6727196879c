"""Closing a consumer whose broker is away."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from comitia.runtime.kafka_stop import stop_consumer


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
