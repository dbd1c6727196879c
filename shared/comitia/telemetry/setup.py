"""Telemetry of one process: instruments by the catalogue, a tracer when one is asked for, and the
text for Prometheus.

Metrics are always kept, for /metrics. Anything leaves the process only when the standard OTEL_*
variables say so: an OTLP endpoint, or an exporter by name. Without them there is no tracer at all
(`Telemetry.tracer` is None), so that the hot path pays one comparison; the trace context of
records is passed on all the same, by the codec.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from comitia.telemetry.exporters import exporter
from comitia.telemetry.histograms import (
    Attributes,
    Buckets,
    Histograms,
    Point,
    PrometheusReader,
    PushingReader,
    point_of,
)
from comitia.telemetry.metric import Metric
from comitia.telemetry.names import Attribute
from comitia.telemetry.sampling import BatchSampler
from comitia.telemetry.spans import SCOPE, Tracing

# (value, attributes) of each point of a gauge.
Points = Callable[[], list[tuple[float, Attributes]]]
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class Telemetry:
    """`tracer` is None where spans are not exported."""

    def __init__(
        self, meters: MeterProvider, registry: CollectorRegistry, histograms: Histograms
    ) -> None:
        self.tracer: Tracing | None = None
        self._tracers: TracerProvider | None = None
        self._meters = meters
        self._meter = meters.get_meter(SCOPE)
        self._registry = registry
        self._histograms = histograms
        self._counts: dict[str, dict[Point, int]] = {}
        self._gauges: dict[str, list[Points]] = {}

    def trace(self, tracers: TracerProvider, *, content: bool = False) -> None:
        """Make spans from now on; with `content`, texts of tasks are put on those of models."""
        self._tracers = tracers
        self.tracer = Tracing(tracers, content=content)

    def add(self, metric: Metric, amount: int, attributes: Attributes | None = None) -> None:
        """Add to a counter, all that one counter gets from one thread: the event loop's, or a
        model's engine. Loops add once per batch.

        Sums are kept here and read when metrics are collected: adding to OpenTelemetry's own
        counters takes ten times as long, a fifth of what a single task costs a service.
        """
        counts = self._counts.get(metric.name)
        if counts is None:
            counts = self._counts[metric.name] = {}
            self._count(metric, counts)
        point = point_of(counts, attributes)
        counts[point] = counts.get(point, 0) + amount

    def _count(self, metric: Metric, counts: Mapping[Point, int]) -> None:
        def read(_: CallbackOptions) -> list[Observation]:
            # Exporters collect in a thread of their own.
            return [Observation(count, dict(point)) for point, count in tuple(counts.items())]

        self._meter.create_observable_counter(metric.name, [read], metric.unit, metric.description)

    def record(self, metric: Metric, value: float, attributes: Attributes | None = None) -> None:
        """Add an observation to a histogram."""
        self._histograms.of(metric, attributes).record(value)

    def buckets(self, metric: Metric, attributes: Attributes | None = None) -> Buckets:
        """One point of a histogram, for who records often."""
        return self._histograms.of(metric, attributes)

    def observe(self, metric: Metric, points: Points) -> None:
        """Read points of a gauge from `points` whenever the metrics are collected, in a thread of
        the exporter. Several may tell of one gauge, each of its own points.
        """
        sources = self._gauges.get(metric.name)
        if sources is not None:
            sources.append(points)
            return
        sources = self._gauges[metric.name] = [points]

        def read(_: CallbackOptions) -> list[Observation]:
            return [Observation(value, whose) for told in tuple(sources) for value, whose in told()]

        self._meter.create_observable_gauge(metric.name, [read], metric.unit, metric.description)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def shutdown(self) -> None:
        """Export what is left; may wait for the exporters."""
        if self._tracers is not None:
            self._tracers.shutdown()
        self._meters.shutdown()


def setup(service: str, instance: str, environ: Mapping[str, str]) -> Telemetry:
    """Telemetry of `service`; `environ` decides what is exported. ConfigError when it asks for
    what is not there.
    """
    resource = Resource.create(
        {
            Attribute.SERVICE_NAME: environ.get("OTEL_SERVICE_NAME") or f"comitia-{service}",
            Attribute.SERVICE_NAMESPACE: "comitia",
            Attribute.SERVICE_INSTANCE_ID: instance,
            Attribute.SERVICE_VERSION: version("comitia"),
        }
    )
    registry = CollectorRegistry()
    histograms = Histograms()
    readers: list[MetricReader] = [PrometheusReader(histograms, registry)]
    if exporter("METRICS", environ) == "otlp":
        readers.append(PushingReader(histograms, OTLPMetricExporter()))
    telemetry = Telemetry(MeterProvider(readers, resource), registry, histograms)
    spans = _span_exporter(environ)
    if spans is not None:
        content = environ.get(CONTENT, "").lower() == "true"
        telemetry.trace(tracers(resource, BatchSpanProcessor(spans)), content=content)
    return telemetry


def tracers(resource: Resource, processor: SpanProcessor) -> TracerProvider:
    """A provider that hands its spans to `processor`; OTEL_TRACES_SAMPLER decides which there
    are.
    """
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.sampler = BatchSampler(provider.sampler)
    provider.add_span_processor(processor)
    return provider


def _span_exporter(environ: Mapping[str, str]) -> SpanExporter | None:
    kind = exporter("TRACES", environ)
    if kind == "none":
        return None
    return ConsoleSpanExporter() if kind == "console" else OTLPSpanExporter()
