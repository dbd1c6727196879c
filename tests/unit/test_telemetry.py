"""Telemetry: the catalogue of names, what the environment switches on, spans along the walk."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv import attributes as stable
from opentelemetry.semconv._incubating import attributes as incubating
from opentelemetry.trace import SpanKind, StatusCode

from comitia.effects import Effect, Publish, Recorded
from comitia.errors import ConfigError, Poison
from comitia.ports import Usage
from comitia.runtime.context import Runtime
from comitia.runtime.stream import Source, StreamSpec, run_stream
from comitia.telemetry import names, spans
from comitia.telemetry.measures import messaging
from comitia.telemetry.setup import Telemetry, setup, tracers
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from tests.unit.runtime_world import World, simulate, until

EVENTS = "comitia.panel-events.v1"
INBOX = "comitia.inbox.anna.v1"


def semantic_conventions() -> set[str]:
    """Every attribute name that the package of conventions knows."""
    import importlib
    import pkgutil

    found: set[str] = set()
    for package in (stable, incubating):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            values = vars(importlib.import_module(module.name)).values()
            found |= {value for value in values if isinstance(value, str)}
    return found


def test_attributes_are_those_of_the_conventions_or_our_own() -> None:
    known = semantic_conventions()
    foreign = [a for a in names.Attribute if not a.startswith("comitia.")]
    assert [a.value for a in foreign if a.value not in known] == []


def test_metrics_have_unique_names_units_and_few_attributes() -> None:
    assert len({m.name for m in names.METRICS}) == len(names.METRICS)
    declared = [v for v in vars(names).values() if isinstance(v, names.Metric)]
    assert set(declared) == set(names.METRICS)
    for metric in names.METRICS:
        assert metric.unit in {"s", "By"} or re.fullmatch(r"\{[a-z]+\}", metric.unit)
        assert metric.description.endswith(".")
        unbounded = {names.Attribute.COMITIA_TASK_ID, names.Attribute.COMITIA_ASSIGNMENT_ID}
        assert not unbounded & set(metric.attributes)
        assert bool(metric.bounds) == (metric.kind == "histogram")


def test_inboxes_are_counted_under_one_template() -> None:
    sets = [messaging(f"staging.comitia.inbox.a{n}.v1", names.Operation.SEND) for n in range(9)]
    assert {tuple(sorted(s.items())) for s in sets} == {tuple(sorted(sets[0].items()))}
    assert sets[0]["messaging.destination.template"] == "staging.comitia.inbox.{agent}.v1"
    assert "messaging.destination.name" not in sets[0]
    high = messaging("staging.comitia.inbox.high.high.v1", names.Operation.SEND)
    assert high["messaging.destination.template"] == "staging.comitia.inbox.{agent}.high.v1"
    named_high = messaging("staging.comitia.inbox.high.v1", names.Operation.SEND)
    assert named_high == sets[0]


@pytest.mark.parametrize(
    ("environ", "traced"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        (
            {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
            False,
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_standard_variables_decide_whether_there_is_a_tracer(
    environ: dict[str, str], traced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No metrics over OTLP here: closing would try to reach the end point.
    telemetry = setup("router", "i", environ | {"OTEL_METRICS_EXPORTER": "none"})
    assert (telemetry.tracer is not None) == traced
    telemetry.shutdown()


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: 'zipkin'"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not supported; use http/protobuf",
        ),
    ],
)
def test_an_exporter_that_is_not_there_is_a_setting_to_change(
    environ: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        setup("router", "i", environ)


def test_metrics_are_exposed_for_prometheus() -> None:
    telemetry = setup("router", "i", {})
    telemetry.add(names.DEAD_LETTERS, 2, {names.Attribute.COMITIA_REASON: "UNREADABLE"})
    telemetry.record(names.FOLD_DURATION, 0.3)
    telemetry.observe(names.TASKS_OPEN, lambda: [(7, {})])
    text = telemetry.exposition().decode()
    assert 'comitia_dead_letters_total{comitia_reason="UNREADABLE"} 2.0' in text
    assert 'comitia_fold_duration_seconds_bucket{le="0.5"} 1.0' in text
    assert "comitia_tasks_open 7.0" in text
    telemetry.shutdown()


def test_a_counter_sums_up_by_attributes_whatever_their_order() -> None:
    telemetry = setup("router", "i", {})
    for amount, attributes in (
        (2, {"a": "1", "b": "2"}),
        (3, {"b": "2", "a": "1"}),
        (7, {"a": "3", "b": "2"}),
    ):
        telemetry.add(names.SENT, amount, attributes)
    for _ in range(2):
        text = telemetry.exposition().decode()
        assert 'messaging_client_sent_messages_total{a="1",b="2"} 5.0' in text
        assert 'messaging_client_sent_messages_total{a="3",b="2"} 7.0' in text
    telemetry.shutdown()


def traced(telemetry: Telemetry) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    telemetry.trace(tracers(Resource.create({}), SimpleSpanProcessor(exporter)))
    return exporter


def test_send_and_process_spans_form_one_connected_trace_over_two_hops() -> None:
    world = World()
    found: list[ReadableSpan] = []

    def route(recorded: Recorded[Task], _: int) -> Sequence[Effect]:
        if recorded.message.id == "bad":
            raise Poison("no")
        return (Publish(INBOX, recorded.message.id, Assignment(id="a")),)

    def answer(recorded: Recorded[Assignment], _: int) -> Sequence[Effect]:
        return (Publish(EVENTS, "t", PanelEvent(task_id="t")),)

    async def hop(runtime: Runtime, source: Source[Any], out: str) -> None:
        exporter = traced(runtime.telemetry)
        spec = StreamSpec(f"comitia.{runtime.service}", (source,))
        loop = asyncio.create_task(run_stream(runtime, spec))
        await until(lambda: len(world.records(out)) == 1)
        runtime.stop.set()
        await loop
        found.extend(exporter.get_finished_spans())

    async def story() -> None:
        await world.create("anna")
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        headers = (("traceparent", parent.encode()),)
        await world.write(world.names.topic("tasks"), "t", Task(id="t"), headers=headers)
        await hop(world.runtime("router"), Source(world.names.topic("tasks"), Task, route), INBOX)
        await hop(world.runtime("agent"), Source(INBOX, Assignment, answer), EVENTS)
        by_name = {span.name: span for span in found}
        chain = [
            "process comitia.tasks.v1",
            f"send {INBOX}",
            f"process {INBOX}",
            f"send {EVENTS}",
        ]
        above = "b7ad6b7169203331"
        for name in chain:
            span = by_name[name]
            assert span.parent is not None
            assert f"{span.parent.span_id:016x}" == above
            assert f"{span.context.trace_id:032x}" == parent[3:35]
            above = f"{span.context.span_id:016x}"
        process, send = by_name[chain[0]], by_name[chain[1]]
        assert (process.kind, send.kind) == (SpanKind.CONSUMER, SpanKind.PRODUCER)
        assert process.attributes is not None
        assert process.attributes["messaging.system"] == "kafka"
        assert process.attributes["messaging.operation.name"] == "process"
        assert process.attributes["messaging.consumer.group.name"] == "comitia.router"
        assert process.attributes["messaging.kafka.offset"] == 0
        assert send.attributes is not None
        assert send.attributes["messaging.operation.type"] == "send"
        assert send.attributes["messaging.destination.name"] == INBOX
        (record,) = world.records(EVENTS)
        carried = dict(record.headers)["traceparent"]
        assert carried == f"00-{parent[3:35]}-{above}-01".encode()

    simulate(world, story())


def test_spans_of_an_agent_and_its_model_nest_under_the_record() -> None:
    telemetry = setup("agent", "i", {})
    exporter = traced(telemetry)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with (
        spans.invoke_agent(telemetry, "anna", "smollm2", parent) as agent,
        spans.call_model(telemetry, "smollm2") as call,
    ):
        call.usage(Usage(100, 5, 80))
        agent.set(names.Attribute.COMITIA_TASK_ID, "t")
    chat, invoke = exporter.get_finished_spans()
    assert (chat.name, invoke.name) == ("chat smollm2", "invoke_agent anna")
    assert chat.parent is not None
    assert chat.parent.span_id == invoke.context.span_id
    assert invoke.parent is not None
    assert f"{invoke.parent.span_id:016x}" == "b7ad6b7169203331"
    assert dict(chat.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "onnxruntime",
        "gen_ai.request.model": "smollm2",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 80,
    }


def test_a_failed_call_of_a_model_is_an_error_in_its_span() -> None:
    telemetry = setup("agent", "i", {})
    exporter = traced(telemetry)
    with pytest.raises(Poison), spans.call_model(telemetry, "smollm2"):
        raise Poison("9 tokens of 8", "TOO_LONG")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code == StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "Poison"


def test_without_a_tracer_model_spans_do_nothing() -> None:
    telemetry = setup("agent", "i", {})
    with spans.invoke_agent(telemetry, "anna", "m", "") as agent:
        agent.set(names.Attribute.COMITIA_TASK_ID, "t")
    assert telemetry.tracer is None


def test_a_record_of_an_untraced_task_begins_a_trace_when_tracing_is_on() -> None:
    world = World()

    async def story() -> None:
        await world.create("anna")
        runtime = replace(world.runtime("router"))
        exporter = traced(runtime.telemetry)
        await world.write(world.names.topic("tasks"), "t", Task(id="t"))

        def route(recorded: Recorded[Task], _: int) -> Sequence[Effect]:
            assert len(recorded.traceparent) == 55
            return (Publish(INBOX, "t", Assignment(id="a")),)

        spec = StreamSpec("g", (Source(world.names.topic("tasks"), Task, route),))
        loop = asyncio.create_task(run_stream(runtime, spec))
        await until(lambda: len(world.records(INBOX)) == 1)
        runtime.stop.set()
        await loop
        assert len({span.context.trace_id for span in exporter.get_finished_spans()}) == 1

    simulate(world, story())
