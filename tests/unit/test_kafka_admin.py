"""What aiokafka's admin client tells while a cluster moves: committed positions, and topics that
somebody else is making.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin.config_resource import ConfigResource
from aiokafka.structs import OffsetAndMetadata

from comitia.errors import ConfigError, Retryable
from comitia.ports import Committed, TopicPartition
from comitia.runtime.kafka_admin import KafkaAdmin
from comitia.runtime.kafka_client import KafkaClient

KEY = KafkaPartition("t", 0)


class Coordinator:
    """Gives these answers in turn, the last one for ever. An error for the whole group, such as
    that it is being loaded, looks like an answer without partitions.
    """

    def __init__(self, *answers: Mapping[KafkaPartition, OffsetAndMetadata]) -> None:
        self.answers = list(answers)

    async def list_consumer_group_offsets(
        self, group: str, partitions: list[KafkaPartition]
    ) -> Mapping[KafkaPartition, OffsetAndMetadata]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def admin(coordinator: "Coordinator | Broker") -> KafkaAdmin:
    # Made without a connection.
    made = object.__new__(KafkaAdmin)
    made._client = KafkaClient("broker:9092", request_timeout_ms=150)
    made._admin = cast("Any", coordinator)
    return made


async def test_a_group_that_is_being_loaded_is_not_taken_for_one_without_commits() -> None:
    loaded = {KEY: OffsetAndMetadata(7, "3")}
    asked = admin(Coordinator({}, {}, loaded)).committed("g", TopicPartition("t", 0))
    assert await asked == Committed(7, "3")
    with pytest.raises(Retryable, match="loading"):
        await admin(Coordinator({})).committed("g", TopicPartition("t", 0))


async def test_a_partition_never_committed_has_no_position() -> None:
    never = Coordinator({KEY: OffsetAndMetadata(-1, "")})
    assert await admin(never).committed("g", TopicPartition("t", 0)) is None


class Broker:
    """Lists these topics in turn, the last time for ever; every topic that is asked for by name
    exists.
    """

    def __init__(self, *listings: list[str]) -> None:
        self.listings = list(listings)

    async def describe_topics(self, _: None) -> list[dict[str, Any]]:
        names = self.listings.pop(0) if len(self.listings) > 1 else self.listings[0]
        return [{"topic": name, "partitions": [{"replicas": [1], "leader": 1}]} for name in names]

    async def describe_configs(self, resources: list[ConfigResource]) -> list[SimpleNamespace]:
        settings: list[Any] = [(0, None, 2, resource.name, []) for resource in resources]
        return [SimpleNamespace(resources=settings)]


async def test_a_topic_that_another_service_makes_meanwhile_is_not_hidden() -> None:
    # Asked for by name it exists; the list is from a moment before.
    assert await admin(Broker([], [], ["t"])).describe(["t"]) == {}


async def test_a_topic_that_is_never_listed_is_hidden() -> None:
    with pytest.raises(ConfigError, match="operation Describe on topic t"):
        await admin(Broker([])).describe(["t"])
