"""The command line as a publisher: the trace begins with whoever asks, when traces are on."""

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from comitia.errors import ConfigError, Poison
from comitia.telemetry.setup import setup
from comitia.v1.task_pb2 import Task
from comitia_cli.client import sending
from tests.telemetry.tracing import attributes, span_id, trace_id, traced
from tests.unit.runtime_world import World, simulate

TASKS = "comitia.tasks.v1"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    telemetry = setup("cli", "i", {})
    exporter = traced(telemetry)
    monkeypatch.setattr(sending, "tracing", lambda: telemetry.tracer)
    return exporter


def sent(task: Task) -> World:
    world = World()

    async def story() -> None:
        await world.create()
        writer = await world.log.writer()
        await (await sending.send(writer, TASKS, task.id, task))
        await writer.close()

    simulate(world, story())
    return world


def test_a_task_names_the_span_that_it_was_sent_in(spans: InMemorySpanExporter) -> None:
    (record,) = sent(Task(id="t")).records(TASKS)
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind, span.parent) == (f"send {TASKS}", SpanKind.PRODUCER, None)
    assert attributes(span)["comitia.task.id"] == "t"
    assert attributes(span)["messaging.kafka.offset"] == record.offset
    carried = dict(record.headers)["traceparent"].decode()
    assert carried == f"00-{trace_id(span)}-{span_id(span)}-03"


def test_a_task_that_is_refused_ends_its_span_with_why(spans: InMemorySpanExporter) -> None:
    task = Task(id="t")
    task.input.text = "x" * 4_000_000
    with pytest.raises(Poison):
        sent(task)
    (span,) = spans.get_finished_spans()
    assert span.status.status_code == StatusCode.ERROR
    assert attributes(span)["comitia.reason"] == "TOO_LARGE"


def test_without_traces_a_task_carries_none_and_nothing_is_loaded() -> None:
    (record,) = sent(Task(id="t")).records(TASKS)
    assert "traceparent" not in dict(record.headers)
    script = (
        "import sys; from comitia_cli.client.sending import tracing; assert tracing() is None;"
        "sys.exit('opentelemetry.sdk' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_an_exporter_that_is_not_there_is_a_setting_to_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    sending.tracing.cache_clear()
    with pytest.raises(ConfigError, match="OTEL_TRACES_EXPORTER"):
        sending.tracing()
