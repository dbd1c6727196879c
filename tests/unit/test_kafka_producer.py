"""The producer's pauses when a transaction follows another that the broker is still ending."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.structs import TopicPartition

from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_producer import Producer

CONCURRENT_TRANSACTIONS, LOADING = 51, 14
WHERE = TopicPartition("topic", 0)


async def pauses(monkeypatch: pytest.MonkeyPatch, *answers: int) -> list[float]:
    """Seconds slept after each of the coordinator's answers to AddPartitionsToTxn."""
    slept: list[float] = []
    left = list(answers)
    producer = Producer(KafkaClient("127.0.0.1:9"), "id")
    producer._txn_manager.set_pid_and_epoch(1, 0)
    producer._txn_manager.begin_transaction()

    async def find_coordinator(*_: object) -> int:
        return 0

    async def send(*_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(errors=[("topic", [(0, left.pop(0))])])

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(producer._sender, "_find_coordinator", find_coordinator)
    monkeypatch.setattr(producer.client, "send", send)
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", sleep)
        while left:
            producer._txn_manager._txn_partitions.clear()
            producer._txn_manager._pending_txn_partitions.add(WHERE)
            await producer._sender._do_add_partitions_to_txn({WHERE})
    await producer.stop()
    return slept


async def test_pauses_grow_from_a_millisecond_to_aiokafkas_own_and_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = [CONCURRENT_TRANSACTIONS] * 7
    expected = [0.001, 0.002, 0.004, 0.008, 0.016, 0.02, 0.02]
    assert await pauses(monkeypatch, *busy, 0, *busy[:2], 0) == [*expected, 0.001, 0.002]


async def test_other_errors_wait_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await pauses(monkeypatch, LOADING, LOADING, 0) == [0.1, 0.1]
