"""Spans of agents and models: their place, what they say, and that they quote nobody unasked."""

import json

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from comitia.errors import Poison
from comitia.ports import Usage
from comitia.telemetry import names
from comitia.telemetry.model_spans import CONTENT_CHARACTERS_MAX, call_model, invoke_agent
from comitia.telemetry.setup import setup
from tests.telemetry.tracing import PARENT, UNSAMPLED, attributes, parent_id, span_id, traced

WHO = ("anna", "3")


def test_spans_of_an_agent_and_its_model_nest_under_the_record() -> None:
    telemetry = setup("agent", "i", {})
    exporter = traced(telemetry)
    with (
        invoke_agent(telemetry.tracer, WHO, "smollm2", PARENT) as agent,
        call_model(telemetry.tracer, "smollm2") as call,
    ):
        call.usage(Usage(100, 5, 80))
        call.said("a secret", "another", "stop")
        agent.set(names.Attribute.COMITIA_TASK_ID, "t")
    chat, invoke = exporter.get_finished_spans()
    assert (chat.name, invoke.name) == ("chat smollm2", "invoke_agent anna")
    assert (chat.kind, invoke.kind) == (SpanKind.INTERNAL, SpanKind.INTERNAL)
    assert parent_id(chat) == span_id(invoke)
    assert parent_id(invoke) == PARENT[36:52]
    assert attributes(invoke) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "onnxruntime",
        "gen_ai.agent.name": "anna",
        "gen_ai.agent.version": "3",
        "gen_ai.request.model": "smollm2",
        "comitia.task.id": "t",
    }
    assert attributes(chat) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "onnxruntime",
        "gen_ai.request.model": "smollm2",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 80,
    }


def test_content_is_exported_when_opted_in_and_is_cut() -> None:
    telemetry = setup("agent", "i", {})
    exporter = traced(telemetry, content=True)
    with (
        invoke_agent(telemetry.tracer, WHO, "m", PARENT),
        call_model(telemetry.tracer, "m") as call,
    ):
        call.said("x" * 3 * CONTENT_CHARACTERS_MAX, "yes", "length")
    chat = attributes(exporter.get_finished_spans()[0])
    ((asked,), (told,)) = (
        json.loads(str(chat[f"gen_ai.{side}.messages"])) for side in ("input", "output")
    )
    assert (asked["role"], asked["parts"][0]["type"]) == ("user", "text")
    assert asked["parts"][0]["content"] == "x" * CONTENT_CHARACTERS_MAX + "…"
    assert told == {
        "role": "assistant",
        "parts": [{"type": "text", "content": "yes"}],
        "finish_reason": "length",
    }


@pytest.mark.parametrize(("value", "content"), [("true", True), ("false", False), ("", False)])
def test_the_variable_of_the_conventions_opts_in(value: str, content: bool) -> None:
    environ = {
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": value,
    }
    telemetry = setup("agent", "i", environ)
    assert telemetry.tracer is not None
    assert telemetry.tracer.content == content
    telemetry.shutdown()


def test_a_failed_call_of_a_model_is_an_error_in_its_span() -> None:
    telemetry = setup("agent", "i", {})
    exporter = traced(telemetry)
    with (
        pytest.raises(Poison),
        invoke_agent(telemetry.tracer, WHO, "m", PARENT),
        call_model(telemetry.tracer, "m"),
    ):
        raise Poison("9 tokens of 8: a secret", "TOO_LONG")
    for span in exporter.get_finished_spans():
        assert span.status.status_code == StatusCode.ERROR
        assert span.status.description == "TOO_LONG"
        assert attributes(span)["error.type"] == "Poison"


@pytest.mark.parametrize("parent", [UNSAMPLED, None])
def test_outside_a_recorded_trace_there_are_no_spans_of_models(parent: str | None) -> None:
    telemetry = setup("agent", "i", {})
    exporter = traced(telemetry)
    if parent is not None:
        with invoke_agent(telemetry.tracer, WHO, "m", parent), call_model(telemetry.tracer, "m"):
            pass
    with call_model(telemetry.tracer, "m"):
        pass
    assert exporter.get_finished_spans() == ()


def test_without_tracing_model_spans_do_nothing() -> None:
    with invoke_agent(None, WHO, "m", "") as agent, call_model(None, "m") as call:
        agent.set(names.Attribute.COMITIA_TASK_ID, "t")
        call.said("a", "b", "stop")
