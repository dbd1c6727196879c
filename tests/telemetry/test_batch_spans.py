"""Spans of batches: what a transaction carries, and what serves several topics at once."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from comitia.effects import Publish
from comitia.errors import Retryable
from comitia.ports import Committed, Record, TopicPartition
from comitia.runtime.delivery import Job
from comitia.runtime.flush import Outlet
from comitia.runtime.open_tasks import Pending
from comitia.telemetry.setup import setup
from comitia.v1.decision_pb2 import Decision
from tests.telemetry.tracing import (
    PARENT,
    UNSAMPLED,
    attributes,
    by_name,
    linked,
    parent_id,
    span_id,
    traced,
)
from tests.unit.runtime_world import World, simulate

TASKS = "comitia.tasks.v1"
EVENTS = "comitia.panel-events.v1"
DECISIONS = "comitia.decisions.v1"


def flushed(broken: bool) -> list[ReadableSpan]:
    """The spans of a transaction of two decisions, one of them of a sampled trace."""
    world = World()
    found: list[ReadableSpan] = []

    async def story() -> None:
        await world.create()
        runtime = world.runtime("aggregator")
        exporter = traced(runtime.telemetry)
        writer = await world.log.writer("id")
        if broken:

            async def fails(*_: object) -> list[object]:
                return [Retryable("the broker is away"), Retryable("the broker is away")]

            writer.append = fails  # type: ignore[assignment, method-assign]
        outlet = Outlet(runtime, writer, TopicPartition(EVENTS, 0), True)
        jobs = [
            Job(
                (Publish(DECISIONS, f"t{n}", Decision(task_id=f"t{n}")),),
                None,
                f"t{n}",
                (trace, ""),
            )
            for n, trace in enumerate((PARENT, UNSAMPLED))
        ]
        batch = [Pending(n, job, None) for n, job in enumerate(jobs)]
        if broken:
            with pytest.raises(Retryable):
                await outlet.flush(batch)
        else:
            await outlet.flush(batch)
        await outlet.close()
        found.extend(exporter.get_finished_spans())

    simulate(world, story())
    return found


def test_a_transaction_is_linked_with_what_it_carries() -> None:
    spans = by_name(flushed(broken=False))
    assert set(spans) == {f"send {DECISIONS}", f"transaction {DECISIONS}"}
    send, transaction = spans[f"send {DECISIONS}"], spans[f"transaction {DECISIONS}"]
    assert parent_id(send) == PARENT[36:52]
    assert linked(send) == {span_id(transaction)}
    assert (linked(transaction), transaction.parent) == ({PARENT[36:52]}, None)
    assert attributes(transaction) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "transaction",
        "messaging.client.id": "i",
        "messaging.destination.name": DECISIONS,
        "messaging.destination.partition.id": "0",
        "messaging.batch.message_count": 2,
    }


def test_a_transaction_that_fails_leaves_no_span_open() -> None:
    spans = by_name(flushed(broken=True))
    assert set(spans) == {f"send {DECISIONS}", f"transaction {DECISIONS}"}
    for span in spans.values():
        assert span.status.status_code == StatusCode.ERROR
        assert attributes(span)["error.type"] == "Retryable"


def test_a_batch_of_several_topics_and_partitions_names_none() -> None:
    telemetry = setup("router", "i", {})
    exporter = traced(telemetry)
    assert telemetry.tracer is not None
    records = [Record(topic, n, 0, 0, None, b"") for n, topic in enumerate((TASKS, EVENTS))]
    telemetry.tracer.polled(records, [(PARENT, "")], "g", 0)
    positions = {TopicPartition(TASKS, n): Committed(1) for n in range(2)}
    telemetry.tracer.process(records[0], "g", (PARENT, ""))
    commit = telemetry.tracer.commit(positions, "g")
    assert commit is not None
    commit.end()
    poll, commits = exporter.get_finished_spans()
    assert (poll.name, commits.name) == ("poll", f"commit {TASKS}")
    assert not {"messaging.destination.name", "messaging.destination.partition.id"} & set(
        attributes(poll)
    )
    assert not {"messaging.kafka.offset", "messaging.destination.partition.id"} & set(
        attributes(commits)
    )


def test_what_a_failed_commit_did_not_settle_is_linked_to_the_next() -> None:
    telemetry = setup("router", "i", {})
    traced(telemetry)
    tracer = telemetry.tracer
    assert tracer is not None
    tracer.process(Record(TASKS, 0, 4, 0, None, b""), "g", (PARENT, ""))
    positions = {TopicPartition(TASKS, 0): Committed(5)}
    assert tracer.commit(positions, "g") is not None
    assert tracer.commit(positions, "g") is not None
    tracer.committed(positions)
    assert tracer.commit(positions, "g") is None


def test_a_partition_that_is_read_again_settles_what_is_read_now() -> None:
    telemetry = setup("router", "i", {})
    traced(telemetry)
    tracer = telemetry.tracer
    assert tracer is not None
    for offset in (8, 9, 2):
        tracer.process(Record(TASKS, 0, offset, 0, None, b""), "g", (PARENT, ""))
    assert tracer.commit({TopicPartition(TASKS, 0): Committed(2)}, "g") is None
    assert tracer.commit({TopicPartition(TASKS, 0): Committed(3)}, "g") is not None
