"""One term of a leader: take over from the log, learn, publish.

In come feedback and decisions, read without a group from where the records of `weights` say; out go
what a pure fold makes of them, in transactions of the partition's own writer: versions of weights,
with the offsets up to which they are folded, and the dead letters of refused feedback. The offsets
move in the very transaction that publishes what they stand for, so each record counts once. Nothing
is committed to the group.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from comitia.errors import ComitiaError, ConfigError, Poison, Retryable
from comitia.ports import Outgoing, Reader, ReaderSpec, Record, TopicPartition, Writer
from comitia.runtime import dead_letters
from comitia.runtime.context import Runtime
from comitia.runtime.delivery import Delivery, Job
from comitia.runtime.feedback_in import FeedbackIn
from comitia.runtime.leader_spec import LeaderSpec, Learning, Offsets, Publication
from comitia.runtime.membership import Membership
from comitia.runtime.reading import fetch
from comitia.runtime.retry import Backoff
from comitia.telemetry import spans
from comitia.telemetry.learning_metrics import COMPARED, FIT_DURATION
from comitia.telemetry.measures import messaging
from comitia.telemetry.metrics import CONSUMED, FOLD_DURATION, RECORDS_LOST, TRANSACTION_DURATION
from comitia.telemetry.names import Attribute, Operation
from comitia.v1.decision_pb2 import Decision
from comitia.v1.weights_pb2 import Weights

_LOG = logging.getLogger("comitia.leader")
_FETCH_MAX = 1_000
# After a fit reading goes on for so many times as long as it took: learning keeps up with what
# comes, however long fits take.
_REST = 3
# Refused feedback that waits for a transaction.
_LETTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class _Out:
    """The way out of a term: its writer, what delivers through it, and the feedback that is due."""

    writer: Writer
    delivery: Delivery
    told: FeedbackIn


class Term:
    """`member`: who fetches, for the metrics."""

    def __init__(
        self, runtime: Runtime, spec: LeaderSpec, tp: TopicPartition, member: Membership
    ) -> None:
        self._runtime = runtime
        self._spec = spec
        self._tp = tp
        self._member = member
        self._topics = {entity: runtime.names.topic(entity) for entity in ("feedback", "decisions")}
        self._learning: Learning = spec.learning()
        self._reader: Reader | None = None

    def lag(self) -> Mapping[TopicPartition, int]:
        """Records that were not read yet, as far as is known."""
        return self._reader.lag() if self._reader is not None else {}

    async def run(self, live: Callable[[], None]) -> None:
        """Lead until `runtime.stop`; `live` is called when everything is restored. Retryable after
        any passing fault: then nothing of this term is to be believed.
        """
        runtime, began_ms = self._runtime, self._runtime.clock.monotonic_ms()
        number = self._tp.partition
        writer = await runtime.log.writer(runtime.names.transactional_id(runtime.service, number))
        try:
            skills = await self._restore()
            reader = self._reader = await self._open(self._learning.begin())
            took_ms = runtime.clock.monotonic_ms() - began_ms
            runtime.telemetry.record(FOLD_DURATION, took_ms / 1000)
            told = {"event": "leading", "records": skills, "duration_ms": round(took_ms)}
            _LOG.info("leading: %d records of weights restored", skills, extra=told)
            live()
            await self._learn(reader, writer)
        finally:
            if self._reader is not None:
                await self._reader.close()
            await writer.close()

    async def _learn(self, reader: Reader, writer: Writer) -> None:
        runtime, learning = self._runtime, self._learning
        backoff = Backoff(runtime.instance)
        told = FeedbackIn(runtime, self._spec.group, learning)
        out = _Out(writer, Delivery(runtime, writer, again=False), told)
        rested_ms = 0.0
        try:
            while not runtime.stop.is_set():
                records = await fetch(runtime, reader, _FETCH_MAX, backoff, self._member)
                if records:
                    await self._fold(told, records)
                now_ms = runtime.clock.monotonic_ms()
                due = now_ms >= rested_ms and learning.due(now_ms)
                if due or len(told.refused) > _LETTERS_MAX:
                    fitting_ms = await self._publish(out)
                    rested_ms = runtime.clock.monotonic_ms() + _REST * fitting_ms
            if learning.waiting:
                await self._publish(out)
        finally:
            await told.close()

    async def _restore(self) -> int:
        """Read `weights` to its end, as it is now that no one else can write; how much that was."""
        runtime, here, count = self._runtime, frozenset({self._tp}), 0
        reader = await runtime.log.reader(ReaderSpec(partitions=(self._tp,)))
        try:
            end = (await reader.end_offsets(here))[self._tp]
            while await reader.position(self._tp) < end:
                for record in await reader.fetch(_FETCH_MAX, runtime.fetch_wait_ms):
                    count += self._restored(record)
        finally:
            await reader.close()
        return count

    def _restored(self, record: Record) -> bool:
        key = (record.key or b"").decode(errors="replace")
        recorded = None
        if record.value is not None:
            try:
                recorded = self._runtime.codec.decode(Weights, record)
            except Poison as poison:
                _skipped(record, poison)
                return False
        self._learning.restore(key, recorded)
        return True

    async def _open(self, starts: Offsets) -> Reader:
        """The reader of what is learned from, where it is to go on."""
        for skill, why in self._learning.unreadable.items():
            told = {"event": "memory_unreadable", "skill": skill}
            _LOG.error(
                "what was learned of %r cannot be read (%s): learning it again from what the topics"
                " still hold",
                *(skill, why),
                extra=told,
            )
        reader = await self._runtime.log.reader(ReaderSpec(topics=tuple(self._topics.values())))
        everything = reader.assignment()
        first = await reader.offsets_at(everything, 0)
        for entity, topic in self._topics.items():
            for tp in (tp for tp in everything if tp.topic == topic):
                start = starts.get((entity, tp.partition))
                if start is not None:
                    self._tell_lost(tp, start, first[tp])
                    reader.seek(tp, max(start, first[tp]))
        return reader

    def _tell_lost(self, tp: TopicPartition, start: int, first: int) -> None:
        # Of a log that was idle for long, the marker of a transaction may be all that is gone.
        if first - start <= 1:
            return
        _LOG.warning(
            "%s[%d]: offsets %d to %d were removed before they were learned from: raise the topic's"
            " retention.ms and retention.bytes, or let the learner run",
            *(tp.topic, tp.partition, start, first - 1),
            extra={
                "event": "records_lost",
                "topic": tp.topic,
                "partition": tp.partition,
                "offset": start,
                "lost": first - start,
            },
        )
        lost: dict[str, str] = {Attribute.MESSAGING_DESTINATION_NAME: tp.topic}
        self._runtime.telemetry.add(RECORDS_LOST, first - start, lost)

    async def _fold(self, told: FeedbackIn, records: Sequence[Record]) -> None:
        runtime = self._runtime
        runtime.dead_letter_limit.read(len(records))
        for topic, count in Counter(record.topic for record in records).items():
            runtime.telemetry.add(CONSUMED, count, messaging(topic, Operation.POLL))
        feedback = self._topics["feedback"]
        compared = sum(self._decision(one) for one in records if one.topic != feedback)
        runtime.telemetry.add(COMPARED, compared)
        await told.fold([one for one in records if one.topic == feedback])

    def _decision(self, record: Record) -> bool:
        try:
            return self._learning.decision(self._runtime.codec.decode(Decision, record))
        except Poison as poison:
            # Whoever wrote it cannot be told, and no feedback is lost with it.
            _skipped(record, poison)
            return False

    async def _publish(self, out: _Out) -> float:
        """One transaction with everything that is due; how long it took to make, in milliseconds.
        Retryable when it did not come about.
        """
        runtime, clock = self._runtime, self._runtime.clock
        began_ms = clock.monotonic_ms()
        publication = await self._spec.beside(lambda: self._learning.publish(began_ms))
        fitted_ms = clock.monotonic_ms()
        if publication.versions:
            runtime.telemetry.record(FIT_DURATION, (fitted_ms - began_ms) / 1000)
        span = None
        if runtime.telemetry.tracer is not None:
            span = runtime.telemetry.tracer.transaction(self._tp, out.told.traces)
        out.delivery.within = span
        try:
            await out.writer.begin()
            await self._send(out, publication)
            await _committed(out.writer)
        except ComitiaError as error:
            if span is not None:
                spans.fail(span, error)
            raise
        finally:
            out.delivery.within = None
            if span is not None:
                span.end()
        runtime.telemetry.record(TRANSACTION_DURATION, (clock.monotonic_ms() - fitted_ms) / 1000)
        out.told.published()
        self._spec.told(publication.versions)
        return fitted_ms - began_ms

    async def _send(self, out: _Out, publication: Publication) -> None:
        job = Job(publication.records)
        await out.delivery.deliver((job,))
        if job.failed is not None:
            raise ConfigError(
                f"{self._tp.topic} does not take what was learned ({job.failed}): raise its"
                " max.message.bytes, or lower COMITIA_EXAMPLES_MAX"
            )
        removed = [Outgoing(self._tp.topic, None, key.encode()) for key in publication.removed]
        for result in await out.writer.append(removed):
            if isinstance(result, ComitiaError):
                raise result
        await out.told.keep_refused(out.delivery)


async def _committed(writer: Writer) -> None:
    try:
        await writer.commit()
    except Poison as refused:
        raise Retryable(f"the broker refused a record of a transaction: {refused}") from refused


def _skipped(record: Record, why: Poison) -> None:
    _LOG.warning(
        *("%s[%d] offset %d skipped: %s", record.topic, record.partition, record.offset, why),
        extra={"event": "skipped", "reason": why.reason, **dead_letters.fields(record, "")},
    )
