"""What Comitia asks of the outside world, as small Protocols: Clock, Log (with Reader and Writer),
Model.

Adapters implement them: comitia.runtime (Apache Kafka through aiokafka) and comitia.inference (ONNX
Runtime) for real, comitia.testing (LocalLog, ManualClock, ScriptedModel) for tests. One suite
checks both sides of each port.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from comitia.errors import ComitiaError
from comitia.model_port import (
    Attention,
    Embeddings,
    Generation,
    Model,
    Piece,
    Prompt,
    Sampling,
    Scores,
    Step,
    TokenChance,
    Usage,
    Watch,
)
from comitia.values import value

__all__ = [
    "Ack",
    "Attention",
    "Clock",
    "Committed",
    "Embeddings",
    "Generation",
    "Log",
    "Model",
    "OnPartitions",
    "Outgoing",
    "Partitions",
    "Piece",
    "Prompt",
    "Reader",
    "ReaderSpec",
    "Record",
    "Sampling",
    "Scores",
    "Step",
    "TokenChance",
    "TopicPartition",
    "TopicSpec",
    "Usage",
    "Watch",
    "Writer",
]


class Clock(Protocol):
    """Time as an argument, in milliseconds. Only differences of `monotonic_ms` mean anything."""

    def now_ms(self) -> int:
        """The broker's clock, as well as it is known: milliseconds since 1970-01-01 UTC. It steps
        back only where the broker's clock was set back.
        """

    def monotonic_ms(self) -> float:
        """Never goes back."""


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of a topic, by the topic's full name."""

    topic: str
    partition: int


@value
class Record:
    """A record as read. `timestamp_ms`: append time where the topic keeps append time, else the
    producer's time.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@value
class Outgoing:
    """A record to append. `partition` None: murmur2(key) modulo the partition count."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


@value
class Ack:
    """Where an appended record stands. `timestamp_ms` is the append time, or -1 where the topic
    keeps the producer's.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


@value
class Committed:
    """A group's committed position: the next offset to read, and the committer's own metadata (up
    to 4 KiB).
    """

    offset: int
    metadata: str = ""


Partitions = frozenset[TopicPartition]
# Called without I/O and without awaiting: note what changed, start work elsewhere.
OnPartitions = Callable[[Partitions], None]


@dataclass(frozen=True, slots=True)
class ReaderSpec:
    """What to read and as whom.

    With a `group`, partitions are shared out among its members, reading starts at the committed
    position (else at `start`) and commits are allowed. Without one, the reader has every partition
    of `topics` (or just those in `partitions`). `instance_id` makes the membership static.
    `read_committed` hides open and aborted transactions.
    """

    topics: tuple[str, ...] = ()
    group: str | None = None
    instance_id: str | None = None
    read_committed: bool = True
    start: Literal["earliest", "latest"] = "earliest"
    partitions: tuple[TopicPartition, ...] = ()
    on_assigned: OnPartitions | None = field(default=None, compare=False)
    on_revoked: OnPartitions | None = field(default=None, compare=False)


class Reader(Protocol):
    """One consumer of a log. Any call may raise Retryable when the broker is away."""

    async def fetch(self, records_max: int, timeout_ms: int) -> Sequence[Record]:
        """Up to `records_max` in offset order per partition; none after `timeout_ms` without."""

    def assignment(self) -> Partitions: ...

    def pause(self, partitions: Partitions) -> None:
        """Fetch skips these until resumed. A rebalance forgets it."""

    def resume(self, partitions: Partitions) -> None: ...

    def seek(self, partition: TopicPartition, offset: int) -> None: ...

    async def position(self, partition: TopicPartition) -> int:
        """Next offset to be fetched; moves past aborted and control records too."""

    async def end_offsets(self, partitions: Partitions) -> Mapping[TopicPartition, int]:
        """The last stable offset with `read_committed`, else the high watermark."""

    def lag(self) -> Mapping[TopicPartition, int]:
        """Offsets from the position to the end of each partition held; no request: the end is as
        the last fetch or `end_offsets` told it. Without such a word a partition is left out.
        """

    async def offsets_at(
        self, partitions: Partitions, timestamp_ms: int
    ) -> Mapping[TopicPartition, int]:
        """First offset with a timestamp at or after `timestamp_ms`; the end where there is none."""

    async def committed(self, partition: TopicPartition) -> Committed | None: ...

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        """Checked against the group's generation; Retryable when the partition was lost."""

    async def close(self) -> None: ...


class Writer(Protocol):
    """One idempotent producer, transactional when it was opened with an id."""

    async def send(self, record: Outgoing) -> Awaitable[Ack]:
        """Queue a record, in order per partition; the returned awaitable is the broker's
        acknowledgement.

        Raises Poison when the record exceeds the topic's or the producer's limit (TOO_LARGE) or
        names a partition that the topic does not have (NO_PARTITION), Retryable when the broker is
        away for longer than the delivery timeout.
        """

    async def append(self, records: Sequence[Outgoing]) -> list[Ack | ComitiaError]:
        """Queue all, in order per partition, and await every acknowledgement; one result a record.

        What `send` or its acknowledgement would raise is a value here, so that one refused record
        says nothing about the others: Poison, Retryable, Fenced, ConfigError. In a transaction,
        `commit` raises the first of those that the broker gave; a record that was refused before it
        was sent (its size, its partition) is only told here, and the rest can be committed.
        """

    async def begin(self) -> None: ...

    async def commit(self) -> None: ...

    async def abort(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be, or as it was found. `config` holds Kafka's own setting names and
    values as text.

    `replication` -1 leaves the factor to the broker's default.
    """

    name: str
    partitions: int
    replication: int = -1
    config: Mapping[str, str] = field(default_factory=dict)


class Log(Protocol):
    """An ordered, partitioned, durable log: Apache Kafka, or LocalLog in tests."""

    async def reader(self, spec: ReaderSpec) -> Reader: ...

    async def writer(self, transactional_id: str | None = None) -> Writer:
        """With an id: fences the former holder of that id and aborts what it had open."""

    async def describe(self, topics: Sequence[str]) -> Mapping[str, TopicSpec]:
        """The topics that exist, of those asked for."""

    async def create(self, topics: Sequence[TopicSpec]) -> None:
        """Create those that do not exist; leave the others as they are."""

    async def close(self) -> None: ...
