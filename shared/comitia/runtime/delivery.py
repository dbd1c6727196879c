"""Effects carried out: encoded, sent in their order, acknowledged; tried again after passing
faults.

In come jobs, each the effects of one event; when `deliver` returns, everything is acknowledged, and
a job of which a record was refused for good says so in `failed`. At least once: what was in doubt
when the broker went away is sent again. It uses one Writer and opens or ends no transaction, so
that a caller may put one around it.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.trace import Link, Span

from comitia.effects import DeadLetter, Effect, Publish, StopWork
from comitia.errors import ComitiaError, Fenced, Poison, Retryable
from comitia.ports import Ack, Outgoing, Record, Writer
from comitia.runtime import dead_letters
from comitia.runtime.codec import trace_context
from comitia.runtime.context import Runtime
from comitia.runtime.retry import Backoff
from comitia.telemetry import spans
from comitia.telemetry.context import is_sampled, links_to
from comitia.telemetry.measures import messaging
from comitia.telemetry.metrics import DEAD_LETTERS, RETRIES, SENT
from comitia.telemetry.names import Attribute, Operation
from comitia.v1.control_pb2 import Control


@dataclass(slots=True, eq=False)
class Job:
    """The effects of one event.

    `record` is the original, kept for a dead letter; `trace` is the traceparent and tracestate
    that its effects pass on; `span`, if any, is ended by whoever made it; `letter_room` is how much
    of the original, in bytes, a dead letter may hold. Filled by delivery:
    `acks`, and `failed` when a record was refused for good (what is left of the job was then not
    sent).
    """

    effects: Sequence[Effect]
    record: Record | None = None
    task_id: str = ""
    trace: tuple[str, str] = ("", "")
    span: Span | None = None
    acks: list[tuple[Effect, Ack]] = field(default_factory=list)
    failed: Poison | None = None
    letter_room: int = dead_letters.ORIGINAL_BYTES_MAX


@dataclass(slots=True, eq=False)
class _Item:
    job: Job
    effect: Effect
    outgoing: Outgoing
    span: Span | None


class Delivery:
    """`own` names the partition for topics whose effects leave it open, by full topic name.

    `again`: passing faults are tried again here; without it they are raised, for a caller whose
    transaction must not hold a record twice.
    """

    def __init__(
        self,
        runtime: Runtime,
        writer: Writer,
        own: Mapping[str, int] | None = None,
        *,
        again: bool = True,
    ) -> None:
        self._again = again
        self._runtime = runtime
        self._writer = writer
        self._own = own or {}
        self._control = runtime.names.topic("control")
        # The transaction that what is sent now is part of, where one is traced.
        self.within: Span | None = None

    async def deliver(self, jobs: Sequence[Job]) -> None:
        """Send all effects of all jobs; lower orders are acknowledged before higher ones are sent.

        Retries passing faults until it is cancelled, or raises them (see `again`); raises Fenced
        when only a new writer can go on.
        """
        orders: dict[int, list[tuple[Job, Effect]]] = {}
        for job in jobs:
            for effect in job.effects:
                order = effect.order if type(effect) is Publish else 0
                orders.setdefault(order, []).append((job, effect))
        for order in sorted(orders):
            await self._send_all(
                [self._item(job, effect) for job, effect in orders[order] if job.failed is None]
            )

    async def keep(self, job: Job, record: Record, why: DeadLetter) -> Ack:
        """Put `record` into the dead letters and wait for the acknowledgement.

        Raises Overloaded when there are too many of them.
        """
        refused: Poison | None = None
        for room in dead_letters.ROOMS_BYTES:
            kept = Job((why,), record, trace=job.trace, letter_room=room)
            await self.deliver((kept,))
            if kept.failed is None:
                return kept.acks[0][1]
            refused = kept.failed
        raise refused or ValueError("there is no room to try")

    def encode(self, publish: Publish, trace: tuple[str, str]) -> Outgoing:
        """The record of `publish` as it is sent."""
        return self._runtime.codec.encode(publish, *trace, self._own.get(publish.topic))

    def _item(self, job: Job, effect: Effect) -> _Item:
        runtime = self._runtime
        if type(effect) is DeadLetter:
            record = job.record or Record("", -1, -1, -1, None, None)
            dead_letters.admit(runtime, effect)
            outgoing = dead_letters.letter(runtime, record, effect, job.letter_room)
            return _Item(job, effect, outgoing, None)
        publish = effect if type(effect) is Publish else self._stop_work(effect)
        trace = (publish.traceparent, "") if publish.traceparent else job.trace
        span = None
        tracer = runtime.telemetry.tracer
        if tracer is not None and not tracer.leaves_out(trace[0]):
            links = self._links(job, publish)
            span, trace = tracer.send(publish.topic, publish.key, trace, links)
            if span is not None:
                spans.about(span, publish.message)
        return _Item(job, effect, self.encode(publish, trace), span)

    def _links(self, job: Job, publish: Publish) -> list[Link]:
        """What a record is due to beside its parent: the last event that it waited for, and the
        transaction that it goes out in.
        """
        waited = publish.traceparent and is_sampled(job.trace[0])
        links = links_to([job.trace]) if waited else []
        if self.within is not None:
            links.append(Link(self.within.get_span_context()))
        return links

    def _stop_work(self, effect: Effect) -> Publish:
        if not isinstance(effect, StopWork):
            raise TypeError(f"not a StopWork: {effect!r}")
        message = Control(
            task_id=effect.task_id,
            panel_id=effect.panel_id,
            reason=effect.reason,
            deadline_ms=effect.deadline_ms,
        )
        return Publish(self._control, effect.task_id, message)

    async def _send_all(self, items: list[_Item]) -> None:
        backoff: Backoff | None = None
        while True:
            again, error = await self._attempt(items)
            if error is None:
                break
            if not self._again:
                _end(again, error)
                raise error
            self._runtime.health.set("publish", str(error))
            self._runtime.telemetry.add(RETRIES, len(again), {Attribute.COMITIA_REASON: "publish"})
            items = again
            backoff = backoff or Backoff(self._runtime.instance)
            await asyncio.sleep(backoff.next_ms() / 1000)
        self._runtime.health.set("publish", None)

    async def _attempt(self, items: list[_Item]) -> tuple[list[_Item], Retryable | None]:
        """Append all; what has to be sent again, and why."""
        results = await self._writer.append([item.outgoing for item in items])
        again: list[_Item] = []
        acked: list[tuple[_Item, Ack]] = []
        passing: Retryable | None = None
        # Only a new writer or a person helps; said once everything is counted that was appended.
        last: ComitiaError | None = None
        for item, result in zip(items, results, strict=True):
            if isinstance(result, Ack):
                item.job.acks.append((item.effect, result))
                acked.append((item, result))
            elif isinstance(result, Poison):
                _fail(item, result)
            elif isinstance(result, Retryable) and not isinstance(result, Fenced):
                again.append(item)
                passing = result
            else:
                last = result
        self._count(acked)
        if last is not None:
            _end(items, last)
            raise last
        return again, passing

    def _count(self, acked: list[tuple[_Item, Ack]]) -> None:
        """Count a batch: one call per topic and reason, not per record."""
        topics: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        for item, ack in acked:
            topics[ack.topic] += 1
            effect = item.effect
            if item.span is not None:
                spans.end_send(item.span, item.outgoing, ack)
            if type(effect) is DeadLetter:
                reasons[effect.reason] += 1
        add = self._runtime.telemetry.add
        for topic, count in topics.items():
            add(SENT, count, messaging(topic, Operation.SEND))
        for reason, count in reasons.items():
            add(DEAD_LETTERS, count, {Attribute.COMITIA_REASON: reason})


def trace_of(record: Record) -> tuple[str, str]:
    """Trace context that a record brought along."""
    return trace_context(record.headers) if record.headers else ("", "")


def _fail(item: _Item, refused: Poison) -> None:
    item.job.failed = refused
    _end((item,), refused)


def _end(items: Sequence[_Item], error: ComitiaError) -> None:
    """End the spans, where they have not ended, of what was not sent."""
    for item in items:
        if item.span is not None and item.span.is_recording():
            spans.end_send(item.span, item.outgoing, error)
