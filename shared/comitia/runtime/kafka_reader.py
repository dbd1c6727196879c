"""KafkaReader: one consumer of Apache Kafka, with or without a group. Implements
comitia.ports.Reader on aiokafka.

In come ports.ReaderSpec and offsets, out come ports.Record. What aiokafka 0.14.0 does on its own
and is bridged here: its range assignor is named (its default deals partitions of two topics to
different members; its sticky one keeps state per process, which several agents in one process would
share); what its callbacks tell and swallow is in kafka_listener.py; committed metadata is read
through the admin client; a fetch during a rebalance waits without end, so it is bounded; a
coordinator that died of an error it does not know stays dead, so the consumer is replaced.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata

from comitia.errors import ConfigError, Retryable
from comitia.ports import Committed, Partitions, ReaderSpec, Record, TopicPartition
from comitia.runtime.kafka_admin import KafkaAdmin
from comitia.runtime.kafka_client import KafkaClient, Right
from comitia.runtime.kafka_errors import RAISED
from comitia.runtime.kafka_listener import Listener, ours
from comitia.runtime.kafka_stop import stop_consumer


def _theirs(partition: TopicPartition) -> KafkaPartition:
    return KafkaPartition(partition.topic, partition.partition)


def _record(found: ConsumerRecord) -> Record:
    headers = found.headers
    # A header may be null in Kafka; almost none is, and this is the hot path.
    if None in [value for _, value in headers]:
        headers = tuple((key, value or b"") for key, value in headers)
    return Record(
        found.topic,
        found.partition,
        found.offset,
        found.timestamp,
        found.key,
        found.value,
        headers,
    )


class KafkaReader:
    """Made by KafkaLog.reader()."""

    def __init__(self, client: KafkaClient, spec: ReaderSpec, admin: KafkaAdmin) -> None:
        self._client = client
        self._spec = spec
        self._admin = admin
        # The id has no public name in aiokafka 0.14.0.
        self._listener = Listener(spec, lambda: self._consumer._coordinator.member_id)
        self._consumer = self._make()
        self._dead = False
        self._stood_at: dict[KafkaPartition, int] = {}
        # Ends that were asked for; what fetches tell, aiokafka keeps.
        self._ends: dict[KafkaPartition, int] = {}
        self._answered: tuple[int | None, ...] = ()
        self._answered_at = 0.0
        what = ", ".join(spec.topics or sorted({tp.topic for tp in spec.partitions}))
        self._doing = f"reading {what} from {client.bootstrap}"
        self._needs = [Right("Read", "topic", what)]
        if spec.group is not None:
            self._needs.append(Right("Read", "group", spec.group))

    def _make(self) -> AIOKafkaConsumer:
        client, spec = self._client, self._spec
        return AIOKafkaConsumer(
            group_id=spec.group,
            group_instance_id=spec.instance_id,
            enable_auto_commit=False,
            auto_offset_reset=spec.start,
            isolation_level="read_committed" if spec.read_committed else "read_uncommitted",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=client.session_timeout_ms,
            heartbeat_interval_ms=client.heartbeat_interval_ms,
            fetch_max_wait_ms=client.fetch_wait_ms,
            fetch_max_bytes=client.fetch_bytes_max,
            max_partition_fetch_bytes=client.partition_bytes_max,
            **client.options(),
        )

    async def start(self, partitions: Partitions) -> None:
        """Connect. A group is joined in the background; without one, take `partitions` and look up
        where to start, so that nothing that comes later is missed.
        """
        try:
            with self._mapped():
                await self._consumer.start()
                if self._spec.group is None:
                    self._consumer.assign([_theirs(tp) for tp in partitions])
                    await self._look_up_start([_theirs(tp) for tp in partitions])
        except BaseException:
            await self._stop(self._consumer)
            raise
        if self._spec.group is not None:
            # Last, and not awaited: who asked for this reader holds it before the first hook is
            # called.
            self._consumer.subscribe(self._spec.topics, listener=self._listener)

    async def _look_up_start(self, partitions: list[KafkaPartition]) -> None:
        if self._spec.start == "earliest":
            offsets = await self._consumer.beginning_offsets(partitions)
        else:
            offsets = await self._consumer.end_offsets(partitions)
        for partition, offset in offsets.items():
            self._consumer.seek(partition, offset)

    async def fetch(self, records_max: int, timeout_ms: int) -> Sequence[Record]:
        if self._dead:
            await self._replace()
        if self._listener.error is not None:
            error, self._listener.error = self._listener.error, None
            raise error
        try:
            with self._ending():
                async with asyncio.timeout(timeout_ms / 1000 + 0.1):
                    found = await self._consumer.getmany(
                        timeout_ms=timeout_ms, max_records=records_max
                    )
        except TimeoutError:
            # A rebalance is on: aiokafka waits for its end without looking at the time.
            return ()
        except RAISED as error:
            # The plain class is aiokafka's word for what it did not expect: a heartbeat or its
            # coordination ended for good.
            self._dead = type(error) is KafkaError
            raise self._client.translate(error, self._doing, *self._needs) from error
        if not found:
            self._check_alive()
        return [_record(record) for records in found.values() for record in records]

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Say that the member is superseded where aiokafka lets its own coordination's cancellation
        out, which would look like one of the caller.
        """
        superseded, task = self._listener.superseded, asyncio.current_task()
        if superseded is not None:
            raise superseded
        try:
            yield
        except asyncio.CancelledError:
            superseded = self._listener.superseded
            if superseded is None or (task is not None and task.cancelling()):
                raise
            raise superseded from None

    def _check_alive(self) -> None:
        """aiokafka only logs that no broker answers, or that its fetching ended: say so here."""
        if self._consumer._fetcher.error_future.done():
            self._dead = True
            raise Retryable(f"{self._doing}: the consumer's fetching ended; it is replaced")
        now = asyncio.get_running_loop().time()
        asked = self._consumer.assignment() - self._consumer.paused()
        answered = tuple(self._consumer.last_poll_timestamp(tp) for tp in asked)
        if not asked or answered != self._answered:
            self._answered, self._answered_at = answered, now
        silence_ms = round((now - self._answered_at) * 1000)
        if silence_ms > self._client.request_timeout_ms:
            silent = f"{self._doing}: no answer for {silence_ms} ms; is the broker running?"
            raise self._client.security.blamed(Retryable(silent))

    def assignment(self) -> Partitions:
        return ours(self._consumer.assignment())

    def pause(self, partitions: Partitions) -> None:
        self._consumer.pause(*self._held(partitions))

    def resume(self, partitions: Partitions) -> None:
        self._consumer.resume(*self._held(partitions))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        with self._mapped():
            self._consumer.seek(_theirs(partition), offset)

    async def position(self, partition: TopicPartition) -> int:
        with self._mapped(), self._ending():
            async with asyncio.timeout(self._client.request_timeout_ms / 1000):
                return int(await self._consumer.position(_theirs(partition)))

    async def end_offsets(self, partitions: Partitions) -> Mapping[TopicPartition, int]:
        if not partitions:
            return {}
        with self._mapped():
            found = await self._consumer.end_offsets([_theirs(tp) for tp in partitions])
        self._ends.update(found)
        return {TopicPartition(tp.topic, tp.partition): offset for tp, offset in found.items()}

    def lag(self) -> Mapping[TopicPartition, int]:
        # Where it stands is only told to who awaits; aiokafka 0.14.0 keeps it here.
        subscription = self._consumer._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        found: dict[TopicPartition, int] = {}
        if assignment is None:
            return found
        for tp in assignment.tps:
            state = assignment.state_value(tp)
            told = state.lso if self._spec.read_committed else state.highwater
            end = max(self._ends.get(tp, -1), -1 if told is None else told)
            if end >= 0 and state.has_valid_position:
                found[TopicPartition(tp.topic, tp.partition)] = max(0, end - state.position)
        return found

    async def offsets_at(
        self, partitions: Partitions, timestamp_ms: int
    ) -> Mapping[TopicPartition, int]:
        # The ends first: a record appended in between is then at or after what is returned.
        ends = await self.end_offsets(partitions)
        if not partitions:
            return {}
        with self._mapped():
            found = await self._consumer.offsets_for_times(
                {_theirs(tp): max(0, timestamp_ms) for tp in partitions}
            )
        starts = {TopicPartition(tp.topic, tp.partition): at for tp, at in found.items()}
        return {tp: at.offset if (at := starts[tp]) else ends[tp] for tp in partitions}

    async def committed(self, partition: TopicPartition) -> Committed | None:
        return await self._admin.committed(self._group(), partition)

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        group = self._group()
        doing = f"committing positions of {group} to {self._client.bootstrap}"
        with self._client.mapped(doing, *self._needs):
            async with asyncio.timeout(self._client.request_timeout_ms / 1000):
                await self._consumer.commit(
                    {
                        _theirs(tp): OffsetAndMetadata(position.offset, position.metadata)
                        for tp, position in offsets.items()
                    }
                )

    async def close(self) -> None:
        """Leave the group at once, unless the membership is static: then its partitions wait for
        the session timeout.
        """
        await self._stop(self._consumer)

    async def _replace(self) -> None:
        """A new consumer instead of a dead one. A group's partitions are lost with it; without a
        group the new one goes on where the dead one stood.
        """
        former, held = self._consumer, self._consumer.assignment()
        if self._spec.group is None and not self._stood_at:
            self._stood_at = {tp: await former.position(tp) for tp in held}
        if self._listener.lost(held if self._spec.group else ()):
            return
        await self._stop(former)
        self._consumer = self._make()
        # It has no member id yet, which does not say that the group has dropped it.
        self._listener.joined = False
        await self.start(ours(self._stood_at))
        for partition, offset in self._stood_at.items():
            self._consumer.seek(partition, offset)
        self._stood_at, self._dead = {}, False

    async def _stop(self, consumer: AIOKafkaConsumer) -> None:
        await stop_consumer(consumer, self._client.request_timeout_ms, self._doing)

    def _mapped(self) -> AbstractContextManager[None]:
        return self._client.mapped(self._doing, *self._needs)

    def _held(self, partitions: Partitions) -> list[KafkaPartition]:
        """Those that are still ours: whoever pauses or resumes may not know of a rebalance yet."""
        return [_theirs(tp) for tp in partitions & self.assignment()]

    def _group(self) -> str:
        if self._spec.group is None:
            raise ConfigError("a reader without a group has no committed positions: name a group")
        return self._spec.group
