"""Tracing switched on in the process of a test, and what came of it in memory."""

from collections.abc import Iterable

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util.types import AttributeValue

from comitia.telemetry.setup import Telemetry, tracers

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-1] + "0"


def traced(telemetry: Telemetry, *, content: bool = False) -> InMemorySpanExporter:
    """Keep the spans of `telemetry`; OTEL_TRACES_SAMPLER counts as it does in a service."""
    exporter = InMemorySpanExporter()
    resource = Resource.create({"service.instance.id": "i"})
    telemetry.trace(tracers(resource, SimpleSpanProcessor(exporter)), content=content)
    return exporter


def by_name(spans: Iterable[ReadableSpan]) -> dict[str, ReadableSpan]:
    """The last span of each name."""
    return {span.name: span for span in spans}


def attributes(span: ReadableSpan) -> dict[str, AttributeValue]:
    return dict(span.attributes or {})


def span_id(span: ReadableSpan) -> str:
    return f"{span.context.span_id:016x}" if span.context else ""


def trace_id(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}" if span.context else ""


def parent_id(span: ReadableSpan) -> str:
    return f"{span.parent.span_id:016x}" if span.parent else ""


def linked(span: ReadableSpan) -> set[str]:
    """Ids of the spans that `span` links to."""
    return {f"{link.context.span_id:016x}" for link in span.links}
