"""What the standard OTEL_* variables ask to be exported; light enough to ask in every command.

OTLP goes out as protobuf over HTTP, which is OpenTelemetry's default: the exporter over gRPC would
add a second HTTP stack to every image, and a collector takes both.
"""

from collections.abc import Mapping
from typing import Literal

from comitia.errors import ConfigError

Exporter = Literal["otlp", "console", "prometheus", "none"]
_KNOWN: Mapping[str, tuple[Exporter, ...]] = {
    "TRACES": ("otlp", "console", "none"),
    "METRICS": ("otlp", "prometheus", "none"),
}


def exporter(signal: Literal["TRACES", "METRICS"], environ: Mapping[str, str]) -> Exporter:
    """Which exporter; ConfigError when it is one that is not there."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return "none"
    variable = f"OTEL_{signal}_EXPORTER"
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    asked = environ.get(variable) or (
        "otlp" if any(environ.get(name) for name in endpoints) else "none"
    )
    known = _KNOWN[signal]
    kind = next((one for one in known if one == asked), None)
    if kind is None:
        raise ConfigError(f"{variable}: {asked!r} is not supported; use one of {', '.join(known)}")
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environ.get(name) or "http/protobuf"
        if kind == "otlp" and protocol != "http/protobuf":
            raise ConfigError(
                f"{name}: {protocol!r} is not supported; use http/protobuf, at the collector's"
                " port for it (4318 unless you changed it)"
            )
    return kind
