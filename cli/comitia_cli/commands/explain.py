"""`comitia explain`: how a task ended, or how it stands."""

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened
from comitia_cli import exits, options
from comitia_cli.client import decisions
from comitia_cli.client.tasks import input_text
from comitia_cli.output import Printer
from comitia_cli.shell import Shell, run, shell_of
from comitia_cli.show.decision import small_print, whole
from comitia_cli.show.tables import plain_table
from comitia_cli.show.words import clip

TEXT_MAX = 300


def explain(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="TASK_ID")],
    root: Annotated[
        str, typer.Option(help="Root id, where the task is part of a staged one.")
    ] = "",
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Say how a task was decided and why.

    The question, the votes, who was late and why each agent sat there. Ends with 4 when it is not
    decided yet.
    """
    found, events = run(_look(shell_of(ctx), bootstrap, task_id, root))
    printer = Printer(json)
    for one in found:
        printer.emit(one.decision)
    printer.show(_story(found, events))
    if not found:
        for event in events:
            printer.emit(event)
        exits.say(_open(task_id, events))
        raise typer.Exit(exits.NO_DECISION)


async def _look(
    shell: Shell, bootstrap: str | None, task_id: str, root: str
) -> tuple[list[decisions.Found], list[PanelEvent]]:
    async with shell.session(bootstrap) as session:
        found = await decisions.find(session, task_id, root)
        return found, await decisions.history(session, task_id, root)


def _opened(events: list[PanelEvent]) -> PanelOpened | None:
    """The first panel in log order wins."""
    for event in events:
        if event.WhichOneof("event") == "panel_opened":
            return event.panel_opened
    return None


def _open(task_id: str, events: list[PanelEvent]) -> str:
    panel = _opened(events)
    if panel is None:
        return (
            f"nothing is known of task {task_id}: see that the id is right, and that the router "
            "runs (`comitia up` shows it)"
        )
    answered = {event.answer.agent for event in events if event.WhichOneof("event") == "answer"}
    # Shadows are not waited for.
    seated = [seat.agent for seat in panel.seats if not seat.shadow]
    waiting = [agent for agent in seated if agent not in answered]
    return (
        f"task {task_id} is not decided yet: {len(seated) - len(waiting)} of {len(seated)} agents"
        " have answered" + (f", waiting for {', '.join(waiting)}" if waiting else "")
    )


def _story(found: list[decisions.Found], events: list[PanelEvent]) -> RenderableType:
    parts: list[RenderableType] = []
    panel = _opened(events)
    if panel is not None:
        parts.append(Text(clip(input_text(panel.task.input), TEXT_MAX), style="italic"))
    if found:
        # The highest revision is what counts; the former ones were settled by a person.
        last = found[-1]
        parts.append(whole(last.decision))
        parts.append(small_print(last.decision))
        record = last.record
        parts.append(Text(f"{record.topic}-{record.partition} at {record.offset}", style="dim"))
    if panel is not None:
        parts.append(_seats(panel))
    return Group(*parts)


def _seats(panel: PanelOpened) -> RenderableType:
    """Who sat there and why: in one line where the reason is one."""
    reasons = {(seat.reason, seat.probability) for seat in panel.seats}
    if len(reasons) == 1:
        seats = ", ".join(
            f"{seat.agent} v{seat.agent_version}{' (shadow)' if seat.shadow else ''}"
            for seat in panel.seats
        )
        return Text(f"seated: {seats}: each {panel.seats[0].reason}", style="dim")
    table = plain_table(">seat", "agent", "role", "why it sat there")
    for seat in panel.seats:
        why = f"{seat.reason} (probability {seat.probability:.2f})"
        table.add_row(
            str(seat.seat),
            escape(f"{seat.agent} v{seat.agent_version}"),
            escape(seat.role),
            escape(why),
        )
    return table
