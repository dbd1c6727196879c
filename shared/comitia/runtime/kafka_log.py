"""KafkaLog: Apache Kafka as comitia.ports.Log, through aiokafka. Makes readers and writers and
knows the topics.

In come specs by full topic name, out come KafkaReader and KafkaWriter. Topics are looked up before
they are used, so that a missing one is named at once (clients would wait for it, or have the broker
create it with settings nobody chose).
"""

from collections.abc import Mapping, Sequence

from comitia.config import KafkaSettings
from comitia.ports import ReaderSpec, TopicPartition, TopicSpec
from comitia.runtime.kafka_admin import KafkaAdmin, missing_topics
from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_reader import KafkaReader
from comitia.runtime.kafka_security import Security
from comitia.runtime.kafka_writer import KafkaWriter


class KafkaLog:
    """One cluster. Readers and writers that it made are closed by whoever asked for them."""

    def __init__(self, client: KafkaClient) -> None:
        self.client = client
        self._admin = KafkaAdmin(client)

    @classmethod
    async def open(cls, settings: KafkaSettings, client_id: str) -> "KafkaLog":
        """Connect. Retryable when no broker answers, ConfigError when the address cannot be one or
        the brokers do not let us in.
        """
        log = cls(
            KafkaClient(
                settings.bootstrap,
                client_id,
                session_timeout_ms=settings.session_timeout_ms,
                security=Security(settings),
            )
        )
        await log.start()
        return log

    async def start(self) -> None:
        """Connect. Retryable, naming the address, when no broker answers; ConfigError, naming the
        variable, when they do not let us in.
        """
        await self._admin.start()

    async def reader(self, spec: ReaderSpec) -> KafkaReader:
        wanted = {*spec.topics, *(tp.topic for tp in spec.partitions)}
        topics = await self._existing(sorted(wanted))
        reader = KafkaReader(self.client, spec, self._admin)
        await reader.start(
            frozenset(spec.partitions)
            or frozenset(
                TopicPartition(name, number)
                for name in spec.topics
                for number in range(topics[name].partitions)
            )
        )
        return reader

    async def writer(self, transactional_id: str | None = None) -> KafkaWriter:
        writer = KafkaWriter(self.client, transactional_id, self._topic)
        await writer.start()
        return writer

    async def describe(self, topics: Sequence[str]) -> Mapping[str, TopicSpec]:
        return await self._admin.describe(topics)

    async def create(self, topics: Sequence[TopicSpec]) -> None:
        await self._admin.create(topics)

    async def close(self) -> None:
        await self._admin.close()

    async def _topic(self, name: str) -> TopicSpec:
        return (await self._existing([name]))[name]

    async def _existing(self, names: Sequence[str]) -> Mapping[str, TopicSpec]:
        found = await self.describe(names)
        error = missing_topics(names, found)
        if error is not None:
            raise error
        return found
