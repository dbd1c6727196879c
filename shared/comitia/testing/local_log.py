"""LocalLog: Apache Kafka's promises in memory, deterministic, on a ManualClock. Implements
comitia.ports.Log.

It models append times, partitioning, groups with rebalances and static members, committed metadata,
transactions with the last stable offset, fencing, markers' gaps in offsets and size limits. It
passes the contract suite that Apache Kafka passes (tests/contract). What a broker does on its own,
expiry of sessions and transactions, happens as the clock is advanced. `fetch` waits until records
come, its timeout has passed on the event loop, or the clock was advanced by it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from comitia.errors import ConfigError
from comitia.ports import ReaderSpec, TopicPartition, TopicSpec
from comitia.testing.clock import ManualClock
from comitia.testing.group import Group
from comitia.testing.partition import Partition
from comitia.testing.reader import LocalReader
from comitia.testing.writer import LocalWriter

# Apache Kafka's defaults, for topics that do not say.
DEFAULTS = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
}

# Asked before each operation: (operation, topic, group or id) -> an error to raise, or None.
# Operations: append, fetch, position, end_offsets, offsets_at, committed, commit,
# commit_transaction, abort_transaction, reader, writer, describe, create.
Fault = Callable[[str, str], Exception | None]


@dataclass(frozen=True, slots=True)
class LocalTopic:
    """A topic and its partitions, by number."""

    spec: TopicSpec
    partitions: tuple[Partition, ...]

    @property
    def append_time(self) -> bool:
        return self.spec.config["message.timestamp.type"] == "LogAppendTime"

    @property
    def bytes_max(self) -> int:
        return int(self.spec.config["max.message.bytes"])


class LocalLog:
    """The log. `fault` may be set to make operations fail; times are milliseconds of `clock`."""

    def __init__(
        self,
        clock: ManualClock | None = None,
        *,
        session_timeout_ms: int = 10_000,
        transaction_timeout_ms: int = 10_000,
    ) -> None:
        self.clock = clock or ManualClock()
        self.fault: Fault = lambda operation, subject: None
        self._session_timeout_ms = session_timeout_ms
        self._transaction_timeout_ms = transaction_timeout_ms
        self._topics: dict[str, LocalTopic] = {}
        self._groups: dict[str, Group] = {}
        self._readers: list[LocalReader] = []
        self._writers: dict[str, LocalWriter] = {}
        self._readers_made = 0
        self._expired_ms = -1
        self.clock.on_advance(self._advanced)

    async def reader(self, spec: ReaderSpec) -> LocalReader:
        self.check("reader", spec.group or "")
        for name in {*spec.topics, *(tp.topic for tp in spec.partitions)}:
            self.topic(name)
        self._readers_made += 1
        reader = LocalReader(self, spec, f"reader-{self._readers_made:06d}")
        self._readers.append(reader)
        if spec.group is not None:
            reader.start(self._groups.setdefault(spec.group, Group(self._numbers)), frozenset())
        else:
            everything = [tp for name in spec.topics for tp in self._numbers(name)]
            reader.start(None, frozenset(spec.partitions or everything))
        return reader

    async def writer(self, transactional_id: str | None = None) -> LocalWriter:
        self.check("writer", transactional_id or "")
        writer = LocalWriter(self, transactional_id)
        if transactional_id is not None:
            former = self._writers.get(transactional_id)
            if former is not None:
                former.fence()
            self._writers[transactional_id] = writer
            self.changed()
        return writer

    async def describe(self, topics: Sequence[str]) -> Mapping[str, TopicSpec]:
        self.check("describe", "")
        return {name: self._topics[name].spec for name in topics if name in self._topics}

    async def create(self, topics: Sequence[TopicSpec]) -> None:
        self.check("create", "")
        for spec in topics:
            if spec.name not in self._topics:
                full = TopicSpec(spec.name, spec.partitions, 1, {**DEFAULTS, **spec.config})
                partitions = tuple(Partition(spec.name, n) for n in range(spec.partitions))
                self._topics[spec.name] = LocalTopic(full, partitions)

    async def close(self) -> None:
        for reader in tuple(self._readers):
            await reader.close()

    def silence(self, reader: LocalReader) -> None:
        """Stop its heartbeats (a crash, or a zombie until it fetches again): the group drops it
        after the session timeout.
        """
        reader.fall_silent()

    def topic(self, name: str) -> LocalTopic:
        """ConfigError when there is none of this name."""
        try:
            return self._topics[name]
        except KeyError:
            raise ConfigError(
                f"topic {name} does not exist: create it with `comitia topics --apply`"
            ) from None

    def partition(self, partition: TopicPartition) -> Partition:
        """ConfigError when the topic has no such partition."""
        partitions = self.topic(partition.topic).partitions
        if not 0 <= partition.partition < len(partitions):
            raise ConfigError(
                f"topic {partition.topic} has no partition {partition.partition}:"
                f" it has {len(partitions)}"
            )
        return partitions[partition.partition]

    def check(self, operation: str, subject: str) -> None:
        """Let the fault hook speak and the broker's own timeouts act before an operation."""
        self.expire()
        error = self.fault(operation, subject)
        if error is not None:
            raise error

    def expire(self) -> None:
        """Drop silent members and abort transactions that have been open for too long."""
        now_ms = self.clock.now_ms()
        if now_ms == self._expired_ms:
            return
        self._expired_ms = now_ms
        changed = False
        for group in self._groups.values():
            changed |= group.expire(now_ms - self._session_timeout_ms)
        for writer in self._writers.values():
            open_since = writer.transaction.begun_ms if writer.transaction else now_ms
            if now_ms - open_since >= self._transaction_timeout_ms:
                writer.fence()
                changed = True
        if changed:
            self.changed()

    def changed(self) -> None:
        """Wake those who wait for records."""
        for reader in self._readers:
            reader.wake.set()

    def forget(self, reader: LocalReader) -> None:
        """A reader was closed."""
        self._readers.remove(reader)

    def _numbers(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, p.number) for p in self.topic(topic).partitions]

    def _advanced(self) -> None:
        self.expire()
        now_ms = self.clock.monotonic_ms()
        for reader in self._readers:
            if reader.give_up_ms <= now_ms:
                reader.wake.set()
