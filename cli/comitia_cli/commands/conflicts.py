"""`comitia conflicts`: what waits for a person."""

import time
from typing import Annotated

import typer

from comitia_cli import options
from comitia_cli.client.conflicts import Conflict
from comitia_cli.client.conflicts import conflicts as found_in
from comitia_cli.output import Printer
from comitia_cli.shell import Shell, run, shell_of
from comitia_cli.show.conflicts import conflict_row, conflict_table


def conflicts(
    ctx: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are settled or have expired.")
    ] = False,
    since: Annotated[
        str,
        typer.Option(metavar="WHEN", help="30m or 24h ago, or a time. Default: as far as kept."),
    ] = "",
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """List the tasks whose panel could not settle them and that wait for a person.

    Those that expire first come first. `comitia explain TASK_ID` shows one in full, `comitia
    settle` ends it.
    """
    now_ms = int(time.time() * 1000)
    since_ms = options.parse_since_ms(since, now_ms) if since else 0
    found = run(_read(shell_of(ctx), bootstrap, since_ms))
    shown = [one for one in found if everything or one.waits(now_ms)]
    printer = Printer(json)
    for one in shown:
        printer.emit(conflict_row(one, now_ms))
    if shown:
        printer.show(conflict_table(shown, now_ms))
        printer.show("one in full: comitia explain TASK_ID; to end it: comitia settle TASK_ID ...")
    else:
        printer.show("nothing waits for a person")


async def _read(shell: Shell, bootstrap: str | None, since_ms: int) -> list[Conflict]:
    async with shell.session(bootstrap) as session:
        return await found_in(session, since_ms)
