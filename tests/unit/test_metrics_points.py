"""Points of metrics: buckets, bounds on their number, gauges of several sources, OTLP."""

import random

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
)
from opentelemetry.sdk.metrics.export import MetricsData as Data
from prometheus_client import CollectorRegistry, generate_latest

from comitia.telemetry import metrics
from comitia.telemetry.histograms import POINTS_MAX, Histograms, PushingReader
from comitia.telemetry.names import Attribute
from comitia.telemetry.setup import Telemetry, setup
from tests.unit.measured import scrape

AGENT = Attribute.COMITIA_AGENT.value


@pytest.fixture
def telemetry() -> Telemetry:
    made = setup("router", "i", {})
    made.observe(metrics.READY, lambda: [(1, {})])
    return made


def test_buckets_count_as_opentelemetrys_own_do(telemetry: Telemetry) -> None:
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    theirs = MeterProvider([reader]).get_meter("theirs")
    metric = metrics.MARGIN
    histogram = theirs.create_histogram(
        metric.name,
        metric.unit,
        metric.description,
        explicit_bucket_boundaries_advisory=metric.bounds,
    )
    chance = random.Random(5)
    for value in (0.0, 0.1, 0.7, 1.0, 1.5, *(chance.random() for _ in range(100))):
        histogram.record(value)
        telemetry.record(metric, value)
    lines = [
        line
        for line in generate_latest(registry).decode().splitlines()
        if not line.startswith(("target_info", "# HELP target_info", "# TYPE target_info"))
    ]
    assert len(lines) > len(metric.bounds)
    assert set(lines) <= set(telemetry.exposition().decode().splitlines())


def test_a_point_that_is_kept_is_the_one_that_is_recorded(telemetry: Telemetry) -> None:
    stage = {Attribute.COMITIA_STAGE.value: "route"}
    telemetry.buckets(metrics.STAGE_DURATION, stage).record(2)
    telemetry.record(metrics.STAGE_DURATION, 3, stage)
    found = scrape(telemetry)
    assert found["comitia_task_stage_duration_seconds_count"] == {("route",): 2}
    assert found["comitia_task_stage_duration_seconds_sum"] == {("route",): 5}


def test_beyond_the_bound_points_are_counted_together(telemetry: Telemetry) -> None:
    for n in range(POINTS_MAX + 50):
        telemetry.add(metrics.SEATS, 1, {AGENT: f"a{n}"})
        telemetry.record(metrics.TASK_DURATION, 1, {AGENT: f"a{n}"})
    found = scrape(telemetry)
    for name in ("comitia_seats_total", "comitia_task_duration_seconds_count"):
        assert len(found[name]) == POINTS_MAX + 1
        assert sum(found[name].values()) == POINTS_MAX + 50
        assert max(found[name].values()) == 50


def test_several_sources_tell_of_one_gauge(telemetry: Telemetry) -> None:
    telemetry.observe(metrics.WAITING, lambda: [(3, {AGENT: "anna"})])
    telemetry.observe(metrics.WAITING, lambda: [(4, {AGENT: "bert"})])
    found = scrape(telemetry)["comitia_assignments_waiting"]
    assert found == {("anna",): 3, ("bert",): 4}


class Sink(MetricExporter):
    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, str] = {}

    def export(
        self, metrics_data: Data, timeout_millis: float = 0, **_: object
    ) -> MetricExportResult:
        # As it goes over the wire.
        for resource in encode_metrics(metrics_data).resource_metrics:
            for scope in resource.scope_metrics:
                self.names |= {one.name: one.unit for one in scope.metrics}
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **_: object) -> None:
        return


def test_what_is_pushed_has_the_names_of_the_catalogue() -> None:
    sink, histograms = Sink(), Histograms()
    reader = PushingReader(histograms, sink)
    telemetry = Telemetry(MeterProvider([reader]), CollectorRegistry(), histograms)
    for metric in metrics.METRICS:
        if metric.kind == "counter":
            telemetry.add(metric, 1)
        elif metric.kind == "gauge":
            telemetry.observe(metric, lambda: [(1, {})])
        else:
            telemetry.record(metric, 1)
    reader.force_flush()
    assert sink.names == {metric.name: metric.unit for metric in metrics.METRICS}
    telemetry.shutdown()


def test_every_reader_is_told_everything() -> None:
    histograms = Histograms()
    histograms.of(metrics.MARGIN).record(0.5)
    other = InMemoryMetricReader()
    MeterProvider([other]).get_meter("m").create_counter("c").add(1)
    data = other.get_metrics_data()
    assert data is not None
    for _ in range(2):
        joined = histograms.joined(data)
        (point,) = joined.resource_metrics[0].scope_metrics[0].metrics[-1].data.data_points
        assert isinstance(point, HistogramDataPoint)
        assert (point.count, point.sum) == (1, 0.5)
