"""The spans of one task come from separate processes and form one connected trace."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from comitia.v1.input_pb2 import Input
from comitia.v1.task_pb2 import Task
from tests.integration.panel_support import ROOT, Client, Processes
from tests.integration.test_agent_panel import CHOICE, DECODER, built


class Sink:
    """An OTLP/HTTP endpoint that keeps spans by the service that sent them."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    sink.keep(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def keep(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scope.spans]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


def review(task_id: str) -> Task:
    text = Input(text="A fine film.")
    return Task(id=task_id, skill="sentiment", input=text, format=CHOICE, timeout_ms=60_000)


async def test_one_task_is_one_connected_trace_across_processes(
    tmp_path: Path, broker: str, cache_dir: Path, sink: Sink
) -> None:
    built(DECODER, cache_dir)
    told = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{sink.endpoint}/v1/traces"}
    with Processes(tmp_path, broker, cache_dir) as processes:
        processes.service("router", **told)
        processes.service("aggregator", **told)
        card = str(ROOT / "agents" / "critic.yaml")
        processes.service("agent", COMITIA_AGENT_CARDS=card, **told)
        client = await Client.open(processes)
        try:
            await client.alive("critic")
            decision = await client.decided_by(review, "critic")
        finally:
            await client.close()
    # The services have ended, so every span was exported.
    trace = [(who, s) for who, s in sink.spans if s.trace_id.hex() == decision.trace_id]
    assert {who for who, _ in trace} == {"comitia-router", "comitia-agent", "comitia-aggregator"}
    by_id = {span.span_id: span for _, span in trace}
    roots = [span for span in by_id.values() if span.parent_span_id not in by_id]
    prefix = processes.names.prefix
    assert [span.name for span in roots] == [f"process {prefix}comitia.tasks.v1"]
    names = {span.name for span in by_id.values()}
    assert {
        f"process {prefix}comitia.inbox.critic.v1",
        f"process {prefix}comitia.panel-events.v1",
        f"send {prefix}comitia.decisions.v1",
        "invoke_agent critic",
        f"chat {DECODER}",
    } <= names
