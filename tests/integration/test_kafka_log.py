"""KafkaLog where Apache Kafka or aiokafka behaves in ways that LocalLog has no part in: records
that the broker itself refuses, brokers that are away or fall silent, consumers that died.
"""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from comitia.broker import HOST, BrokerSettings, EmbeddedBroker
from comitia.config import KafkaSettings, load
from comitia.errors import ConfigError, Fenced, Poison, Retryable
from comitia.ports import Ack, Committed, Outgoing, Reader, ReaderSpec, TopicPartition, TopicSpec
from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_log import KafkaLog
from comitia.runtime.kafka_writer import KafkaWriter
from tests.conftest import free_ports


async def connect(bootstrap: str) -> KafkaLog:
    return await KafkaLog.open(load(KafkaSettings, {"bootstrap": bootstrap}), "test")


@pytest.fixture
async def log(broker: str) -> AsyncIterator[KafkaLog]:
    opened = await connect(broker)
    yield opened
    await opened.close()


async def topic(log: KafkaLog, **config: str) -> str:
    name = f"kafka-log-{uuid.uuid4().hex}"
    settings = {key.replace("_", "."): value for key, value in config.items()}
    await log.create([TopicSpec(name, 1, config=settings)])
    return name


async def values(log: KafkaLog, name: str, count: int) -> list[bytes | None]:
    reader = await log.reader(ReaderSpec((name,)))
    found: list[bytes | None] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found += [record.value for record in await reader.fetch(100, 500)]
    await reader.close()
    return found


def believe_no_limit(writer: KafkaWriter, name: str) -> None:
    """As if the topic's limit had been lowered after the writer looked it up."""
    writer._limits._known[name] = (1, 10_000_000)


async def test_a_writer_heals_after_the_broker_refused_a_record(log: KafkaLog) -> None:
    name = await topic(log, max_message_bytes="100000")
    writer = await log.writer()
    believe_no_limit(writer, name)
    await (await writer.send(Outgoing(name, b"before")))
    with pytest.raises(Poison) as caught:
        await (await writer.send(Outgoing(name, b"x" * 200_000)))
    assert caught.value.reason == "TOO_LARGE"
    # aiokafka's own producer would fail every later record of the partition:
    # OutOfOrderSequenceNumber.
    for value in (b"after", b"and on"):
        await (await writer.send(Outgoing(name, value)))
    assert await values(log, name, 3) == [b"before", b"after", b"and on"]
    await writer.close()


async def test_a_transaction_with_a_refused_record_aborts_and_needs_a_new_writer(
    log: KafkaLog,
) -> None:
    name = await topic(log, max_message_bytes="100000")
    transactional_id = uuid.uuid4().hex
    writer = await log.writer(transactional_id)
    believe_no_limit(writer, name)
    await writer.begin()
    fits = await writer.send(Outgoing(name, b"fits"))
    await fits
    (refused,) = await writer.append([Outgoing(name, b"x" * 200_000)])
    with pytest.raises(Poison) as caught:
        await writer.commit()
    assert caught.value is refused
    await writer.abort()
    with pytest.raises(Fenced, match="refused a record"):
        await writer.begin()
    await writer.close()
    again = await log.writer(transactional_id)
    await again.begin()
    await again.send(Outgoing(name, b"second try"))
    await again.commit()
    await again.close()
    assert await values(log, name, 1) == [b"second try"]


async def test_a_batch_that_has_become_too_large_is_sent_again_in_smaller_ones(
    log: KafkaLog,
) -> None:
    name = await topic(log, max_message_bytes="100000")
    writer = await log.writer()
    believe_no_limit(writer, name)
    sent = [Outgoing(name, b"%d" % number + b"x" * 1_000) for number in range(300)]
    results = await writer.append(sent)
    assert {type(result) for result in results} == {Retryable}
    assert all(isinstance(result, Ack) for result in await writer.append(sent))
    assert await values(log, name, 300) == [record.value for record in sent]
    await writer.close()


async def test_a_topic_with_a_limit_below_a_batch_is_refused_with_advice(log: KafkaLog) -> None:
    name = await topic(log, max_message_bytes="1000")
    writer = await log.writer()
    with pytest.raises(ConfigError, match=r"max\.message\.bytes is 1000; raise it"):
        await writer.send(Outgoing(name, b"a"))
    await writer.close()


async def test_a_broker_that_is_away_at_start_is_named() -> None:
    address = f"{HOST}:{free_ports(1)}"
    with pytest.raises(Retryable, match=address):
        await connect(address)


@pytest.mark.parametrize("address", ["nonsense", "host:", ":9092", "host:99999", "a:1,,b:2"])
async def test_what_cannot_be_an_address_is_a_config_error(address: str) -> None:
    with pytest.raises(ConfigError, match=r"COMITIA_BOOTSTRAP.*host:port"):
        await connect(address)


async def test_a_replication_that_the_cluster_cannot_give_is_a_config_error(log: KafkaLog) -> None:
    with pytest.raises(ConfigError, match="COMITIA_REPLICATION"):
        await log.create([TopicSpec(f"wide-{uuid.uuid4().hex}", 1, replication=3)])


async def test_a_setting_that_kafka_does_not_know_is_a_config_error(log: KafkaLog) -> None:
    spec = TopicSpec(f"odd-{uuid.uuid4().hex}", 1, config={"retention.ms": "soon"})
    with pytest.raises(ConfigError, match=spec.name):
        await log.create([spec])


async def test_a_broker_that_never_answers_is_named() -> None:
    # The kernel takes the connection; nobody reads from it.
    with socket.create_server((HOST, 0)) as silent:
        address = f"{HOST}:{silent.getsockname()[1]}"
        log = KafkaLog(KafkaClient(address, request_timeout_ms=300))
        with pytest.raises(Retryable, match=address):
            await log.start()
        await log.close()


async def test_a_broker_that_goes_away_is_told_by_fetch_until_it_is_back(
    tmp_path: Path, cache_dir: Path
) -> None:
    with EmbeddedBroker(BrokerSettings(tmp_path, cache_dir, free_ports(2))) as running:
        log = KafkaLog(KafkaClient(running.bootstrap, request_timeout_ms=2_000))
        await log.start()
        name = await topic(log)
        writer, reader = await log.writer(), await log.reader(ReaderSpec((name,)))
        await (await writer.send(Outgoing(name, b"before")))
        async with asyncio.timeout(300):
            while not await reader.fetch(10, 100):
                pass
            await asyncio.to_thread(running.stop_node, 0)
            with pytest.raises(Retryable, match=rf"{running.bootstrap}: no answer.*is the broker"):
                while True:
                    await reader.fetch(10, 100)
            await asyncio.to_thread(running.start_node, 0)
            await (await writer.send(Outgoing(name, b"after")))
            assert [value async for value in recovered(reader)] == [b"after"]
        await reader.close()
        await writer.close()
        await log.close()


async def recovered(reader: Reader) -> AsyncIterator[bytes | None]:
    """The next record's value, however often fetch says that the broker is away."""
    while True:
        try:
            found = await reader.fetch(10, 100)
        except Retryable:
            continue
        for record in found:
            yield record.value
        if found:
            return


async def test_an_acknowledgement_that_does_not_come_is_retryable(
    log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await topic(log)
    hasty = KafkaLog(KafkaClient(log.client.bootstrap, delivery_timeout_ms=1))
    await hasty.start()
    writer = await hasty.writer()
    await (await writer.send(Outgoing(name, b"a")))
    # As of a broker that takes records and never answers.
    monkeypatch.setattr(writer, "_settle", lambda *_: None)
    ack = await writer.send(Outgoing(name, b"b"))
    with pytest.raises(Retryable, match="may still be appended"):
        await ack
    await writer.close()
    await hasty.close()


async def test_commits_and_fetches_go_on_after_a_cancelled_fetch(log: KafkaLog) -> None:
    name = await topic(log)
    reader = await log.reader(ReaderSpec((name,), uuid.uuid4().hex))
    for _ in range(20):
        fetch = asyncio.create_task(reader.fetch(10, 10_000))
        await asyncio.sleep(0)
        fetch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetch
    writer = await log.writer()
    await (await writer.send(Outgoing(name, b"a")))
    async with asyncio.timeout(30):
        while not (found := await reader.fetch(10, 500)):
            pass
    assert found[0].value == b"a"
    await reader.commit({TopicPartition(name, 0): Committed(1)})
    await writer.close()
    await reader.close()


async def test_a_consumer_whose_membership_ended_is_replaced(
    log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, told = await topic(log), list[str]()
    reader = await log.reader(
        ReaderSpec(
            (name,),
            uuid.uuid4().hex,
            on_assigned=lambda _: told.append("assigned"),
            on_revoked=lambda _: told.append("revoked"),
        )
    )

    async def unknown() -> bool:
        # What aiokafka raises at an answer that it does not know, FENCED_INSTANCE_ID for example.
        raise KafkaError("Unexpected exception in heartbeat task: UnknownError()")

    async with asyncio.timeout(30):
        while not told:
            await reader.fetch(10, 50)
        monkeypatch.setattr(reader._consumer._coordinator, "_do_heartbeat", unknown)
        with pytest.raises(Retryable, match="heartbeat"):
            while True:
                await reader.fetch(10, 50)
        while told != ["assigned", "revoked", "assigned"]:
            await reader.fetch(10, 50)
    await reader.close()


async def test_a_consumer_whose_fetching_ended_goes_on_where_it_stood(
    log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await topic(log)
    writer = await log.writer()
    await (await writer.send(Outgoing(name, b"a")))
    reader = await log.reader(ReaderSpec((name,)))

    def broken(assignment: object) -> None:
        raise RuntimeError("a bug in the fetcher")

    async with asyncio.timeout(30):
        while not await reader.fetch(10, 50):
            pass
        monkeypatch.setattr(reader._consumer._fetcher, "_get_actions_per_node", broken)
        with pytest.raises(Retryable, match="it is replaced"):
            while True:
                await reader.fetch(10, 50)
        await (await writer.send(Outgoing(name, b"b")))
        while not (found := await reader.fetch(10, 50)):
            pass
    assert [record.value for record in found] == [b"b"]
    await reader.close()
    await writer.close()
