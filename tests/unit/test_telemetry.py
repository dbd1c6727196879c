"""Telemetry: the catalogue of names, what the environment switches on, spans along the walk."""

import re

import pytest
from opentelemetry.semconv import attributes as stable
from opentelemetry.semconv._incubating import attributes as incubating

from comitia.errors import ConfigError
from comitia.telemetry import metrics, names
from comitia.telemetry.measures import messaging
from comitia.telemetry.metric import Metric
from comitia.telemetry.setup import setup

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
    assert len({m.name for m in metrics.METRICS}) == len(metrics.METRICS)
    declared = [v for v in vars(metrics).values() if isinstance(v, Metric)]
    assert set(declared) == set(metrics.METRICS)
    for metric in metrics.METRICS:
        assert metric.unit in {"s", "By", "1"} or re.fullmatch(r"\{[a-z]+\}", metric.unit)
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
    telemetry.add(metrics.DEAD_LETTERS, 2, {names.Attribute.COMITIA_REASON: "UNREADABLE"})
    telemetry.record(metrics.FOLD_DURATION, 0.3)
    telemetry.observe(metrics.TASKS_OPEN, lambda: [(7, {})])
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
        telemetry.add(metrics.SENT, amount, attributes)
    for _ in range(2):
        text = telemetry.exposition().decode()
        assert 'messaging_client_sent_messages_total{a="1",b="2"} 5.0' in text
        assert 'messaging_client_sent_messages_total{a="3",b="2"} 7.0' in text
    telemetry.shutdown()
