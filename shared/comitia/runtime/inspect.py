"""What a cluster is and allows, asked through Kafka's own protocol, for `comitia doctor`.

Settings come in, `Findings` go out: version, brokers, transactions, ACLs, topics with their
settings. Nothing is changed but one transactional id, used and left without a transaction. What the
cluster does not let us see is None rather than a guess.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NoError,
    SecurityDisabled,
    TransactionalIdAuthorizationFailed,
    for_code,
)
from aiokafka.protocol.admin import DescribeAclsRequest_v1
from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from comitia.config import KafkaSettings
from comitia.errors import ConfigError
from comitia.ports import TopicSpec
from comitia.runtime import kafka_transactions
from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_producer import Producer
from comitia.runtime.kafka_security import Security
from comitia.topics import Names

TIMEOUT_S = 15.0
BROKER_SETTINGS = (
    "auto.create.topics.enable",
    "default.replication.factor",
    "group.min.session.timeout.ms",
    "log.message.timestamp.type",
    "message.max.bytes",
    "min.insync.replicas",
    "transaction.max.timeout.ms",
    "transaction.state.log.min.isr",
)
# The highest metadata.version that a release supports, from MetadataVersion.java of Apache Kafka
# 4.1.
RELEASES = (
    (7, "3.3"), (8, "3.4"), (11, "3.5"), (14, "3.6"), (19, "3.7"), (20, "3.8"), (21, "3.9"),
    (25, "4.0"), (27, "4.1"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Findings:
    """A cluster as it was found.

    `security`: protocol, mechanism and user of our connection, in words. `version`: of the broker
    asked, "4.1", "older than 3.3" or "newer than 4.1"; None if it is not Apache Kafka in KRaft
    mode. `acls`: does it check them; None when we may not ask. `transactions_problem`: None when
    transactions work, or when we may not try them: `transactions_hidden` then says what to grant.
    `topics`: by full name, internal ones left out; a topic whose settings we may not read has an
    empty `config`.
    """

    brokers: int
    security: str
    version: str | None
    acls: bool | None
    transactions_problem: str | None
    transactions_hidden: str | None
    topics: Mapping[str, TopicSpec]
    broker_config: Mapping[str, str]


async def inspect(settings: KafkaSettings) -> Findings:
    """Ask the cluster of `settings`; takes up to half a minute.

    ConfigError when no Apache Kafka answers there or it does not let us in; Retryable when it stops
    answering in the middle.
    """
    client = KafkaClient(settings.bootstrap, "comitia-doctor", security=Security(settings))
    transactional_id = Names(settings.prefix).group("doctor")
    admin = AIOKafkaAdminClient(**client.options())
    try:
        with client.mapped(f"inspecting Apache Kafka at {client.bootstrap}"):
            async with asyncio.timeout(TIMEOUT_S):
                await _connect(admin, client)
                topics = await admin.describe_topics(None)
                cluster = await admin.describe_cluster()
                nodes = sorted(broker["node_id"] for broker in cluster["brokers"])
                configs = await _configs(
                    admin, [t["topic"] for t in topics if not t["is_internal"]]
                )
                problem, hidden = await _transactions(client, transactional_id)
                return Findings(
                    brokers=len(nodes),
                    security=client.security.words,
                    version=await _version(admin, nodes[0]),
                    acls=await _acls(admin),
                    transactions_problem=problem,
                    transactions_hidden=hidden,
                    topics={t["topic"]: _spec(t, configs) for t in topics if not t["is_internal"]},
                    broker_config=await _broker_config(admin, nodes[0]),
                )
    finally:
        await admin.close()


async def _connect(admin: AIOKafkaAdminClient, client: KafkaClient) -> None:
    try:
        await admin.start()
    except KafkaConnectionError as error:
        failure = client.security.not_started("connecting")
        if isinstance(failure, ConfigError):
            raise failure from error
        raise ConfigError(
            f"no Apache Kafka answers at {client.bootstrap} ({failure}). Check the address given"
            " with --bootstrap or COMITIA_BOOTSTRAP, and that the cluster runs."
        ) from error


def _spec(topic: Mapping[str, Any], configs: Mapping[str, Mapping[str, str]]) -> TopicSpec:
    partitions = topic["partitions"]
    copies = min((len(partition["replicas"]) for partition in partitions), default=0)
    return TopicSpec(topic["topic"], len(partitions), copies, configs.get(topic["topic"], {}))


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> Mapping[str, Mapping[str, str]]:
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    return _entries(await admin.describe_configs(asked))


async def _broker_config(admin: AIOKafkaAdminClient, node: int) -> Mapping[str, str]:
    # aiokafka looks the resource up as a node, the broker wants its id as text.
    asked = [ConfigResource(ConfigResourceType.BROKER, str(node))]
    found = _entries(await admin.describe_configs(asked)).get(str(node), {})
    return {name: found[name] for name in BROKER_SETTINGS if name in found}


def _entries(replies: list[Any]) -> Mapping[str, Mapping[str, str]]:
    """name -> settings. What we may not read is left out."""
    return {
        name: {entry[0]: entry[1] for entry in entries if entry[1] is not None}
        for reply in replies
        for code, _, _, name, entries in reply.resources
        if code == NoError.errno
    }


async def _transactions(
    client: KafkaClient, transactional_id: str
) -> tuple[str | None, str | None]:
    """Ask for a producer id under a transactional id, as every owner of a partition does: the
    problem, and what to grant where we may not.
    """
    producer = Producer(client, transactional_id)
    try:
        async with asyncio.timeout(TIMEOUT_S / 2):
            await producer.start()
        kafka_transactions.require(producer)
    except TransactionalIdAuthorizationFailed:
        return None, client.security.grant("Write", "transactional-id", transactional_id)
    except (KafkaError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}".rstrip(": "), None
    finally:
        await producer.stop()
    return None, None


# aiokafka carries no types, so its base classes are Any to the type checker.
class _DescribeAcls(Request[DescribeAclsRequest_v1]):  # type: ignore[misc]
    """All ACLs there are. Version 1 by hand: aiokafka's version 2 lacks the flexible encoding that
    it must have.
    """

    API_KEY = 29

    def build(self, request_struct_class: type[DescribeAclsRequest_v1]) -> DescribeAclsRequest_v1:
        # Any resource type, any name, any pattern, any principal, any host, any operation, any
        # permission.
        return request_struct_class(1, None, 1, None, None, 1, 1)


async def _acls(admin: AIOKafkaAdminClient) -> bool | None:
    reply = await admin._send_request(_DescribeAcls())
    if reply.error_code == SecurityDisabled.errno:
        return False
    return True if for_code(reply.error_code) is NoError else None


class _FeaturesResponse(Response):  # type: ignore[misc]
    """ApiVersions v3: its tag 0 lists what the broker's software supports, by feature."""

    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "api_versions",
            CompactArray(
                ("api_key", Int16), ("min", Int16), ("max", Int16), ("tags", TaggedFields)
            ),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class _FeaturesStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 18
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _FeaturesResponse
    SCHEMA = Schema(
        ("client_software_name", CompactString("utf-8")),
        ("client_software_version", CompactString("utf-8")),
        ("tags", TaggedFields),
    )

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> ResponseHeader_v0:
        # KIP-511: this one response keeps the old header, for clients that are newer than the
        # broker.
        return ResponseHeader_v0.decode(read_buffer)


class _FeaturesRequest(Request[_FeaturesStruct]):  # type: ignore[misc]
    API_KEY = 18

    def build(self, request_struct_class: type[_FeaturesStruct]) -> _FeaturesStruct:
        return request_struct_class("comitia", "0", {})


_FEATURES = CompactArray(
    ("name", CompactString("utf-8")), ("min", Int16), ("max", Int16), ("tags", TaggedFields)
)


async def _version(admin: AIOKafkaAdminClient, node: int) -> str | None:
    try:
        reply = await admin._send_request(_FeaturesRequest(), node)
    except NotImplementedError:
        return None  # ApiVersions v3 came with Apache Kafka 2.4
    supported = _FEATURES.decode(BytesIO(reply.tags.get(0, b"\x01"))) or []
    level = next((highest for name, _, highest, _ in supported if name == "metadata.version"), None)
    return None if level is None else release_of(level)


def release_of(level: int) -> str:
    """The release whose newest metadata.version this is, as far as this list knows them."""
    if level > RELEASES[-1][0]:
        return f"newer than {RELEASES[-1][1]}"
    if level < RELEASES[0][0]:
        return f"older than {RELEASES[0][1]}"
    return next(release for highest, release in RELEASES if level <= highest)
