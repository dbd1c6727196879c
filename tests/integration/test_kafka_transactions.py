"""A broker without transactions is refused with advice; one whose transactions are not ready yet is
waited for. The broker is real, a proxy before it takes the abilities away.
"""

import asyncio
import uuid

import aiohttp
import pytest

from comitia.broker import HOST
from comitia.config import AggregatorSettings, load
from comitia.errors import ConfigError, Retryable
from comitia.ports import Outgoing, TopicSpec
from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_log import KafkaLog
from comitia.runtime.service import serve
from comitia_aggregator.main import compose
from tests.conftest import free_ports
from tests.integration.kafka_proxy import KafkaProxy

INIT_PRODUCER_ID, ADD_PARTITIONS, END_TRANSACTION = 22, 24, 26


async def opened(proxy: KafkaProxy, request_timeout_ms: int = 10_000) -> KafkaLog:
    log = KafkaLog(KafkaClient(proxy.address, request_timeout_ms=request_timeout_ms))
    await log.start()
    return log


async def test_a_broker_without_transactions_is_refused_with_advice(broker: str) -> None:
    async with KafkaProxy(broker, frozenset({ADD_PARTITIONS, END_TRANSACTION})) as proxy:
        log = await opened(proxy)
        with pytest.raises(ConfigError, match=r"no transactions.*at-least-once.*AddPartitions"):
            await log.writer(uuid.uuid4().hex)
        # What is promised at least once does without.
        await log.create([TopicSpec(name := uuid.uuid4().hex, 1)])
        writer = await log.writer()
        assert (await (await writer.send(Outgoing(name, b"plain")))).offset == 0
        await writer.close()
        await log.close()


@pytest.mark.parametrize("transactional_id", [None, "some-id"])
async def test_a_broker_without_idempotent_writers_is_refused_whatever_the_delivery(
    broker: str, transactional_id: str | None
) -> None:
    async with KafkaProxy(broker, frozenset({INIT_PRODUCER_ID})) as proxy:
        log = await opened(proxy)
        with pytest.raises(ConfigError, match=r"use Apache Kafka 2\.5 or newer") as caught:
            await log.writer(transactional_id)
        assert "at-least-once" not in str(caught.value)
        await log.close()


async def test_a_transaction_coordinator_that_is_not_ready_yet_is_waited_for(broker: str) -> None:
    async with KafkaProxy(broker) as proxy:
        proxy.coordinating = False
        hasty = await opened(proxy, request_timeout_ms=500)
        with pytest.raises(Retryable, match=r"coordinator.*transaction\.state\.log\.min\.isr"):
            await hasty.writer("waits")
        await hasty.close()
        while not proxy.refused.locked():
            await proxy.refused.acquire()
        log = await opened(proxy)
        starting = asyncio.create_task(log.writer("waits"))
        async with asyncio.timeout(30):
            await proxy.refused.acquire()
            await proxy.refused.acquire()
            assert not starting.done()
            proxy.coordinating = True
            writer = await starting
        await writer.begin()
        await writer.abort()
        await writer.close()
        await log.close()


async def test_an_aggregator_ends_on_a_broker_without_transactions_unless_told_otherwise(
    broker: str,
) -> None:
    async with KafkaProxy(broker, frozenset({ADD_PARTITIONS, END_TRANSACTION})) as proxy:
        given = {"bootstrap": proxy.address, "prefix": f"{uuid.uuid4().hex}."}
        settings = load(AggregatorSettings, given)
        with pytest.raises(ConfigError, match="COMITIA_DELIVERY=at-least-once"):
            async with asyncio.timeout(60):
                await serve("aggregator", settings, compose, KafkaLog.open, "i-1")
        port = free_ports(1)
        told = load(AggregatorSettings, {**given, "delivery": "at-least-once", "http_port": port})
        running = asyncio.create_task(serve("aggregator", told, compose, KafkaLog.open, "i-2"))
        async with asyncio.timeout(60):
            await ready(f"http://{HOST}:{port}/readyz")
        running.cancel()
        await asyncio.wait({running})


async def ready(address: str) -> None:
    """Wait until a service says that it is."""
    async with aiohttp.ClientSession() as client:
        while True:
            try:
                async with client.get(address) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass  # It does not listen yet.
            await asyncio.sleep(0.1)
