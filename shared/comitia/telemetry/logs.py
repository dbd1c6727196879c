"""Logs of one process on stderr: JSON for machines, text on a terminal.

In come calls of the standard library's `logging`, with `extra=` for what a search will ask for:
`event`, `topic`, `partition`, `offset`, `task_id`, `reason` and so on. Out comes one line an event:
as JSON with `time` (RFC 3339, UTC), `level`, `service`, `instance`, `logger`, `message`, the fields
of `extra`, and `trace_id` and `span_id` of the `traceparent` given there, else of the current span.
No line holds what a task asks or an agent answers.
"""

import logging
import sys
from types import TracebackType
from typing import Literal

from opentelemetry import trace
from pythonjsonlogger.json import JsonFormatter

from comitia.telemetry.context import context_of, remote_in

LogFormat = Literal["auto", "json", "text"]
# An exporter that has not complained for so long has worked in between.
_QUIET_S = 60.0
# Who speaks of a collector that is away; other words of the SDK are heard.
_EXPORTERS = (
    "opentelemetry.exporter.",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.sdk.trace.export",
    "opentelemetry.sdk.metrics._internal.export",
)
# The order of a line. The time is filled in by the formatter.
_FIELDS = ("time", "levelname", "service", "instance", "name", "message")
_NAMES = {"levelname": "level", "name": "logger", "exc_info": "exception"}


def set_up(service: str, instance: str, form: LogFormat, level: str) -> None:
    """Send every log record of this process to stderr, and nowhere else. `form` "auto" is text on a
    terminal and JSON elsewhere.
    """
    if form == "auto":
        form = "text" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(traced)
    handler.addFilter(Seldom())
    handler.setFormatter(formatter(service, instance, form))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # The client's own complaints about a broker that is away would bury the one line that we log.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def formatter(service: str, instance: str, form: Literal["json", "text"]) -> logging.Formatter:
    """How a line looks."""
    if form == "text":
        return logging.Formatter(f"%(asctime)s {service} %(levelname)s %(message)s")
    return JsonFormatter(
        _FIELDS,
        rename_fields=_NAMES,
        static_fields={"service": f"comitia-{service}", "instance": instance},
        timestamp="time",
        json_ensure_ascii=False,
    )


def wordless(
    error: BaseException,
) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """`exc_info` of a bug that a record met: where it happened, without the error's own words,
    which may quote the task. The record's dead letter keeps them.
    """
    kind = type(error)
    hushed = type(kind.__name__, (Exception,), {"__module__": kind.__module__})
    return hushed, hushed("what it says is in the dead letter"), error.__traceback__


def traced(record: logging.LogRecord) -> bool:
    """A filter that puts the ids of the trace that a line belongs to on it."""
    given = record.__dict__.pop("traceparent", "")
    found = remote_in(context_of(given)) if given else None
    context = found or trace.get_current_span().get_span_context()
    if context.is_valid:
        record.trace_id = f"{context.trace_id:032x}"
        record.span_id = f"{context.span_id:016x}"
    return True


class Seldom(logging.Filter):
    """Lets one line through, of each exporter, for a collector that is away: it fails every few
    seconds for as long as that lasts, and says so several times.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_EXPORTERS):
            return True
        if record.levelno < logging.ERROR:
            return False
        last_s, self._said_s[record.name] = self._said_s.get(record.name, 0.0), record.created
        return record.created - last_s > _QUIET_S
