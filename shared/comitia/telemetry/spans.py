"""Spans of records and batches, by the OpenTelemetry conventions for messaging and Apache Kafka.

In come records with the trace context that they carry; out come spans, and the context to pass on:
`send` (PRODUCER, one a record: its context is what the record carries), `process` (CONSUMER, child
of the producer and linked to it), and for batches `poll`, `commit` and `transaction` (CLIENT), each
the root of a trace of its own, linked to every sampled trace that it serves. Whether a trace is
sampled is looked at first: one that is not costs a comparison, and its context goes on unchanged.
`server.address` is left out: the client picks a broker for each partition, and does not tell which.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

from google.protobuf.message import Message
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from comitia.errors import ComitiaError, Poison
from comitia.ports import Ack, Committed, Outgoing, Record, TopicPartition
from comitia.telemetry.context import (
    UNSAMPLED,
    Trace,
    context_of,
    is_sampled,
    links_to,
    remote_in,
    traceparent_of,
)
from comitia.telemetry.names import SYSTEM, Attribute, Operation, span_name
from comitia.telemetry.sampling import BatchSampler
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task

SCOPE = "comitia"
# OpenTelemetry's own default for the links of one span.
LINKS_MAX = 128
_TYPES = {
    Operation.SEND: "send",
    Operation.POLL: "receive",
    Operation.PROCESS: "process",
    Operation.COMMIT: "settle",
}


class Tracing:
    """The spans of one process, from its event loop's thread. `content`: texts of tasks may be
    exported.
    """

    def __init__(self, provider: TracerProvider, *, content: bool = False) -> None:
        self.content = content
        self.tracer = provider.get_tracer(SCOPE)
        sampler = provider.sampler
        base = sampler.base if isinstance(sampler, BatchSampler) else sampler
        # Last digits of flags that end the matter: a sampler that goes by the parent, as those of
        # OTEL_TRACES_SAMPLER do, never records what an unsampled one began.
        self._left_out = UNSAMPLED if isinstance(base, ParentBased) else frozenset()
        self._client = str(provider.resource.attributes.get(Attribute.SERVICE_INSTANCE_ID, ""))
        # Sampled records that no commit has covered yet: (offset, producer), by partition.
        self._unsettled: dict[TopicPartition, deque[tuple[int, SpanContext]]] = {}

    def leaves_out(self, traceparent: str) -> bool:
        """Whether nothing of this trace is recorded here, known without asking the sampler."""
        return traceparent[-1:] in self._left_out

    def process(self, record: Record, group: str, trace: Trace) -> tuple[Span | None, Trace]:
        """Begin handling `record`, which came with `trace`; the span, if it is recorded, and what
        its effects pass on.
        """
        if trace[0][-1:] in self._left_out:
            return None, trace
        context = context_of(*trace)
        producer = remote_in(context)
        span = self.tracer.start_span(
            span_name(Operation.PROCESS, record.topic),
            context=context,
            kind=SpanKind.CONSUMER,
            links=[Link(producer)] if producer else (),
        )
        if span.is_recording():
            span.set_attributes(
                {
                    **self._common(Operation.PROCESS),
                    Attribute.MESSAGING_DESTINATION_NAME: record.topic,
                    Attribute.MESSAGING_DESTINATION_PARTITION_ID: str(record.partition),
                    Attribute.MESSAGING_CONSUMER_GROUP_NAME: group,
                    Attribute.MESSAGING_KAFKA_OFFSET: record.offset,
                    Attribute.MESSAGING_MESSAGE_BODY_SIZE: len(record.value or b""),
                }
            )
            if producer is not None:
                self._settle_later(record, producer)
        return _recorded(span), (traceparent_of(span), trace[1])

    def send(
        self, topic: str, key: str, trace: Trace, links: Sequence[Link] = ()
    ) -> tuple[Span | None, Trace]:
        """Begin sending one record because of `trace`; the span, if it is recorded, and what the
        record carries. `links`: what else it came of, and the transaction that it is part of.
        """
        if trace[0][-1:] in self._left_out:
            return None, trace
        span = self.tracer.start_span(
            span_name(Operation.SEND, topic),
            context=context_of(*trace),
            kind=SpanKind.PRODUCER,
            # What has no parent is sampled by itself, whatever it is linked to.
            links=links if trace[0] else (),
        )
        if span.is_recording():
            span.set_attributes(
                {
                    **self._common(Operation.SEND),
                    Attribute.MESSAGING_DESTINATION_NAME: topic,
                    Attribute.MESSAGING_KAFKA_MESSAGE_KEY: key,
                }
            )
        return _recorded(span), (traceparent_of(span), trace[1])

    def polled(
        self, records: Sequence[Record], traces: list[Trace], group: str, since_ns: int
    ) -> None:
        """A fetch that began at `since_ns` (epoch nanoseconds) brought `records`; `traces` are the
        sampled ones among them.
        """
        links = links_to(traces)
        if not links:
            return
        span = self._batch(Operation.POLL, {record.topic for record in records}, links, since_ns)
        if span is not None:
            span.set_attribute(Attribute.MESSAGING_BATCH_MESSAGE_COUNT, len(records))
            span.set_attribute(Attribute.MESSAGING_CONSUMER_GROUP_NAME, group)
            _one_partition(span, {record.partition for record in records})
            span.end()

    def commit(self, positions: Mapping[TopicPartition, Committed], group: str) -> Span | None:
        """Begin to commit; None when that settles no record of a sampled trace."""
        links: list[Link] = []
        for tp, position in positions.items():
            waiting = self._unsettled.get(tp, ())
            settled = sum(offset < position.offset for offset, _ in waiting)
            links += [Link(producer) for _, producer in islice(waiting, settled)]
        span = (
            self._batch(Operation.COMMIT, {tp.topic for tp in positions}, links) if links else None
        )
        if span is not None:
            span.set_attribute(Attribute.MESSAGING_CONSUMER_GROUP_NAME, group)
            _one_partition(span, {tp.partition for tp in positions})
            if len(positions) == 1:
                (position,) = positions.values()
                span.set_attribute(Attribute.MESSAGING_KAFKA_OFFSET, position.offset)
        return span

    def committed(self, positions: Mapping[TopicPartition, Committed]) -> None:
        """The commit succeeded: later ones are not linked to what it settled."""
        for tp, position in positions.items():
            waiting = self._unsettled.get(tp)
            while waiting and waiting[0][0] < position.offset:
                waiting.popleft()

    def transaction(self, into: TopicPartition, traces: Sequence[Trace]) -> Span | None:
        """Begin a transaction that carries what events of `traces` made due; None when none of
        them is sampled.
        """
        sampled = islice((pair for pair in traces if is_sampled(pair[0])), LINKS_MAX)
        links = links_to(list(sampled))
        if not links:
            return None
        span = self._batch(Operation.TRANSACTION, {into.topic}, links)
        if span is not None:
            span.set_attribute(Attribute.MESSAGING_BATCH_MESSAGE_COUNT, len(traces))
            _one_partition(span, {into.partition})
        return span

    def _batch(
        self, operation: Operation, topics: set[str], links: list[Link], since_ns: int | None = None
    ) -> Span | None:
        # By the conventions a span of several destinations names none.
        topic = next(iter(topics)) if len(topics) == 1 else ""
        span = self.tracer.start_span(
            span_name(operation, topic),
            context=Context(),
            kind=SpanKind.CLIENT,
            links=links[:LINKS_MAX],
            start_time=since_ns,
        )
        if span.is_recording():
            span.set_attributes(self._common(operation))
            if topic:
                span.set_attribute(Attribute.MESSAGING_DESTINATION_NAME, topic)
        return _recorded(span)

    def _common(self, operation: Operation) -> dict[str, AttributeValue]:
        attributes: dict[str, AttributeValue] = {
            Attribute.MESSAGING_SYSTEM: SYSTEM,
            Attribute.MESSAGING_OPERATION_NAME: operation.value,
            Attribute.MESSAGING_CLIENT_ID: self._client,
        }
        if operation in _TYPES:
            attributes[Attribute.MESSAGING_OPERATION_TYPE] = _TYPES[operation]
        return attributes

    def _settle_later(self, record: Record, producer: SpanContext) -> None:
        tp = TopicPartition(record.topic, record.partition)
        waiting = self._unsettled.setdefault(tp, deque(maxlen=LINKS_MAX))
        if waiting and record.offset <= waiting[-1][0]:
            # The partition was away, and is read again from what was committed.
            waiting.clear()
        waiting.append((record.offset, producer))


def end_send(span: Span, outgoing: Outgoing, outcome: Ack | BaseException) -> None:
    """End a send span with where the record stands, or with why it stands nowhere."""
    span.set_attribute(Attribute.MESSAGING_MESSAGE_BODY_SIZE, len(outgoing.value or b""))
    if isinstance(outcome, Ack):
        span.set_attribute(Attribute.MESSAGING_DESTINATION_PARTITION_ID, str(outcome.partition))
        span.set_attribute(Attribute.MESSAGING_KAFKA_OFFSET, outcome.offset)
    else:
        fail(span, outcome)
    span.end()


def about(span: Span, message: Message) -> None:
    """Put on a span which task, and which assignment, a message of the walk is about."""
    task, assignment = getattr(message, "task_id", ""), ""
    if isinstance(message, Task):
        task = message.id
    elif isinstance(message, Assignment):
        task, assignment = message.task.id, message.id
    elif isinstance(message, PanelEvent) and message.HasField("answer"):
        assignment = message.answer.assignment_id
    if task:
        span.set_attribute(Attribute.COMITIA_TASK_ID, task)
    if assignment:
        span.set_attribute(Attribute.COMITIA_ASSIGNMENT_ID, assignment)


def fail(span: Span, error: BaseException) -> None:
    """Mark a span as failed. Only what this house words itself is repeated: what a handler choked
    on, or a model refused, may quote a task.
    """
    span.set_attribute(Attribute.ERROR_TYPE, type(error).__name__)
    said = str(error) if isinstance(error, ComitiaError) else type(error).__name__
    if isinstance(error, Poison):
        span.set_attribute(Attribute.COMITIA_REASON, error.reason)
        said = error.reason
    span.set_status(Status(StatusCode.ERROR, said))


def _recorded(span: Span) -> Span | None:
    return span if span.is_recording() else None


def _one_partition(span: Span, partitions: set[int]) -> None:
    if len(partitions) == 1:
        (partition,) = partitions
        span.set_attribute(Attribute.MESSAGING_DESTINATION_PARTITION_ID, str(partition))
