"""What one owner of a partition writes with: its writer, and what a flush of effects is.

In come effects that became due in the partition; when `flush` returns, all are acknowledged and,
with transactions, committed as one, or kept in the dead letters with something in their place that
lets the task end. Orders to stop work are left to the caller: they are no part of a transaction.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from google.protobuf.message import DecodeError

from comitia.effects import Effect, Publish, StopWork
from comitia.errors import Poison, Retryable
from comitia.ports import Record, TopicPartition, Writer
from comitia.runtime import dead_letters
from comitia.runtime.context import Runtime
from comitia.runtime.delivery import Delivery, Job
from comitia.runtime.open_tasks import Pending
from comitia.telemetry import spans
from comitia.telemetry.metrics import TRANSACTION_BATCH, TRANSACTION_DURATION
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent

# A partition's transactions begin at least so far apart. One costs the brokers as much as hundreds
# of records: under load fewer and fuller ones decide a third more tasks on the same machine.
_TRANSACTIONS_APART_MS = 20


def stop_orders(batch: Sequence[Pending]) -> list[Job]:
    """Take the orders to stop work out of `batch`: jobs of their own, to be sent once the decisions
    that they follow are published.
    """
    orders = []
    for pending in batch:
        job = pending.job
        stops = [effect for effect in job.effects if type(effect) is StopWork]
        if stops:
            orders.append(Job(stops, trace=job.trace))
            job.effects = [effect for effect in job.effects if type(effect) is not StopWork]
    return orders


class Outlet:
    """The way out of one partition, from its take-over until it is lost or must be taken again."""

    def __init__(
        self, runtime: Runtime, writer: Writer, tp: TopicPartition, transactional: bool
    ) -> None:
        own = {
            runtime.names.topic("panel-events"): tp.partition,
            runtime.names.topic("decisions"): tp.partition,
        }
        self._runtime = runtime
        self._writer = writer
        self._tp = tp
        self._into = TopicPartition(runtime.names.topic("decisions"), tp.partition)
        self._transactional = transactional
        self._began_ms = 0.0
        self._delivery = Delivery(runtime, writer, own, again=not transactional)

    async def flush(self, batch: Sequence[Pending]) -> None:
        """Deliver `batch`; afterwards each job's `acks` tell where its records stand.

        Without transactions passing faults are tried again until it is cancelled. With them every
        fault is Retryable at once: nothing of the batch is to be believed, and the partition is to
        be taken over again, which ends the transaction and tells what became of it.
        """
        if not self._transactional:
            await self._deliver(batch)
            return
        clock = self._runtime.clock
        began_ms = self._began_ms = clock.monotonic_ms()
        with self._traced(batch):
            await self._writer.begin()
            await self._deliver(batch)
            try:
                await self._writer.commit()
            except Poison as refused:
                # Within the limits known here: the next owner asks for them anew.
                why = f"the broker refused a record of a transaction: {refused}"
                raise Retryable(why) from refused
        took_ms = clock.monotonic_ms() - began_ms
        self._runtime.telemetry.record(TRANSACTION_DURATION, took_ms / 1000)
        self._runtime.telemetry.record(TRANSACTION_BATCH, len(batch))

    @contextmanager
    def _traced(self, batch: Sequence[Pending]) -> Iterator[None]:
        """A span around a transaction that carries what events of sampled traces made due."""
        tracer = self._runtime.telemetry.tracer
        if tracer is None:
            yield
            return
        span = tracer.transaction(self._into, [pending.job.trace for pending in batch])
        self._delivery.within = span
        try:
            yield
        except BaseException as error:
            if span is not None:
                spans.fail(span, error)
            raise
        finally:
            self._delivery.within = None
            if span is not None:
                span.end()

    async def rest(self) -> None:
        """After a flush: let what gets ready now go together, if the last transaction is young."""
        if self._transactional:
            young_ms = self._runtime.clock.monotonic_ms() - self._began_ms
            await asyncio.sleep(max(0.0, _TRANSACTIONS_APART_MS - young_ms) / 1000)

    async def close(self) -> None:
        """Give the writer back. A transaction that is open stays so for the next owner to end."""
        await self._writer.close()

    async def _deliver(self, batch: Sequence[Pending]) -> None:
        await self._delivery.deliver([p.job for p in batch if p.job.failed is None])
        for pending in batch:
            if pending.job.failed is not None:
                original = pending.job.record or _at(self._tp, pending.offset)
                await _give_up(self._runtime, self._delivery, pending.job, original)


async def _give_up(runtime: Runtime, delivery: Delivery, job: Job, original: Record) -> None:
    """Keep what was refused for good; its task ends in a decision all the same.

    A decision that is too large is kept itself, and a small one, FAILED, takes its place. For
    anything else the task fails in its own log, which the fold then meets like any event.
    """
    why = job.failed
    if why is None:
        raise ValueError("this job did not fail")
    task_id = dead_letters.ending_task_id(job.task_id, original)
    dead_letters.tell(original, why, task_id, job.trace[0])
    number = original.partition
    decision = _refused_decision(job)
    if decision is not None:
        sent = delivery.encode(decision, job.trace)
        original = Record(sent.topic, number, -1, -1, sent.key, sent.value, sent.headers)
    ack = await delivery.keep(job, original, dead_letters.given_up(why, task_id))
    kept = dead_letters.ref(ack)
    effects: Sequence[Effect] = ()
    if decision is not None and isinstance(decision.message, Decision):
        failed = dead_letters.failed_decision(decision.message, why, kept)
        effects = (
            Publish(decision.topic, decision.key, failed, decision.partition),
            *_instead(job, failed),
        )
    elif task_id and not _is_failure(original):
        effects = dead_letters.task_failed(runtime.names, number)(task_id, why, kept)
    follow = Job(effects, trace=job.trace)
    await delivery.deliver((follow,))
    job.acks += follow.acks


def _instead(job: Job, failed: Decision) -> Iterator[Publish]:
    """What was to be said with the decision and was not: a stage's end is now told to its parent as
    the failure that it is.
    """
    acknowledged = [effect for effect, _ in job.acks]
    for effect in job.effects:
        if type(effect) is not Publish or type(effect.message) is not PanelEvent:
            continue
        if effect in acknowledged:
            continue
        event = PanelEvent()
        event.CopyFrom(effect.message)
        if event.HasField("stage_ended"):
            event.stage_ended.decision.CopyFrom(failed)
        yield replace(effect, message=event)


def _refused_decision(job: Job) -> Publish | None:
    """The job's decision, when that is what could not be published."""
    acknowledged = [effect for effect, _ in job.acks]
    for effect in job.effects:
        if type(effect) is Publish and type(effect.message) is Decision:
            return None if effect in acknowledged else effect
    return None


def _is_failure(record: Record) -> bool:
    """Whether it is a TaskFailed itself, which must not be answered by another one."""
    try:
        event = PanelEvent.FromString(record.value or b"")
    except DecodeError:
        return False
    return bool(event.WhichOneof("event") == "task_failed")


def _at(tp: TopicPartition, offset: int) -> Record:
    """Where the event stands whose effects failed; its bytes are still in the log."""
    return Record(tp.topic, tp.partition, offset, -1, None, None)
