"""Topics and committed positions of an Apache Kafka cluster. In come names and specs, out come
topics as they are found.

Wraps aiokafka's admin client: its requests are sent once, so passing faults are retried here until
the request timeout.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupLoadInProgressError,
    KafkaConnectionError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.structs import OffsetAndMetadata

from comitia.errors import ConfigError, Retryable
from comitia.ports import Committed, TopicPartition, TopicSpec
from comitia.runtime.kafka_client import KafkaClient, Right

T = TypeVar("T")
_BACKOFF_S = 0.1
# How often it is looked whether a topic that exists appears in the list before it counts as hidden.
_LISTINGS = 10


class KafkaAdmin:
    """One admin client. Every call raises Retryable when the cluster stays away for the request
    timeout.
    """

    def __init__(self, client: KafkaClient) -> None:
        self._client = client
        self._admin = AIOKafkaAdminClient(**client.options())

    async def start(self) -> None:
        """Retryable, naming the address, when no broker answers; ConfigError, naming the variable,
        when they do not let us in.
        """
        doing = f"connecting to Apache Kafka at {self._client.bootstrap}"
        # aiokafka has a timeout for each address; cut short from outside, a connection would leak.
        with self._client.mapped(doing):
            try:
                await self._admin.start()
            except KafkaConnectionError as error:
                raise self._client.security.not_started(doing) from error

    async def close(self) -> None:
        await self._admin.close()

    async def describe(self, topics: Sequence[str]) -> dict[str, TopicSpec]:
        """Those of `topics` that exist, with all their settings, the broker's defaults included."""
        # All topics are listed, because asking for one by name may create it.
        listed, wanted = await self._listed(), set(topics)
        found = {t["topic"]: t["partitions"] for t in listed if t["topic"] in wanted}
        await self._check_hidden(sorted(wanted - set(found)))
        configs = await self._configs(sorted(found))
        return {
            name: TopicSpec(
                name,
                len(partitions),
                min((len(p["replicas"]) for p in partitions), default=0),
                configs.get(name, {}),
            )
            for name, partitions in found.items()
        }

    async def create(self, topics: Sequence[TopicSpec]) -> None:
        """Create those that do not exist, and wait until each partition has a leader."""
        existing = await self.describe([spec.name for spec in topics])
        missing = {spec.name: spec for spec in topics if spec.name not in existing}
        if not missing:
            return
        wanted = [_new_topic(spec) for spec in missing.values()]
        response = await self._retried(
            "creating topics",
            lambda: self._admin.create_topics(wanted, timeout_ms=self._client.request_timeout_ms),
        )
        for name, code, message in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise self._client.translate(
                    error(message or ""), f"creating topic {name}", Right("Create", "topic", name)
                )
        await self._led(missing)

    async def committed(self, group: str, partition: TopicPartition) -> Committed | None:
        """The group's position and metadata, which aiokafka's consumer hides."""
        key = KafkaPartition(partition.topic, partition.partition)

        async def ask() -> OffsetAndMetadata:
            found = await self._admin.list_consumer_group_offsets(group, partitions=[key])
            if key not in found:
                # Of an error for the whole group aiokafka 0.14.0 says nothing. What was never
                # committed is answered too, as -1: taken for it, all would be read from the start.
                raise GroupLoadInProgressError("the coordinator has moved, or is loading the group")
            return found[key]

        doing = f"reading the committed position of {group}"
        position = await self._retried(doing, ask, Right("Read", "group", group))
        if position.offset < 0:
            return None
        return Committed(position.offset, position.metadata or "")

    async def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        configs: dict[str, dict[str, str]] = {}
        for code, message, _, name, entries in await self._described(names):
            if code:
                right = Right("DescribeConfigs", "topic", name)
                doing = f"reading the settings of {name}"
                raise self._client.translate(for_code(code)(message or ""), doing, right)
            configs[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
        return configs

    async def _check_hidden(self, names: Sequence[str]) -> None:
        """The broker lists only what we may see. Whether one that is not listed is missing or
        hidden, its settings tell: asking for them makes no topic.
        """
        told = {name: for_code(code) for code, _, _, name, _ in await self._described(names)}
        hidden = [name for name in told if told[name] is TopicAuthorizationFailedError]
        hidden += await self._unlisted([name for name in told if told[name] is NoError])
        if hidden:
            rights = (Right("Describe", "topic", name) for name in hidden)
            raise ConfigError(
                "; ".join(f"{self._client.security.grant(*right)}" for right in rights)
                + ", and DescribeConfigs: they are hidden, or do not exist"
            )

    async def _unlisted(self, names: Sequence[str]) -> list[str]:
        """Those of `names`, which exist, that are not listed in a while either: one that another
        service makes just now is.
        """
        missing = list(names)
        for _ in range(_LISTINGS):
            if not missing:
                break
            await asyncio.sleep(_BACKOFF_S)
            listed = {topic["topic"] for topic in await self._listed()}
            missing = [name for name in missing if name not in listed]
        return missing

    async def _described(self, names: Sequence[str]) -> list[Any]:
        """Of each name: error code, message, resource type, name, settings."""
        if not names:
            return []
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        responses = await self._retried(
            "reading topics' settings", lambda: self._admin.describe_configs(resources)
        )
        return [found for response in responses for found in response.resources]

    async def _led(self, topics: Mapping[str, TopicSpec]) -> None:
        """Creation is acknowledged before every broker knows of it."""
        give_up = asyncio.get_running_loop().time() + self._client.request_timeout_ms / 1000
        while not await self._all_led(topics):
            if asyncio.get_running_loop().time() > give_up:
                raise Retryable(f"topics without a leader after creation: {', '.join(topics)}")
            await asyncio.sleep(_BACKOFF_S)

    async def _all_led(self, topics: Mapping[str, TopicSpec]) -> bool:
        led = {
            topic["topic"]: sum(1 for partition in topic["partitions"] if partition["leader"] >= 0)
            for topic in await self._listed()
        }
        return all(led.get(name, 0) >= spec.partitions for name, spec in topics.items())

    async def _listed(self) -> list[dict[str, Any]]:
        return await self._retried("listing topics", lambda: self._admin.describe_topics(None))

    async def _retried(self, doing: str, call: Callable[[], Awaitable[T]], *needs: Right) -> T:
        """Repeat `call` while aiokafka calls its error retriable, up to the request timeout."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._client.request_timeout_ms / 1000
        doing = f"{doing} at {self._client.bootstrap}"
        while True:
            with self._client.mapped(doing, *needs):
                try:
                    async with asyncio.timeout_at(max(give_up, loop.time() + _BACKOFF_S)):
                        return await call()
                except KafkaError as error:
                    if not error.retriable or loop.time() > give_up:
                        raise
            await asyncio.sleep(_BACKOFF_S)


def _new_topic(spec: TopicSpec) -> NewTopic:
    # aiokafka lets -1 pass, the broker's own default, only beside an assignment; an empty one means
    # none.
    assignment: dict[int, list[int]] | None = {} if spec.replication == -1 else None
    return NewTopic(
        spec.name, spec.partitions, spec.replication, assignment, topic_configs=dict(spec.config)
    )


def missing_topics(wanted: Iterable[str], found: Mapping[str, Any]) -> ConfigError | None:
    """What to say of topics that are not there; None when all are."""
    missing = sorted(set(wanted) - set(found))
    if not missing:
        return None
    verb = "does" if len(missing) == 1 else "do"
    return ConfigError(
        f"topic {', '.join(missing)} {verb} not exist: create it with `comitia topics --apply`"
    )
