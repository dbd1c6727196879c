"""Which spans of batches are recorded: those that touch a trace that is.

In comes the sampler that the environment asks for (OTEL_TRACES_SAMPLER); out comes one that leaves
spans with a parent, and roots of their own, to it. A poll, a commit or a transaction has no parent,
because it serves many traces: it is sampled as the first trace is that it links to.
"""

from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan

# Of what OpenTelemetry hands a sampler after the name: kind, attributes, links.
_LINKS = 2


class BatchSampler(Sampler):
    """`base` decides; for a root that has links, as though the first of them were its parent."""

    def __init__(self, base: Sampler) -> None:
        self.base = base

    def should_sample(
        self, parent_context: Context | None, trace_id: int, name: str, *rest: Any, **named: Any
    ) -> SamplingResult:
        """Asked by OpenTelemetry when a span begins."""
        links = rest[_LINKS] if len(rest) > _LINKS else named.get("links")
        if links and not trace.get_current_span(parent_context).get_span_context().is_valid:
            first = links[0].context
            parent_context = trace.set_span_in_context(NonRecordingSpan(first), Context())
            trace_id = first.trace_id
        return self.base.should_sample(parent_context, trace_id, name, *rest, **named)

    def get_description(self) -> str:
        """As OpenTelemetry asks of every sampler."""
        return f"BatchSampler{{{self.base.get_description()}}}"
