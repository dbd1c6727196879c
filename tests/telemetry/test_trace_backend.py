"""A task's trace in a real backend: services export to Jaeger, directly and through the collector,
both set up as deploy/ says, and the trace is read back as somebody who looks for it would.
"""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.integration.panel_support import ATTEMPTS_MAX, FETCH_MS, Processes
from tests.telemetry import backend
from tests.telemetry.sink import Sink
from tests.telemetry.test_walk import Stage

SERVICES = {"comitia-cli", "comitia-router", "comitia-agent", "comitia-aggregator"}


@pytest.fixture
def jaeger(tmp_path: Path) -> Iterator[backend.Jaeger]:
    with backend.jaeger(tmp_path) as running:
        yield running


def complete(trace: dict[str, Any]) -> bool:
    """Every service told its part, and every span but the publisher's hangs under another one.

    Jaeger calls a parent that is linked to as well FOLLOWS_FROM; it puts parents first.
    """
    services = {process["serviceName"] for process in trace["processes"].values()}
    known = {span["spanID"] for span in trace["spans"]}
    roots = [
        span["operationName"]
        for span in trace["spans"]
        if not span["references"] or span["references"][0]["spanID"] not in known
    ]
    return services == SERVICES and [root.split(" ")[0] for root in roots] == ["send"]


@pytest.mark.parametrize("way", ["direct", "collector"])
async def test_a_task_is_found_again_as_one_trace_of_all_services(
    way: str, jaeger: backend.Jaeger, broker: str, cache_dir: Path, tmp_path: Path
) -> None:
    between = (
        backend.collector(tmp_path, jaeger.endpoint)
        if way == "collector"
        else nullcontext(jaeger.endpoint)
    )
    with between as endpoint, Processes(tmp_path, broker, cache_dir) as processes:
        stage = Stage(processes, tmp_path, Sink(endpoint=endpoint))
        await stage.started()
        decision = await stage.ask("Is quicksilver a metal?")
        stage.end()
        for _ in range(ATTEMPTS_MAX):
            trace = jaeger.trace(decision["traceId"])
            if complete(trace):
                break
            await asyncio.sleep(FETCH_MS / 1000)

    assert complete(trace), trace
    names = {span["operationName"].split(" ")[0] for span in trace["spans"]}
    assert names == {"send", "process", "invoke_agent", "chat"}
    # The decision names its transaction, which is in a trace of its own.
    (decided,) = (one for one in trace["spans"] if "decisions" in one["operationName"])
    elsewhere = [r["traceID"] for r in decided["references"] if r["traceID"] != trace["traceID"]]
    (batch,) = (jaeger.trace(other) for other in elsewhere)
    assert [one["operationName"].split(" ")[0] for one in batch["spans"]] == ["transaction"]
    # By what the board of one task asks for.
    found = jaeger.search("comitia-router", **{"comitia.task.id": decision["taskId"]})
    assert decision["traceId"] in found
