"""One suite for both logs: every test here runs on LocalLog and on Apache Kafka, through
comitia.ports alone.
"""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from comitia.ports import Log
from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_log import KafkaLog
from comitia.testing import LocalLog
from tests.contract.world import SESSION_MS, TRANSACTION_MS, World


@pytest.fixture(params=["local", "kafka"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "local":
        log: Log = LocalLog(session_timeout_ms=SESSION_MS, transaction_timeout_ms=TRANSACTION_MS)
    else:
        bootstrap = request.getfixturevalue("broker")
        kafka = KafkaLog(
            KafkaClient(
                bootstrap,
                "contract",
                session_timeout_ms=SESSION_MS,
                transaction_timeout_ms=TRANSACTION_MS,
                fetch_wait_ms=20,
            )
        )
        await kafka.start()
        log = kafka
    world = World(log)
    left: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left.append(str(context)))
    yield world
    await world.close()
    if request.param == "kafka":
        # Errors that nobody looked at and clients that nobody closed are told when collected.
        world.opened.clear()
        gc.collect()
    assert left == []
