"""`comitia tail`: decisions as they come."""

from typing import Annotated

import typer

from comitia_cli import options
from comitia_cli.client import decisions
from comitia_cli.output import Printer
from comitia_cli.shell import Shell, run, shell_of
from comitia_cli.show.decision import one_line


def tail(
    ctx: typer.Context,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="First those that are kept.")
    ] = False,
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, help="End after so many; 0: never.")
    ] = 0,
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Show decisions as they come. Ctrl-C ends it."""
    run(_tail(shell_of(ctx), bootstrap, Printer(json), from_beginning, count))


async def _tail(
    shell: Shell, bootstrap: str | None, printer: Printer, from_beginning: bool, count: int
) -> None:
    async with shell.session(bootstrap) as session:
        feed = await decisions.open_feed(session, from_beginning=from_beginning)
        seen = 0
        try:
            async for found in decisions.follow(feed):
                printer.emit(found.decision)
                printer.show(one_line(found.decision))
                seen += 1
                if seen == count:
                    return
        finally:
            await feed.close()
