"""One suite for both logs: every test here runs on LocalLog and on Apache Kafka, through
comitia.ports alone.
"""

from collections.abc import AsyncIterator

import pytest

from comitia.ports import Log
from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_log import KafkaLog
from comitia.testing import LocalLog
from tests.contract.world import World


@pytest.fixture(params=["local", "kafka"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "local":
        log: Log = LocalLog(session_timeout_ms=3_000, transaction_timeout_ms=2_000)
    else:
        bootstrap = request.getfixturevalue("broker")
        kafka = KafkaLog(
            KafkaClient(
                bootstrap,
                "contract",
                session_timeout_ms=3_000,
                transaction_timeout_ms=2_000,
                fetch_wait_ms=20,
            )
        )
        await kafka.start()
        log = kafka
    world = World(log)
    yield world
    await world.close()
