"""An OTLP endpoint for tests: what processes export, kept with who sent it.

The service is OpenTelemetry's own (the servicer of opentelemetry-proto), reached over HTTP with
protobuf, as our exporters speak it. Bodies of every signal are kept as they came, too.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def values(attributes: Any) -> dict[str, Any]:
    """Attributes by key."""
    found: dict[str, Any] = {}
    for one in attributes:
        pair: KeyValue = one
        kind = pair.value.WhichOneof("value")
        found[pair.key] = getattr(pair.value, kind) if kind else None
    return found


@dataclass(frozen=True)
class Told:
    """A span, and the resource that made it."""

    span: Span
    resource: Mapping[str, Any]

    @property
    def service(self) -> str:
        return str(self.resource["service.name"])

    @property
    def trace_id(self) -> str:
        return self.span.trace_id.hex()

    @property
    def attributes(self) -> dict[str, Any]:
        return values(self.span.attributes)

    @property
    def links(self) -> set[bytes]:
        return {link.span_id for link in self.span.links}


@dataclass
class Sink(TraceServiceServicer):
    """Keeps what is exported to `endpoint`."""

    endpoint: str = ""
    spans: list[Told] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def Export(  # noqa: N802 - the servicer's name
        self, request: ExportTraceServiceRequest, context: object
    ) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            who = values(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [Told(span, who) for span in scope.spans]
        return ExportTraceServiceResponse()

    def of_trace(self, trace_id: str) -> list[Told]:
        return [told for told in self.spans if told.trace_id == trace_id]


@contextmanager
def listening() -> Iterator[Sink]:
    """A sink on a free port."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.bodies.append(body)
            reply = b""
            if self.path == "/v1/traces":
                request = ExportTraceServiceRequest.FromString(body)
                reply = sink.Export(request, None).SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
