"""What waits for a person, and how a person settles it: conflicts in, rich objects out."""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from comitia.v1.decision_pb2 import Decision, Escalation
from comitia_cli.client.conflicts import Conflict
from comitia_cli.client.settling import how_to_write, settled_words
from comitia_cli.client.tasks import input_text
from comitia_cli.show.tables import clipped, plain_table
from comitia_cli.show.words import clip, value_text

CANDIDATES_SHOWN_MAX = 8
# The year 10000.
CALENDAR_MS = 253_402_300_800_000
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def conflict_table(found: list[Conflict], now_ms: int) -> Table:
    """One line a conflict. `now_ms`: epoch milliseconds."""
    lines = plain_table("task", ">rev", ">offset", "skill", "since (UTC)", "left", "why", "answers")
    for one in found:
        decision, record = one.escalated.decision, one.escalated.record
        lines.add_row(
            escape(decision.task_id),
            str(decision.revision),
            str(record.offset),
            escape(decision.skill),
            time_text(record.timestamp_ms),
            state_word(one, now_ms),
            clipped(decision.escalation.reason),
            clipped(candidates_line(decision.escalation)),
        )
    # What the agents said may give way, what names the task may not.
    lines.columns[-2].no_wrap = False
    return lines


def conflict_row(one: Conflict, now_ms: int) -> dict[str, object]:
    """The same as plain values, for a line of JSON. Times are epoch milliseconds."""
    decision, record = one.escalated.decision, one.escalated.record
    row: dict[str, object] = {
        "task_id": decision.task_id,
        "revision": decision.revision,
        "partition": record.partition,
        "offset": record.offset,
        "skill": decision.skill,
        "since_ms": record.timestamp_ms,
        "expires_ms": one.expires_ms,
        "expiry": decision.escalation.expiry,
        "reason": decision.escalation.reason,
        "question": input_text(decision.escalation.input),
        "candidates": [
            {"value": value_text(c.value), "share": c.share, "agents": list(c.agents)}
            for c in decision.escalation.candidates
        ],
        "state": "open" if one.waits(now_ms) else "expired",
    }
    if one.ended is not None:
        row["state"], row["settled"] = "settled", settled_words(one.ended)
    return row


def state_word(one: Conflict, now_ms: int) -> str:
    """How long somebody can still settle it, or how it ended."""
    if one.ended is not None:
        return "expired" if one.ended.settlement.expired else "settled"
    return span((one.expires_ms - now_ms) // 1000) if one.waits(now_ms) else "expires now"


def candidates_line(escalation: Escalation) -> str:
    """The answers that were given, and the share of the weight of each."""
    return ", ".join(
        f"{clip(value_text(one.value), 30)} {one.share:.2f}" for one in escalation.candidates
    )


def escalation_view(decision: Decision) -> RenderableType:
    """All that a person needs to settle it, and the command that does."""
    escalation = decision.escalation
    lines: list[RenderableType] = [
        Text(f"left to a person: {escalation.reason}", style="bold yellow"),
    ]
    for one in escalation.candidates[:CANDIDATES_SHOWN_MAX]:
        agents = ", ".join(one.agents) or "nobody chose it"
        lines.append(clipped(f"  {clip(value_text(one.value))}  {one.share:.2f}  ({agents})"))
    if more := len(escalation.candidates) - CANDIDATES_SHOWN_MAX:
        lines += [Text(f"  and {more} answers more", style="dim")] if more > 0 else []
    lines += [Text(how_to_settle(decision)), Text(until_words(escalation), style="dim")]
    return Group(*lines)


def how_to_settle(decision: Decision) -> str:
    """The command, and what to put for the value."""
    return (
        f'settle it: comitia settle {decision.task_id} --value V --because "..."  '
        f"(for V {how_to_write(decision.escalation.format)})"
    )


def until_words(escalation: Escalation) -> str:
    """Until when, and what becomes of it then."""
    words = f"until {time_text(escalation.expires_ms)} UTC"
    return f"{words}; {escalation.expiry}" if escalation.expiry else words


def time_text(at_ms: int) -> str:
    """A time that no calendar has, as a record may hold it, is given as it is."""
    if not 0 <= at_ms < CALENDAR_MS:
        return f"{at_ms} ms after 1970"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: int) -> str:
    """The largest unit that fits, rounded down: 3 d, 5 h, 12 min, 40 s."""
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"
