"""Spans of Comitia, and W3C trace context as text.

In come a Telemetry and the `traceparent` of a record; out come spans by the conventions and the
`traceparent` that travels on. Every function is for the case that a tracer exists, except the
context managers for models, which do nothing without one. Source of the format:
https://www.w3.org/TR/trace-context/ (version 00).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from comitia.ports import Ack, Outgoing, Record, Usage
from comitia.telemetry.names import PROVIDER, SYSTEM, Attribute, Operation, span_name
from comitia.telemetry.setup import Telemetry

_PROPAGATOR = TraceContextTextMapPropagator()


def context_of(traceparent: str, tracestate: str = "") -> Context:
    """Context whose current span is the remote one; an empty context when the text is empty or
    malformed.
    """
    return _PROPAGATOR.extract(
        {"traceparent": traceparent, "tracestate": tracestate}, context=Context()
    )


def traceparent_of(span: Span) -> str:
    """`00-<trace id>-<span id>-<flags>` of a span."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def start_process(tracer: Tracer, record: Record, group: str, parent: tuple[str, str]) -> Span:
    """Span of handling one record. `parent`: its traceparent and tracestate; the producer is
    parent and link.
    """
    context = context_of(*parent)
    remote = trace.get_current_span(context).get_span_context()
    return tracer.start_span(
        span_name(Operation.PROCESS, record.topic),
        context=context,
        kind=SpanKind.CONSUMER,
        links=[Link(remote)] if remote.is_valid else [],
        attributes={
            Attribute.MESSAGING_SYSTEM: SYSTEM,
            Attribute.MESSAGING_OPERATION_NAME: Operation.PROCESS,
            Attribute.MESSAGING_OPERATION_TYPE: "process",
            Attribute.MESSAGING_DESTINATION_NAME: record.topic,
            Attribute.MESSAGING_DESTINATION_PARTITION_ID: str(record.partition),
            Attribute.MESSAGING_CONSUMER_GROUP_NAME: group,
            Attribute.MESSAGING_KAFKA_OFFSET: record.offset,
            Attribute.MESSAGING_MESSAGE_BODY_SIZE: len(record.value or b""),
        },
    )


def start_send(tracer: Tracer, topic: str, key: str, parent: tuple[str, str]) -> Span:
    """Span of sending one record; its context is what the record carries."""
    return tracer.start_span(
        span_name(Operation.SEND, topic),
        context=context_of(*parent),
        kind=SpanKind.PRODUCER,
        attributes={
            Attribute.MESSAGING_SYSTEM: SYSTEM,
            Attribute.MESSAGING_OPERATION_NAME: Operation.SEND,
            Attribute.MESSAGING_OPERATION_TYPE: "send",
            Attribute.MESSAGING_DESTINATION_NAME: topic,
            Attribute.MESSAGING_KAFKA_MESSAGE_KEY: key,
        },
    )


def end_send(span: Span, outgoing: Outgoing, outcome: Ack | Exception) -> None:
    """End a send span with where the record stands, or with why it stands nowhere."""
    span.set_attribute(Attribute.MESSAGING_MESSAGE_BODY_SIZE, len(outgoing.value or b""))
    if isinstance(outcome, Ack):
        span.set_attribute(Attribute.MESSAGING_DESTINATION_PARTITION_ID, str(outcome.partition))
        span.set_attribute(Attribute.MESSAGING_KAFKA_OFFSET, outcome.offset)
    else:
        fail(span, outcome)
    span.end()


def fail(span: Span, error: BaseException) -> None:
    """Mark a span as failed; the message of an error of ours names no content of a task."""
    span.set_attribute(Attribute.ERROR_TYPE, type(error).__name__)
    span.set_status(Status(StatusCode.ERROR, str(error)))


class ModelSpan:
    """What a call of a model tells of itself; does nothing without a span."""

    def __init__(self, span: Span | None) -> None:
        self._span = span

    def usage(self, usage: Usage) -> None:
        """Tokens of the call."""
        self.set(Attribute.GEN_AI_USAGE_INPUT_TOKENS, usage.prompt_tokens)
        self.set(Attribute.GEN_AI_USAGE_OUTPUT_TOKENS, usage.completion_tokens)
        self.set(Attribute.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, usage.cached_tokens)

    def set(self, attribute: Attribute, value: AttributeValue) -> None:
        if self._span is not None:
            self._span.set_attribute(attribute, value)


@contextmanager
def invoke_agent(
    telemetry: Telemetry, agent: str, model: str, traceparent: str
) -> Iterator[ModelSpan]:
    """Span `invoke_agent <agent>` under the record's context; spans of models opened inside
    become its children.
    """
    attributes: dict[str, str] = {
        Attribute.GEN_AI_AGENT_NAME: agent,
        Attribute.GEN_AI_REQUEST_MODEL: model,
    }
    name = (Operation.INVOKE_AGENT, agent)
    with _model_span(telemetry, name, attributes, context_of(traceparent)) as span:
        yield span


@contextmanager
def call_model(
    telemetry: Telemetry, model: str, operation: Operation = Operation.CHAT
) -> Iterator[ModelSpan]:
    """Span `chat <model>` (or `embeddings <model>`) under the current span."""
    attributes: dict[str, str] = {Attribute.GEN_AI_REQUEST_MODEL: model}
    with _model_span(telemetry, (operation, model), attributes, None) as span:
        yield span


@contextmanager
def _model_span(
    telemetry: Telemetry,
    name: tuple[Operation, str],
    attributes: Mapping[str, str],
    context: Context | None,
) -> Iterator[ModelSpan]:
    if telemetry.tracer is None:
        yield ModelSpan(None)
        return
    with telemetry.tracer.start_as_current_span(
        span_name(*name),
        context=context,
        # The model runs in this process.
        kind=SpanKind.INTERNAL,
        attributes={
            Attribute.GEN_AI_OPERATION_NAME: name[0],
            Attribute.GEN_AI_PROVIDER_NAME: PROVIDER,
            **attributes,
        },
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield ModelSpan(span)
        except BaseException as error:
            fail(span, error)
            raise
