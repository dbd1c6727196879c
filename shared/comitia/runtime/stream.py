"""The stream loop (router): records in, effects acknowledged, offsets committed; at least once.

In come the records of some topics, shared out in a group; a pure handler turns each into effects,
which go out in their orders; only then may the record's offset be committed, off the hot path and
never beyond the oldest unfinished record. Several batches are in flight, so that reading goes on
while acknowledgements are awaited. What a handler cannot process goes to the dead letters, and its
task, where the id can be read, is refused; then the stream goes on.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from comitia.effects import Effect, Recorded
from comitia.errors import Poison
from comitia.ports import Partitions, Reader, ReaderSpec, Record, TopicPartition
from comitia.runtime import dead_letters
from comitia.runtime.context import Runtime
from comitia.runtime.delivery import Delivery, Job, trace_of
from comitia.runtime.membership import Membership
from comitia.runtime.offsets import Offsets
from comitia.runtime.reading import Commits, every, fetch, low_waters
from comitia.runtime.retry import Backoff, Stopped, persist
from comitia.telemetry import spans
from comitia.telemetry.logs import wordless
from comitia.telemetry.measures import messaging, stage
from comitia.telemetry.metrics import CONSUMED
from comitia.telemetry.names import Operation

_LOG = logging.getLogger("comitia.stream")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Source(Generic[M]):
    """One topic of a stream.

    `topic` is its full name. `handle(recorded, now_ms)` is pure and may raise Poison. `refused`
    makes the effects of a record that went to the dead letters, given it, the id of its task, why,
    and where it is kept. `removed(key)` takes a tombstone, where the topic is compacted; without it
    a tombstone is an unreadable record. `stage` names, for the metrics, the stage of a task that
    begins with the append of a record and ends with that of its last effect.
    """

    topic: str
    message: type[M]
    handle: Callable[[Recorded[M], int], Sequence[Effect]]
    refused: dead_letters.Refused | None = None
    removed: Callable[[str], None] | None = None
    stage: str = ""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What to read, as which group, and how much at once (records of a batch, batches)."""

    group: str
    sources: tuple[Source[Any], ...]
    batch_max: int = 500
    batches_in_flight_max: int = 4


async def run_stream(runtime: Runtime, spec: StreamSpec) -> None:
    """Read, handle, deliver, commit, until `runtime.stop`; then finish what is in flight."""
    try:
        await _Stream(runtime, spec).run()
    except Stopped:
        return


class _Stream:
    def __init__(self, runtime: Runtime, spec: StreamSpec) -> None:
        self._runtime = runtime
        self._spec = spec
        self._condition = f"stream {spec.group}"
        self._sources: Mapping[str, Source[Any]] = {s.topic: s for s in spec.sources}
        self._stages = {
            source.topic: stage(runtime.telemetry, source.stage)
            for source in spec.sources
            if source.stage
        }
        self._offsets: dict[TopicPartition, Offsets] = {}
        self._commits: Commits | None = None
        self._member = Membership(runtime, spec.group, tuple(self._sources))
        self._slots = asyncio.Semaphore(spec.batches_in_flight_max)
        self._reader: Reader
        self._delivery: Delivery

    async def run(self) -> None:
        runtime = self._runtime
        runtime.health.set(self._condition, "waiting for its partitions")
        writer = await persist(runtime, "broker", runtime.log.writer)
        self._delivery = Delivery(runtime, writer)
        spec = ReaderSpec(
            topics=tuple(self._sources),
            group=self._spec.group,
            instance_id=runtime.member_id,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        )
        self._reader = await persist(runtime, "broker", lambda: runtime.log.reader(spec))
        self._member.reads(self._reader)
        self._commits = Commits(self._reader, runtime.telemetry.tracer, self._spec.group)
        try:
            async with asyncio.TaskGroup() as group:
                commits = group.create_task(every(runtime.commit_interval_ms, self._commit))
                await self._read(group)
                commits.cancel()
            await self._commit()
        finally:
            await self._reader.close()
            await writer.close()

    async def _read(self, group: asyncio.TaskGroup) -> None:
        runtime, spec = self._runtime, self._spec
        backoff = Backoff(runtime.instance)
        while not runtime.stop.is_set():
            records = await fetch(runtime, self._reader, spec.batch_max, backoff, self._member)
            if records:
                jobs = self._handle(records)
                await self._slots.acquire()
                group.create_task(self._emit(jobs))

    def _handle(self, records: Sequence[Record]) -> list[tuple[Record, Job, Offsets]]:
        """Every record's job. No await: the batch is begun as a whole."""
        now_ms = self._runtime.clock.now_ms()
        jobs = []
        topics: Counter[str] = Counter()
        offsets: Offsets | None = None
        topic, partition = "", -1
        for record in records:
            # Records come in runs of one partition.
            if record.partition != partition or record.topic != topic:
                topic, partition = record.topic, record.partition
                offsets = self._offsets.get(TopicPartition(topic, partition))
            if offsets is None:
                continue
            offsets.begin(record.offset)
            topics[record.topic] += 1
            jobs.append((record, self._job(record, now_ms), offsets))
        self._runtime.dead_letter_limit.read(len(jobs))
        for name, count in topics.items():
            self._runtime.telemetry.add(CONSUMED, count, messaging(name, Operation.POLL))
        return jobs

    def _job(self, record: Record, now_ms: int) -> Job:
        runtime, source = self._runtime, self._sources[record.topic]
        job = Job((), record, trace=trace_of(record))
        if runtime.telemetry.tracer is not None:
            group = self._spec.group
            job.span, job.trace = runtime.telemetry.tracer.process(record, group, job.trace)
        try:
            if record.value is None and source.removed is not None:
                source.removed((record.key or b"").decode(errors="replace"))
                return job
            recorded = runtime.codec.decode(source.message, record, job.trace[0])
            job.task_id = dead_letters.task_id_of(recorded.message)
            if job.span is not None:
                spans.about(job.span, recorded.message)
            job.effects = source.handle(recorded, now_ms)
        except Poison as poison:
            job.failed = poison
        except Exception as error:  # noqa: BLE001 - a bug in a handler is that record's fate
            _LOG.error(
                *("handler of %s failed at offset %d", record.topic, record.offset),
                exc_info=wordless(error),
                extra=dead_letters.fields(record, job.task_id, job.trace[0]),
            )
            job.failed = Poison(f"{type(error).__name__}: {error}", dead_letters.HANDLER_FAILED)
        return job

    async def _emit(self, jobs: list[tuple[Record, Job, Offsets]]) -> None:
        try:
            await self._delivery.deliver([job for _, job, _ in jobs if job.failed is None])
            for record, job, _ in jobs:
                if job.failed is not None:
                    await self._give_up(record, job, job.failed)
            for record, job, offsets in jobs:
                offsets.finish(record.offset)
                routed = self._stages.get(record.topic)
                if routed is not None and job.acks:
                    routed.record(max(0, job.acks[-1][1].timestamp_ms - record.timestamp_ms) / 1000)
                if job.span is not None:
                    job.span.end()
        finally:
            self._slots.release()

    async def _give_up(self, record: Record, job: Job, why: Poison) -> None:
        task_id = dead_letters.ending_task_id(job.task_id, record)
        dead_letters.tell(record, why, task_id, job.trace[0])
        if job.span is not None:
            spans.fail(job.span, why)
        letter = dead_letters.given_up(why, task_id)
        ack = await self._delivery.keep(job, record, letter)
        refused = self._sources[record.topic].refused
        if refused is not None and task_id:
            effects = refused(record, task_id, why, dead_letters.ref(ack))
            await self._delivery.deliver((Job(effects, record, trace=job.trace),))

    async def _commit(self) -> None:
        if self._commits is not None:
            await self._commits.commit(low_waters(self._offsets))

    def _assigned(self, partitions: Partitions) -> None:
        self._member.assigned()
        self._offsets = {tp: Offsets() for tp in partitions}
        if self._commits is not None:
            self._commits.forget()
        self._runtime.health.set(self._condition, None)

    def _revoked(self, partitions: Partitions) -> None:
        for tp in partitions:
            self._offsets.pop(tp, None)
