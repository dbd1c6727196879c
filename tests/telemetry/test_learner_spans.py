"""Spans of the learner: a piece of feedback belongs to the trace of who gave it, and the
transaction that publishes what follows is linked to it.
"""

import asyncio

from opentelemetry.trace import StatusCode

from tests.telemetry.tracing import (
    PARENT,
    attributes,
    by_name,
    linked,
    parent_id,
    span_id,
    trace_id,
    traced,
)
from tests.unit.learner_story import FEEDBACK, Story
from tests.unit.learner_world import feedback_on
from tests.unit.runtime_world import until


def test_feedback_is_processed_in_its_trace_and_linked_to_by_the_transaction() -> None:
    s = Story()

    async def story() -> None:
        runtime = s.start("a")
        exporter = traced(runtime.telemetry)
        await until(lambda: runtime.health.ready)
        partition, offset = await s.decide(0)
        headers = (("traceparent", PARENT.encode()),)
        for correct in ("yes", "maybe"):
            told = feedback_on("t0", correct, offset, correct, partition)
            await s.world.write(FEEDBACK, "t0", told, 0, headers)
        await until(lambda: s.feedback_count() == 1)
        await asyncio.sleep(5)
        spans = exporter.get_finished_spans()
        processed = [span for span in spans if span.name == f"process {FEEDBACK}"]
        assert [trace_id(span) for span in processed] == [PARENT[3:35]] * 2
        assert [parent_id(span) for span in processed] == [PARENT[36:52]] * 2
        assert all(attributes(span)["comitia.task.id"] == "t0" for span in processed)
        assert [span.status.status_code for span in processed] == [
            StatusCode.UNSET,
            StatusCode.ERROR,
        ]
        assert attributes(processed[1])["comitia.reason"] == "WRONG_VALUE"
        transaction = by_name(spans)["transaction comitia.weights.v1"]
        assert linked(transaction) == {span_id(span) for span in processed}
        (poll,) = {span for span in spans if span.name.startswith("poll")}
        assert linked(poll) == {PARENT[36:52]}

    s.run(story)
