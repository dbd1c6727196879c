"""Spans of agents and models, by the OpenTelemetry conventions for generative AI.

In come an agent's or a model's name and the trace that the work belongs to; out come `invoke_agent`
and, inside it, `chat` or `embeddings` (INTERNAL: the model runs in this process). They exist only
within a trace that is recorded. What was asked and said is put on `chat` when the operator opted in
with OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true, cut to a bound; else nowhere.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue

from comitia.ports import Usage
from comitia.telemetry.context import context_of
from comitia.telemetry.names import PROVIDER, Attribute, Operation, span_name
from comitia.telemetry.spans import Tracing, fail

# Of each text that is exported; backends refuse or cut much larger attributes.
CONTENT_CHARACTERS_MAX = 8_192


class ModelSpan:
    """What a call of a model tells of itself; does nothing without a span."""

    def __init__(self, span: Span | None, *, content: bool = False) -> None:
        self._span = span
        self._content = content

    def usage(self, usage: Usage) -> None:
        """Tokens of the call."""
        self.set(Attribute.GEN_AI_USAGE_INPUT_TOKENS, usage.prompt_tokens)
        self.set(Attribute.GEN_AI_USAGE_OUTPUT_TOKENS, usage.completion_tokens)
        self.set(Attribute.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, usage.cached_tokens)

    def set(self, attribute: Attribute, value: AttributeValue) -> None:
        if self._span is not None:
            self._span.set_attribute(attribute, value)

    def said(self, prompt: str, answer: str, finish: str) -> None:
        """What the model read and wrote, as messages of the conventions; only when opted in."""
        if self._span is None or not self._content:
            return
        asked = {"role": "user", "parts": [_text(prompt)]}
        told = {"role": "assistant", "parts": [_text(answer)], "finish_reason": finish}
        self.set(Attribute.GEN_AI_INPUT_MESSAGES, json.dumps([asked], ensure_ascii=False))
        self.set(Attribute.GEN_AI_OUTPUT_MESSAGES, json.dumps([told], ensure_ascii=False))


@contextmanager
def invoke_agent(
    tracing: Tracing | None, agent: tuple[str, str], model: str, traceparent: str
) -> Iterator[ModelSpan]:
    """Span `invoke_agent <agent>` under the record's context; spans of models opened inside become
    its children. `agent`: its name and the version of its card.
    """
    if tracing is None or tracing.leaves_out(traceparent):
        yield ModelSpan(None)
        return
    attributes: dict[str, str] = {
        Attribute.GEN_AI_AGENT_NAME: agent[0],
        Attribute.GEN_AI_AGENT_VERSION: agent[1],
        Attribute.GEN_AI_REQUEST_MODEL: model,
    }
    name = (Operation.INVOKE_AGENT, agent[0])
    with _span(tracing, name, attributes, context_of(traceparent)) as span:
        yield span


@contextmanager
def call_model(
    tracing: Tracing | None, model: str, operation: Operation = Operation.CHAT
) -> Iterator[ModelSpan]:
    """Span `chat <model>` (or `embeddings <model>`) under the current span, if that is recorded."""
    if tracing is None or not trace.get_current_span().is_recording():
        yield ModelSpan(None)
        return
    attributes: dict[str, str] = {Attribute.GEN_AI_REQUEST_MODEL: model}
    with _span(tracing, (operation, model), attributes, None) as span:
        yield span


@contextmanager
def _span(
    tracing: Tracing,
    name: tuple[Operation, str],
    attributes: Mapping[str, str],
    context: Context | None,
) -> Iterator[ModelSpan]:
    with tracing.tracer.start_as_current_span(
        span_name(*name),
        context=context,
        kind=SpanKind.INTERNAL,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        if span.is_recording():
            span.set_attribute(Attribute.GEN_AI_OPERATION_NAME, name[0].value)
            span.set_attribute(Attribute.GEN_AI_PROVIDER_NAME, PROVIDER)
            span.set_attributes(attributes)
        try:
            yield ModelSpan(span, content=tracing.content)
        except BaseException as error:
            fail(span, error)
            raise


def _text(content: str) -> dict[str, str]:
    if len(content) > CONTENT_CHARACTERS_MAX:
        content = content[:CONTENT_CHARACTERS_MAX] + "…"
    return {"type": "text", "content": content}
