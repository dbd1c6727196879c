"""Spans of records and batches in one process, by the conventions, and what sampling leaves out."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, Tracer
from opentelemetry.trace import SpanKind, StatusCode

from comitia.effects import Effect, Publish, Recorded
from comitia.errors import Poison
from comitia.runtime.context import Runtime
from comitia.runtime.stream import Source, StreamSpec, run_stream
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from tests.telemetry.tracing import (
    PARENT,
    UNSAMPLED,
    attributes,
    by_name,
    linked,
    parent_id,
    span_id,
    trace_id,
    traced,
)
from tests.unit.runtime_world import World, simulate, until

TASKS = "comitia.tasks.v1"
EVENTS = "comitia.panel-events.v1"
INBOX = "comitia.inbox.anna.v1"


def header(traceparent: str) -> tuple[tuple[str, bytes], ...]:
    return (("traceparent", traceparent.encode()),) if traceparent else ()


def route(recorded: Recorded[Task], _: int) -> Sequence[Effect]:
    if recorded.message.id == "bad":
        raise Poison(f"cannot read {recorded.message.input.text}", "NO_GOOD")
    return (Publish(INBOX, recorded.message.id, Assignment(id="a", task=recorded.message)),)


async def streamed(runtime: Runtime, source: Source[Any], done: Any) -> Sequence[ReadableSpan]:
    """The spans of a stream that runs until `done()`."""
    exporter = traced(runtime.telemetry)
    spec = StreamSpec(f"comitia.{runtime.service}", (source,))
    loop = asyncio.create_task(run_stream(runtime, spec))
    await until(done)
    runtime.stop.set()
    await loop
    return exporter.get_finished_spans()


def routed(
    traceparents: Sequence[str], ids: Sequence[str] = ()
) -> tuple[World, list[ReadableSpan]]:
    """A router's spans for one task with each of `traceparents`."""
    world = World()
    found: list[ReadableSpan] = []
    names = ids or [f"t{n}" for n in range(len(traceparents))]

    async def story() -> None:
        await world.create("anna")
        for task_id, traceparent in zip(names, traceparents, strict=True):
            task = Task(id=task_id)
            task.input.text = "a secret"
            await world.write(TASKS, task_id, task, 0, header(traceparent))

        def done() -> bool:
            letters = world.records("comitia.dead-letters.v1")
            return len(world.records(INBOX)) + len(letters) == len(traceparents)

        found.extend(await streamed(world.runtime("router"), Source(TASKS, Task, route), done))

    simulate(world, story())
    return world, found


def test_send_and_process_spans_form_one_connected_trace_over_two_hops() -> None:
    world = World()
    found: list[ReadableSpan] = []

    def answer(recorded: Recorded[Assignment], _: int) -> Sequence[Effect]:
        return (Publish(EVENTS, "t", PanelEvent(task_id="t")),)

    async def story() -> None:
        await world.create("anna")
        await world.write(TASKS, "t", Task(id="t"), headers=header(PARENT))
        first, second = Source(TASKS, Task, route), Source(INBOX, Assignment, answer)
        for service, source, out in (("router", first, INBOX), ("agent", second, EVENTS)):

            def done(topic: str = out) -> bool:
                return len(world.records(topic)) == 1

            found.extend(await streamed(world.runtime(service), source, done))

    simulate(world, story())
    spans = by_name(found)
    above = PARENT[36:52]
    for name in (f"process {TASKS}", f"send {INBOX}", f"process {INBOX}", f"send {EVENTS}"):
        assert parent_id(spans[name]) == above
        assert trace_id(spans[name]) == PARENT[3:35]
        assert attributes(spans[name])["comitia.task.id"] == "t"
        above = span_id(spans[name])
    (record,) = world.records(EVENTS)
    assert dict(record.headers)["traceparent"] == f"00-{PARENT[3:35]}-{above}-01".encode()


def test_spans_say_what_the_conventions_ask_of_each_operation() -> None:
    _, found = routed([PARENT])
    spans = by_name(found)
    process, send = spans[f"process {TASKS}"], spans[f"send {INBOX}"]
    poll, commit = spans[f"poll {TASKS}"], spans[f"commit {TASKS}"]
    kinds = (SpanKind.CONSUMER, SpanKind.PRODUCER, SpanKind.CLIENT, SpanKind.CLIENT)
    assert tuple(span.kind for span in (process, send, poll, commit)) == kinds
    both = {"messaging.system": "kafka", "messaging.client.id": "i"}
    read = {
        **both,
        "messaging.destination.name": TASKS,
        "messaging.destination.partition.id": "0",
        "messaging.consumer.group.name": "comitia.router",
    }
    assert attributes(poll) == {
        **read,
        "messaging.operation.name": "poll",
        "messaging.operation.type": "receive",
        "messaging.batch.message_count": 1,
    }
    assert attributes(process) == {
        **read,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.kafka.offset": 0,
        "messaging.message.body.size": len(
            Task(id="t0", input={"text": "a secret"}).SerializeToString()
        ),
        "comitia.task.id": "t0",
    }
    assert attributes(commit) == {
        **read,
        "messaging.operation.name": "commit",
        "messaging.operation.type": "settle",
        "messaging.kafka.offset": 1,
    }
    sent = attributes(send)
    assert sent.pop("messaging.destination.partition.id") in {str(n) for n in range(100)}
    assert sent.pop("messaging.message.body.size") != 0
    assert sent == {
        **both,
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": INBOX,
        "messaging.kafka.message.key": "t0",
        "messaging.kafka.offset": 0,
        "comitia.task.id": "t0",
        "comitia.assignment.id": "a",
    }


def test_batches_are_traces_of_their_own_linked_to_every_sampled_producer() -> None:
    other = PARENT.replace("b7ad6b7169203331", "1111111111111111").replace("0af7", "0bf7")
    _, found = routed([PARENT, UNSAMPLED, other])
    spans = by_name(found)
    producers = {PARENT[36:52], other[36:52]}
    polls = [span for span in found if span.name == f"poll {TASKS}"]
    commits = [span for span in found if span.name == f"commit {TASKS}"]
    for batches in (polls, commits):
        assert set().union(*map(linked, batches)) == producers
        assert all(not parent_id(span) and trace_id(span) != PARENT[3:35] for span in batches)
    assert sum(int(str(attributes(span)["messaging.batch.message_count"])) for span in polls) == 3
    assert linked(spans[f"process {TASKS}"]) == {other[36:52]}


def test_what_is_not_sampled_is_passed_on_and_recorded_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Nothing is built, not even a span that is thrown away.
    monkeypatch.setattr(Tracer, "start_span", None)
    world, found = routed([UNSAMPLED])
    assert found == []
    (record,) = world.records(INBOX)
    assert dict(record.headers)["traceparent"].decode() == UNSAMPLED


@pytest.mark.parametrize(
    ("sampler", "argument", "traceparent", "recorded"),
    [
        ("parentbased_always_on", "", "", True),
        ("parentbased_traceidratio", "0", "", False),
        ("parentbased_traceidratio", "0", PARENT, True),
        ("parentbased_always_off", "", UNSAMPLED, False),
        ("traceidratio", "0", PARENT, False),
        ("always_off", "", PARENT, False),
        ("always_on", "", UNSAMPLED, True),
    ],
)
def test_the_sampler_of_the_environment_decides(
    sampler: str, argument: str, traceparent: str, recorded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    world, found = routed([traceparent])
    assert bool(found) == recorded
    # Batches are recorded with what they serve, whatever the sampler would do with a root.
    batches = {span.name.split()[0] for span in found} & {"poll", "commit"}
    assert traceparent != PARENT or batches == ({"poll", "commit"} if recorded else set())
    # Decided once: whoever reads what was sent does as we did.
    (record,) = world.records(INBOX)
    passed = dict(record.headers)["traceparent"].decode()
    assert (len(passed), int(passed[-1], 16) % 2 == 1) == (55, recorded)
    if traceparent:
        assert passed[3:35] == traceparent[3:35]


def test_an_untraced_task_begins_a_trace() -> None:
    _, found = routed([""])
    process = by_name(found)[f"process {TASKS}"]
    assert process.parent is None
    walk = [span for span in found if span.name.split()[0] in ("process", "send")]
    assert {trace_id(span) for span in walk} == {trace_id(process)}


def test_what_is_given_up_is_an_error_that_quotes_nothing() -> None:
    _, found = routed([PARENT], ["bad"])
    process = by_name(found)[f"process {TASKS}"]
    assert process.status.status_code == StatusCode.ERROR
    assert process.status.description == "NO_GOOD"
    assert attributes(process)["error.type"] == "Poison"
    assert attributes(process)["comitia.reason"] == "NO_GOOD"
