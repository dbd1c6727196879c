"""`comitia explain`: how a task ended, or how it stands."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from comitia.v1.panel_event_pb2 import ListedAssignment, PanelEvent, PanelOpened
from comitia_cli import exits, options
from comitia_cli.client import decisions
from comitia_cli.client.tasks import input_text
from comitia_cli.output import Printer
from comitia_cli.shell import Shell, run, shell_of
from comitia_cli.show.decision import small_print, whole
from comitia_cli.show.stages import open_stage, stages_view
from comitia_cli.show.tables import plain_table
from comitia_cli.show.walk import walk_view
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

    The question, the votes, who was late and why each agent sat there; each step, round and stage
    that followed, and who settled it. Ends with 4 when it is not decided yet.
    """
    known, events = run(_look(shell_of(ctx), bootstrap, task_id, root))
    printer = Printer(json)
    for one in known.own:
        printer.emit(one.decision)
    printer.show(_story(known, events))
    if not known.own:
        for event in events:
            printer.emit(event)
        exits.say(_open(task_id, events))
        raise typer.Exit(exits.NO_DECISION)


async def _look(
    shell: Shell, bootstrap: str | None, task_id: str, root: str
) -> tuple[decisions.Family, list[PanelEvent]]:
    async with shell.session(bootstrap) as session:
        known = await decisions.family(session, task_id, root)
        events = await decisions.history(session, task_id, root)
        if known.own or events or root or not decisions.root_of(task_id):
            return known, events
        # The id of a stage: it stands in the partition of the task that it is part of.
        root = decisions.root_of(task_id)
        known = await decisions.family(session, task_id, root)
        return known, await decisions.history(session, task_id, root)


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
    if where := open_stage(events):
        return f"task {task_id} is not decided yet: {where}"
    answered = {event.answer.assignment_id for event in events if event.HasField("answer")}
    listed, number = _last_round(panel, events)
    # Shadows are not waited for.
    seats = {seat.seat: seat.agent for seat in panel.seats if not seat.shadow}
    asked = dict.fromkeys(seats[one.seat] for one in listed if one.seat in seats)
    late = [one.seat for one in listed if one.seat in seats and one.id not in answered]
    waiting = list(dict.fromkeys(seats[seat] for seat in late))
    return (
        f"task {task_id} is not decided yet: {len(asked) - len(waiting)} of {len(asked)} agents"
        f" have answered{f' in round {number}' if number > 1 else ''}"
        + (f", waiting for {', '.join(waiting)}" if waiting else "")
    )


def _last_round(
    panel: PanelOpened, events: list[PanelEvent]
) -> tuple[Sequence[ListedAssignment], int]:
    """The assignments that are waited for, and in which round."""
    listed, number = panel.assignments, 1
    for event in events:
        opened = event.round_opened
        if opened.panel_id == panel.panel_id and opened.round > number:
            listed, number = opened.assignments, opened.round
    return listed, number


def _story(known: decisions.Family, events: list[PanelEvent]) -> RenderableType:
    parts: list[RenderableType] = []
    panel = _opened(events)
    if panel is not None:
        parts.append(Text(clip(input_text(panel.task.input), TEXT_MAX), style="italic"))
    # The highest revision is what counts; it settles the one before, which the panel made.
    for one in reversed(known.own):
        decision, record = one.decision, one.record
        parts.append(whole(decision))
        if not decision.HasField("settlement"):
            # A revision repeats the walk of the one that it settles.
            parts += [walk_view(decision), stages_view(decision, known.children)]
        parts.append(small_print(decision))
        parts.append(Text(f"{record.topic}-{record.partition} at {record.offset}", style="dim"))
        if decision.revision:
            parts.append(Text(f"settled was revision {decision.revision - 1}:", style="bold"))
    if panel is not None and panel.seats:
        parts.append(_seats(panel))
    return Group(*parts)


def _seats(panel: PanelOpened) -> RenderableType:
    """Who sat there and why: in one line where the reason is one."""
    reasons = {(seat.reason, seat.probability) for seat in panel.seats}
    if len(reasons) == 1:
        seats = ", ".join(
            f"{seat.agent} v{seat.agent_version}{' (shadow)' if seat.shadow else ''}"
            f"{f' (for {seat.step})' if seat.step else ''}"
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
