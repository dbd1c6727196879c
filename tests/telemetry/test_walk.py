"""The walk as spans of separate processes (publisher, router, agent, aggregator) on Apache Kafka,
received over OTLP: every edge, link, attribute and resource of `walk.py`, what sampling leaves out,
what is never told, and an agent that is killed in the middle.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from comitia.ports import ReaderSpec, Record
from comitia.runtime.codec import trace_context
from comitia.topics import Names
from tests.integration.panel_support import ATTEMPTS_MAX, FETCH_MS, Client, Processes
from tests.telemetry import walk
from tests.telemetry.sink import Sink, Told, listening

CARD = f"""
name: {walk.AGENT}
version: 1
description: A test.
model: {walk.MODEL}
skills:
  answer:
    choice:
      item: "Question: {{input}}"
"""
# In what is asked and in what may be answered.
SECRETS = ("quicksilver", "marzipan", "cinnabar")
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class Stage:
    """The services with traces on, and a publisher: `comitia ask`."""

    def __init__(self, processes: Processes, folder: Path, sink: Sink) -> None:
        self.processes, self.folder, self.sink = processes, folder, sink
        self.names: Names = processes.names
        (folder / "anna.yaml").write_text(CARD, encoding="utf-8")
        processes.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = sink.endpoint

    def agent(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        return self.processes.start(
            name,
            [sys.executable, "-m", "tests.telemetry.scripted_agent"],
            COMITIA_AGENT_CARDS=str(self.folder / "anna.yaml"),
            **environment,
        )

    async def started(self, **environment: str) -> None:
        """Everything runs, and the router may seat the agent."""
        self.processes.service("router")
        self.processes.service("aggregator")
        self.agent("agent", **environment)
        await self.until(lambda: "agent anna can be seated" in self.processes.output("router"))
        await self.until(lambda: "partitions: ready" in self.processes.output("aggregator"))

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(ATTEMPTS_MAX):
            if holds():
                return
            self.processes.check()
            await asyncio.sleep(FETCH_MS / 1000)
        raise AssertionError("it did not come about")

    async def ask(self, question: str, **environment: str) -> dict[str, Any]:
        """The decision, as `comitia ask` prints it in a pipe."""
        command = [sys.executable, "-m", "comitia_cli.main", "ask", question, "--timeout", "60s"]
        command += ["--options", ",".join(SECRETS[1:]), "--bootstrap", self.processes.bootstrap]
        asking = await asyncio.create_subprocess_exec(
            *command,
            env={**self.processes.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, errors = await asking.communicate()
        assert asking.returncode == 0, errors.decode()
        decision: dict[str, Any] = json.loads(out)
        assert decision["value"]["optionId"] == SECRETS[1]
        return decision

    def end(self) -> None:
        """Services drain and export what they have."""
        for name in tuple(self.processes._running):
            self.processes.end(name)

    async def record_of(self, task_id: str) -> Record:
        """The decision as it stands in its topic."""
        client = await Client.open(self.processes)
        reader = await client.log.reader(ReaderSpec(topics=(self.names.topic("decisions"),)))
        try:
            for _ in range(ATTEMPTS_MAX):
                for record in await reader.fetch(500, FETCH_MS):
                    if record.key == task_id.encode():
                        return record
        finally:
            await reader.close()
            await client.close()
        raise AssertionError(f"no decision of {task_id}")


@pytest.fixture
def stage(tmp_path: Path, broker: str, cache_dir: Path) -> Iterator[Stage]:
    with listening() as sink, Processes(tmp_path, broker, cache_dir) as processes:
        yield Stage(processes, tmp_path, sink)


@dataclass(frozen=True)
class Found:
    """Spans that were received, by the nodes of the walk."""

    names: Names
    spans: Sequence[Told]

    def of(self, node: walk.Node) -> list[Told]:
        operation, _, target = node.name.partition(" ")
        if target == "{inbox}":
            target = self.names.inbox(walk.AGENT)
        elif operation not in ("invoke_agent", "chat"):
            target = self.names.topic(target)
        wanted = (f"comitia-{node.service}", f"{operation} {target}")
        return [told for told in self.spans if (told.service, told.span.name) == wanted]

    def holds(self, edge: walk.Edge) -> bool:
        ends = {told.span.span_id for told in self.of(edge.end)}
        kept = [
            bool(ends & (told.links if edge.how == "link" else {told.span.parent_span_id}))
            for told in self.of(edge.start)
        ]
        return any(kept) if edge.some else bool(kept) and all(kept)

    def touching(self, trace_id: str) -> "Found":
        """Those of a trace, and the batches that link to it."""
        own = {told.span.span_id for told in self.spans if told.trace_id == trace_id}
        return Found(self.names, [t for t in self.spans if t.trace_id == trace_id or t.links & own])


def roots(trace: Sequence[Told]) -> list[str]:
    """Names of spans whose parent nobody has told."""
    ids = {told.span.span_id for told in trace}
    return [told.span.name for told in trace if told.span.parent_span_id not in ids]


def quoting(texts: Sequence[bytes]) -> list[str]:
    return [secret for secret in SECRETS if any(secret.encode() in text for text in texts)]


def logged(stage: Stage) -> list[bytes]:
    return [path.read_bytes() for path in stage.folder.glob("*.log")]


async def test_every_edge_of_the_walk_is_told_and_no_content_is(stage: Stage) -> None:
    await stage.started()
    decision = await stage.ask(f"Is {SECRETS[0]} a metal?")
    unsampled = await stage.ask(f"Is {SECRETS[0]} a fruit?", OTEL_TRACES_SAMPLER="always_off")
    record = await stage.record_of(decision["taskId"])
    stage.end()

    found = Found(stage.names, stage.sink.spans).touching(decision["traceId"])
    broken = [edge for edge in walk.EDGES if not found.holds(edge)]
    assert not broken, broken
    trace = stage.sink.of_trace(decision["traceId"])
    assert roots(trace) == [f"send {stage.names.topic('tasks')}"]
    for node in walk.NODES:
        for told in found.of(node):
            assert Span.SpanKind.Name(told.span.kind) == f"SPAN_KIND_{node.kind}", node
            assert node.attributes <= set(told.attributes), (node, told.attributes)
            assert told.span.status.code == 0, told.span.status
    # Nothing else belongs to it.
    known = {told.span.span_id for node in walk.NODES for told in found.of(node)}
    assert {told.span.name for told in found.spans if told.span.span_id not in known} == set()
    assert {told.attributes.get("comitia.task.id", decision["taskId"]) for told in trace} == {
        decision["taskId"]
    }
    # The record of the decision leads to the trace, at the span that sent it.
    (sent,) = found.of(walk.DECIDED)
    traceparent, _ = trace_context(record.headers)
    assert traceparent.split("-")[1:3] == [decision["traceId"], sent.span.span_id.hex()]

    instances = {}
    for told in stage.sink.spans:
        assert told.resource["service.namespace"] == "comitia"
        assert told.resource["service.version"] == version("comitia")
        instances[told.resource["service.instance.id"]] = told.service
    services = ["comitia-agent", "comitia-aggregator", "comitia-cli", "comitia-router"]
    assert sorted(instances.values()) == services
    # Who asked decided: the other task was traced by nobody, and names its trace all the same.
    assert stage.sink.of_trace(unsampled["traceId"]) == []
    assert quoting([*stage.sink.bodies, *logged(stage)]) == []


async def test_an_agent_killed_in_the_middle_leaves_one_connected_trace(stage: Stage) -> None:
    held = stage.folder / "held"
    # The same member to the group, so that the second one need not wait for the first's session.
    same = {"COMITIA_INSTANCE_ID": "anna-0"}
    await stage.started(COMITIA_TEST_HOLD=str(held), **same)
    asking = asyncio.create_task(stage.ask(f"hold: is {SECRETS[0]} a metal?"))
    await stage.until(held.exists)
    first = stage.processes._running.pop("agent")
    first.send_signal(signal.SIGKILL)
    first.wait()
    # The second one tells what is said, because it is asked to.
    stage.agent("second", **same, **{CAPTURE: "true"})
    decision = await asking
    stage.end()

    trace = stage.sink.of_trace(decision["traceId"])
    found = Found(stage.names, trace)
    broken = [edge for edge in walk.TREE if not found.holds(edge)]
    assert not broken, broken
    assert roots(trace) == [f"send {stage.names.topic('tasks')}"]
    (chat,) = found.of(walk.CHAT)
    asked = json.loads(chat.attributes["gen_ai.input.messages"])
    said = json.loads(chat.attributes["gen_ai.output.messages"])
    assert SECRETS[0] in asked[0]["parts"][0]["content"]
    assert said[0]["parts"][0]["content"].strip() == SECRETS[1]
    others = [t.span.SerializeToString() for t in trace if t is not chat]
    assert quoting([*others, *logged(stage)]) == []
