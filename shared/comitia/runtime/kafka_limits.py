"""What the topics of one writer take: how many partitions they have and how large a record may be.

In come names and records, out comes the partition that a record goes to, or the error that the
broker would answer with: what it refuses leaves a producer unusable, so it is refused here first.
"""

from collections.abc import Awaitable, Callable

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from comitia.errors import ConfigError, Poison
from comitia.ports import Outgoing, TopicSpec
from comitia.runtime.partitioner import partition_of

FindTopic = Callable[[str], Awaitable[TopicSpec]]
# Of a batch that aiokafka fills with what is sent one by one; every topic must take it.
BATCH_BYTES_MAX = 64 * 1024
# Of a batch filled here, where the topic takes as much: one batch of a partition is in flight at a
# time, so a flush should need one.
_PACKED_BYTES_MAX = 512 * 1024


class Limits:
    """Limits of the topics that were looked up, kept until the broker says otherwise.

    `record_bytes_max` is the client's own limit.
    """

    def __init__(self, find_topic: FindTopic, record_bytes_max: int) -> None:
        self._find_topic = find_topic
        self._record_bytes_max = record_bytes_max
        self._known: dict[str, tuple[int, int]] = {}
        self._next_without_key = 0

    def forget(self, topic: str) -> None:
        """Look `topic` up again: the broker refused what should have gone in."""
        self._known.pop(topic, None)

    async def learn(self, topic: str) -> None:
        """Look `topic` up, unless that was done. ConfigError when it is missing or takes too
        little, Retryable when the broker is away.
        """
        if topic in self._known:
            return
        spec = await self._find_topic(topic)
        limit = int(spec.config.get("max.message.bytes", self._record_bytes_max))
        if limit < BATCH_BYTES_MAX:
            raise ConfigError(
                f"topic {topic}: max.message.bytes is {limit}; raise it to at least"
                f" {BATCH_BYTES_MAX}, the size of a batch"
            )
        self._known[topic] = (spec.partitions, min(limit, self._record_bytes_max))

    def batch_bytes(self, topic: str) -> int:
        """How large a batch for `topic`, which was learned, is to become."""
        return min(self._known[topic][1], _PACKED_BYTES_MAX)

    def place(self, record: Outgoing) -> int:
        """The partition for `record`, of a topic that was learned; Poison when it cannot go there.

        Records without a key take the partitions in turn.
        """
        if record.key is None and record.value is None:
            raise ValueError("a record needs a key or a value")
        topic, partition = record.topic, record.partition
        count, bytes_max = self._known[topic]
        if partition is not None and not 0 <= partition < count:
            raise Poison(
                f"topic {topic} has no partition {partition}: it has {count}", "NO_PARTITION"
            )
        size = DefaultRecordBatchBuilder.estimate_size_in_bytes(
            record.key, record.value, list(record.headers)
        )
        if size > bytes_max:
            raise Poison(
                f"record of about {size} bytes: topic {topic} takes up to {bytes_max}"
                " (max.message.bytes)",
                "TOO_LARGE",
            )
        if partition is not None:
            return partition
        if record.key is not None:
            # As aiokafka would choose, which does it anew, and slower, for every record of a key.
            return partition_of(record.key, count)
        self._next_without_key += 1
        return self._next_without_key % count
