"""The table of a running system: each process, its state, its memory."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from comitia_cli.places import human_bytes
from comitia_cli.show.tables import clipped, plain_table
from comitia_cli.system.board import SystemState
from comitia_cli.system.supervisor import ServiceState

_COLOUR = {"ready": "green", "failed": "red", "waiting": "yellow", "stopped": "dim"}


def system_table(state: SystemState) -> RenderableType:
    """Service, pid, state, restarts, memory; where to reach it above, what is being done below."""
    head = Text(f"Comitia {state.phase}", style="bold")
    if state.bootstrap:
        head.append(f" on Apache Kafka at {state.bootstrap}", style="")
    parts: list[RenderableType] = [head]
    if state.rows:
        parts.append(_table(state.rows))
    if state.doing:
        parts.append(Text(state.doing, style="dim"))
    return Group(*parts)


def _table(rows: list[ServiceState]) -> Table:
    table = plain_table("service", ">pid", "state", ">restarts", ">memory", "")
    for row in rows:
        colour = _COLOUR.get(row.phase, "cyan")
        table.add_row(
            row.name,
            str(row.pid or "-"),
            f"[{colour}]{row.phase}[/{colour}]",
            str(row.restarts),
            human_bytes(row.rss_bytes) if row.rss_bytes else "-",
            clipped(row.why),
        )
    return table


def memory_bytes(state: SystemState) -> int:
    """Resident memory of all processes but the supervisor."""
    return sum(row.rss_bytes for row in state.rows)
