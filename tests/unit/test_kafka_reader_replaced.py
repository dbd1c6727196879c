"""A static member's consumer that died and is replaced, while brokers come and go."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError

from comitia.errors import Retryable, Superseded
from comitia.ports import ReaderSpec
from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_reader import KafkaReader


class Consumer:
    """As aiokafka's: it has no coordinator before its start, and no member id before it joined."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.listener: Any = None
        self._coordinator: Any = None
        self._fetcher = SimpleNamespace(error_future=SimpleNamespace(done=lambda: False))

    async def start(self) -> None:
        if self.away:
            raise KafkaConnectionError("no broker")
        self._coordinator = SimpleNamespace(member_id="")

    async def stop(self) -> None: ...

    def subscribe(self, topics: object, listener: object) -> None:
        self.listener = listener

    def assignment(self) -> set[Any]:
        return set()

    paused = assignment

    async def getmany(self, **_: object) -> dict[Any, Any]:
        return {}


async def test_a_member_is_not_superseded_before_its_new_consumer_has_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, away, last = Consumer(), Consumer(away=True), Consumer()
    made = iter((first, away, last))
    monkeypatch.setattr(KafkaReader, "_make", lambda _: next(made))
    reader = KafkaReader(
        KafkaClient("broker:9092", "c"), ReaderSpec(("t",), "g", "i"), cast("Any", None)
    )
    await reader.start(frozenset())
    first.listener.on_partitions_revoked(set())
    first._coordinator.member_id = "i-1"
    first.listener.on_partitions_assigned(set())
    reader._dead = True
    with pytest.raises(Retryable, match="no broker"):
        await reader.fetch(1, 0)
    await reader.fetch(1, 0)
    # aiokafka revokes nothing before it joins.
    last.listener.on_partitions_revoked(set())
    await reader.fetch(1, 0)


async def test_a_dropped_member_says_so_where_aiokafka_lets_a_cancellation_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer = Consumer()
    monkeypatch.setattr(KafkaReader, "_make", lambda _: consumer)
    reader = KafkaReader(
        KafkaClient("broker:9092", "c"), ReaderSpec(("t",), "g", "i"), cast("Any", None)
    )
    await reader.start(frozenset())
    consumer._coordinator.member_id = "i-1"
    consumer.listener.on_partitions_assigned(set())

    async def dropped_meanwhile(**_: object) -> dict[Any, Any]:
        consumer._coordinator.member_id = ""
        consumer.listener.on_partitions_revoked(set())
        raise AssertionError("the coordination went on")

    consumer.getmany = dropped_meanwhile  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(Superseded, match="COMITIA_INSTANCE_ID"):
            await reader.fetch(1, 1_000)


async def test_whoever_cancels_a_fetch_gets_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer()
    monkeypatch.setattr(KafkaReader, "_make", lambda _: consumer)
    reader = KafkaReader(
        KafkaClient("broker:9092", "c"), ReaderSpec(("t",), "g", "i"), cast("Any", None)
    )
    await reader.start(frozenset())
    begun = asyncio.Event()

    async def wait(**_: object) -> dict[Any, Any]:
        begun.set()
        await asyncio.Event().wait()
        return {}

    consumer.getmany = wait  # type: ignore[method-assign]
    fetching = asyncio.create_task(reader.fetch(1, 60_000))
    await begun.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
