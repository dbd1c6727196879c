"""Options that several commands share, with their help texts, and how a duration is read."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, None: 1000}


def parse_duration_ms(text: str) -> int:
    """ "30s", "500ms", "2m", "1h"; a bare number is seconds. BadParameter otherwise."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration: write 500ms, 30s, 2m or 1h")
    return round(float(match[1]) * _UNIT_MS[match[2]])


def parse_since_ms(text: str, now_ms: int) -> int:
    """A time, epoch milliseconds: "24h" before `now_ms`, or as ISO 8601 writes it, in local time
    where it names no zone. BadParameter otherwise.
    """
    if _DURATION.fullmatch(text.strip()):
        return now_ms - parse_duration_ms(text)
    try:
        return round(datetime.fromisoformat(text.strip()).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{text!r} is no time: write 30m or 24h (ago), or 2026-01-31T12:00+00:00"
        ) from error


Bootstrap = Annotated[
    str | None,
    typer.Option(
        envvar="COMITIA_BOOTSTRAP",
        metavar="HOST:PORT",
        help="Your own cluster. Default: the one that `comitia up` runs on.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines, on a terminal too.")]
Timeout = Annotated[
    str, typer.Option(metavar="DURATION", help="Time to decide: 500ms, 30s, 2m, 1h at most.")
]
Agents = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Agent cards. Default: ./agents, else the checkout's."),
]
Models = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Model cards. Default: ./models, else the checkout's."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
