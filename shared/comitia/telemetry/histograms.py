"""Histograms counted in this process, and the readers of OpenTelemetry that export them with all
other metrics.

In come values, from the thread that measures; out go cumulative points, whatever reader collects.
OpenTelemetry's own histograms take about 10 us a value, a hundredth of what a whole task costs a
service; counting into buckets here takes 0.2 us, and MetricReader's protected hook
`_receive_metrics`, which is documented for being overridden, is where both come together.
"""

import math
import time
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import export
from prometheus_client import CollectorRegistry

from comitia.telemetry.metric import Metric

Attributes = Mapping[str, str]
Point = frozenset[tuple[str, str]]
# Sets of attributes of one metric. The catalogue's stay far below it; what comes beyond counts as
# OVERFLOW, as OpenTelemetry has it.
POINTS_MAX = 1000
OVERFLOW: Point = frozenset({("otel.metric.overflow", "true")})
_NONE: Point = frozenset()


def point_of(known: Mapping[Point, Any], attributes: Attributes | None) -> Point:
    """The point that `attributes` name, or OVERFLOW where there are enough of them."""
    point = frozenset(attributes.items()) if attributes else _NONE
    return point if point in known or len(known) < POINTS_MAX else OVERFLOW


class Buckets:
    """One point of a histogram. `record` is for one thread."""

    __slots__ = ("_bounds", "_counts", "_high", "_low", "_since_ns", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._low, self._high = math.inf, -math.inf
        self._since_ns = time.time_ns()

    def record(self, value: float) -> None:
        """Count one value, in the unit of the metric."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value
        if value < self._low:
            self._low = value
        if value > self._high:
            self._high = value

    def told(self, attributes: Point, now_ns: int) -> export.HistogramDataPoint:
        """What was counted since the beginning."""
        counts = tuple(self._counts)
        count = sum(counts)
        return export.HistogramDataPoint(
            attributes=dict(attributes),
            start_time_unix_nano=self._since_ns,
            time_unix_nano=now_ns,
            count=count,
            sum=self._sum,
            bucket_counts=counts,
            explicit_bounds=self._bounds,
            min=self._low if count else 0.0,
            max=self._high if count else 0.0,
        )


class Histograms:
    """All histograms of one process."""

    def __init__(self) -> None:
        self._points: dict[str, tuple[Metric, dict[Point, Buckets]]] = {}

    def of(self, metric: Metric, attributes: Attributes | None = None) -> Buckets:
        """The point of `metric` with `attributes`, to be kept by who records often."""
        _, points = self._points.setdefault(metric.name, (metric, {}))
        point = point_of(points, attributes)
        found = points.get(point)
        return found if found is not None else points.setdefault(point, Buckets(metric.bounds))

    def joined(self, data: export.MetricsData) -> export.MetricsData:
        """`data`, which holds something, with what was counted here beside it: under its resource
        and scope, which exporters want to meet once each.
        """
        now_ns = time.time_ns()
        told = [
            export.Metric(
                metric.name,
                metric.description,
                metric.unit,
                export.Histogram(
                    [buckets.told(point, now_ns) for point, buckets in tuple(points.items())],
                    export.AggregationTemporality.CUMULATIVE,
                ),
            )
            for metric, points in tuple(self._points.values())
            if points
        ]
        resource, *resources = data.resource_metrics
        scope, *scopes = resource.scope_metrics
        scope = replace(scope, metrics=[*scope.metrics, *told])
        resource = replace(resource, scope_metrics=[scope, *scopes])
        return export.MetricsData([resource, *resources])


class PrometheusReader(PrometheusMetricReader):
    """For /metrics."""

    def __init__(self, histograms: Histograms, registry: CollectorRegistry) -> None:
        self._histograms = histograms
        super().__init__(scope_info_enabled=False, registry=registry)

    def _receive_metrics(
        self, metrics_data: export.MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        joined = self._histograms.joined(metrics_data)
        super()._receive_metrics(joined, timeout_millis, **kwargs)


class PushingReader(export.PeriodicExportingMetricReader):
    """For OTLP, at the interval of OTEL_METRIC_EXPORT_INTERVAL."""

    def __init__(self, histograms: Histograms, exporter: export.MetricExporter) -> None:
        self._histograms = histograms
        super().__init__(exporter)

    def _receive_metrics(
        self, metrics_data: export.MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        joined = self._histograms.joined(metrics_data)
        super()._receive_metrics(joined, timeout_millis, **kwargs)
