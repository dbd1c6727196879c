"""Logs: what a line holds as JSON and as text, whose trace it names, and what a service says."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from comitia.errors import Poison
from comitia.ports import Record
from comitia.runtime import dead_letters
from comitia.runtime.health import Health
from comitia.telemetry import logs
from comitia.telemetry.model_spans import invoke_agent
from comitia.telemetry.setup import setup
from tests.telemetry.tracing import PARENT, span_id, traced

# A service on LocalLog that stops by itself, once it has met a record that a handler chokes on.
SERVICE = """
import sys
from comitia.config import ServiceSettings
from comitia.ports import Outgoing
from comitia.runtime.service import run_service
from comitia.runtime.stream import Source, StreamSpec, run_stream
from comitia.testing import LocalLog
from comitia.v1.task_pb2 import Task

async def open_log(settings, client_id):
    return LocalLog()

async def compose(service):
    runtime = service.runtime

    def handle(recorded, now_ms):
        runtime.stop.set()
        raise KeyError(recorded.message.input.text)

    await service.ensure_topics(["tasks"])
    task = Task(id="t")
    task.input.text = "a secret"
    topic = service.names.topic("tasks")
    trace = ("traceparent", sys.argv[1].encode())
    writer = await runtime.log.writer()
    record = Outgoing(topic, task.SerializeToString(), b"t", (trace,), 0)
    await (await writer.send(record))
    spec = StreamSpec("g", (Source(topic, Task, handle),))
    service.start(run_stream(runtime, spec), "tasks")

sys.exit(run_service("test", ServiceSettings, compose, open_log))
"""


@pytest.fixture
def line() -> Iterator[io.StringIO]:
    """What a logger writes as JSON."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(logs.traced)
    handler.setFormatter(logs.formatter("router", "r-1", "json"))
    logger = logging.getLogger("comitia")
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


def only(written: io.StringIO) -> dict[str, Any]:
    (found,) = written.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(found)
    return parsed


def test_a_dead_letter_is_one_line_that_a_search_finds(line: io.StringIO) -> None:
    record = Record("comitia.tasks.v1", 3, 17, 0, None, b"x")
    dead_letters.tell(record, Poison("1 byte", "UNREADABLE"), "t-1", PARENT)
    told = only(line)
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "WARNING",
        "service": "comitia-router",
        "instance": "r-1",
        "logger": "comitia.dead_letters",
        "message": "comitia.tasks.v1[3] offset 17 to the dead letters: UNREADABLE: 1 byte",
        "event": "dead_letter",
        "reason": "UNREADABLE",
        "topic": "comitia.tasks.v1",
        "partition": 3,
        "offset": 17,
        "task_id": "t-1",
        "trace_id": PARENT[3:35],
        "span_id": PARENT[36:52],
    }


def test_a_line_within_a_span_names_it(line: io.StringIO) -> None:
    telemetry = setup("agent", "i", {})
    exporter = traced(telemetry)
    with invoke_agent(telemetry.tracer, ("anna", "1"), "m", PARENT):
        logging.getLogger("comitia.agent").warning("well")
    (span,) = exporter.get_finished_spans()
    assert (only(line)["trace_id"], only(line)["span_id"]) == (PARENT[3:35], span_id(span))


def test_a_line_outside_a_trace_names_none(line: io.StringIO) -> None:
    Health().set("broker", "away")
    told = only(line)
    assert (told["event"], told["condition"], told["reason"]) == ("not_ready", "broker", "away")
    assert "trace_id" not in told


def run(**environ: str) -> tuple[int, list[str]]:
    """A service's exit code, and its lines."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("COMITIA_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-c", SERVICE, PARENT],
        env={**variables, "COMITIA_BOOTSTRAP": "127.0.0.1:9", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


def events(lines: list[str]) -> Mapping[str, dict[str, Any]]:
    return {told.get("event", ""): told for told in map(json.loads, lines)}


def test_a_service_logs_json_where_nobody_looks_on() -> None:
    status, lines = run()
    assert status == 0, lines
    told = events(lines)
    assert {"started", "ready", "dead_letter", "drained", "ended"} <= set(told)
    assert {one["service"] for one in told.values()} == {"comitia-test"}
    assert len({one["instance"] for one in told.values()}) == 1
    assert told["dead_letter"]["reason"] == "HANDLER_FAILED"
    assert told["dead_letter"]["task_id"] == "t"
    assert told["dead_letter"]["trace_id"] == PARENT[3:35]
    # The bug's place is told, its words are not: they may be the task's.
    (bug,) = (one["exception"] for one in map(json.loads, lines) if "exception" in one)
    assert "in handle" in bug and "KeyError" in bug
    assert "a secret" not in "\n".join(lines)


def test_text_is_for_people() -> None:
    status, lines = run(COMITIA_LOG_FORMAT="text", COMITIA_LOG_LEVEL="WARNING")
    assert status == 0
    assert not [one for one in lines if one.startswith("{") or " INFO " in one]
    assert [one for one in lines if " test WARNING comitia.tasks.v1[0] offset 0 to the" in one]
    assert "a secret" not in "\n".join(lines)


@pytest.mark.parametrize("name", ["COMITIA_LOG_FORMAT", "COMITIA_LOG_LEVEL"])
def test_a_wrong_setting_of_logs_is_named(name: str) -> None:
    status, lines = run(**{name: "loud"})
    assert status == 2
    assert name in events(lines)["failed"]["message"]


def test_a_collector_that_is_away_is_told_once() -> None:
    seldom = logs.Seldom()

    def passes(name: str, level: int, at_s: float) -> bool:
        record = logging.LogRecord(name, level, "", 0, "Failed to export", None, None)
        record.created = at_s
        return seldom.filter(record)

    exporter = "opentelemetry.exporter.otlp"
    assert not passes(exporter, logging.WARNING, 1_000)
    assert [passes(exporter, logging.ERROR, 1_000 + 20 * n) for n in range(9)] == [
        True,
        *[False] * 8,
    ]
    assert passes("comitia.health", logging.WARNING, 1_180)
    assert passes(exporter, logging.ERROR, 2_000)
