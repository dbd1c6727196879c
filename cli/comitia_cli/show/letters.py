"""Dead letters for people: a table of them, and one in full with its original."""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.json import JSON
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from comitia_cli.client.letters import Letter
from comitia_cli.show.tables import clipped, plain_table

HEX_BYTES_MAX = 256


def table(found: list[Letter]) -> Table:
    """One line a letter."""
    lines = plain_table(
        ">offset", "when (UTC)", "by", "reason", ">tried", "state", "task", "what happened"
    )
    for one in found:
        lines.add_row(
            str(one.record.offset),
            _time(one.record.timestamp_ms),
            escape(one.letter.service),
            escape(one.letter.reason),
            str(one.letter.attempts),
            escape(one.done.lower() or "open"),
            escape(one.letter.task_id or "-"),
            clipped(one.letter.error),
        )
    return lines


def whole(found: Letter, content: dict[str, object] | None) -> RenderableType:
    """All of a letter; `content`: the original as proto3 JSON, where it can be read."""
    letter = found.letter
    head = Text()
    head.append(letter.reason, style="bold red")
    head.append(f"  {letter.error}\n")
    head.append(
        f"{letter.topic}-{letter.partition} at {letter.offset}, given up by {letter.service} "
        f"{_time(found.record.timestamp_ms)} UTC, tried {letter.attempts} "
        f"{'time' if letter.attempts == 1 else 'times'}",
        style="dim",
    )
    if found.done:
        head.append(f"\n{found.done.lower()}", style="dim")
    if letter.task_id:
        head.append(f"\nits task: comitia explain {letter.task_id}", style="dim")
    if content is not None:
        return Group(head, JSON.from_data(content))
    more = len(letter.value) - HEX_BYTES_MAX
    tail = f" ... and {more} bytes more" if more > 0 else ""
    return Group(head, Text(letter.value[:HEX_BYTES_MAX].hex(" ") + tail))


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
