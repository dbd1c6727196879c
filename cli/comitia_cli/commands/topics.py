"""`comitia topics`: the catalogue against what the cluster has, and making what is missing."""

from typing import Annotated

import typer
from rich.table import Table

from comitia_cli import exits, options
from comitia_cli.client.catalogue import Comparison, comparisons, refused
from comitia_cli.output import Printer
from comitia_cli.shell import Shell, run, shell_of
from comitia_cli.show.tables import clipped, plain_table


def topics(
    ctx: typer.Context,
    apply: Annotated[bool, typer.Option("--apply", help="Create the missing ones.")] = False,
    inbox: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AGENT",
            help="Its inbox, too, before it has a card; AGENT.high: that of its priority lane.",
        ),
    ] = None,
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Compare topics with the catalogue.

    Ends with 1 when one is missing or differs. --apply creates what is missing and changes
    nothing that exists; it ends with 1 only when services could not start on what there is.
    """
    found, refusals = run(_compare(shell_of(ctx), bootstrap, inbox or [], apply))
    printer = Printer(json)
    for one in found:
        printer.emit(
            {
                "topic": one.wanted.name,
                "exists": one.found is not None,
                "partitions": one.wanted.partitions,
                "differs": {
                    name: {"wanted": wanted, "found": is_}
                    for name, (wanted, is_) in one.differs.items()
                },
            }
        )
    printer.show(table(found))
    missing = [one.wanted.name for one in found if one.found is None]
    if missing:
        exits.say(f"{len(missing)} topics are missing: create them with `comitia topics --apply`")
    for one in found:
        for name, (wanted, is_) in one.differs.items():
            exits.say(
                f"{one.wanted.name}: {name} is {is_ or 'not set'}, the catalogue says {wanted}"
            )
    for words in refusals:
        exits.say(f"no service starts on this: {words}")
    differs = any(one.differs for one in found) and not apply
    if missing or refusals or differs:
        raise typer.Exit(exits.FAILED)


async def _compare(
    shell: Shell, bootstrap: str | None, inboxes: list[str], apply: bool
) -> tuple[list[Comparison], list[str]]:
    async with shell.session(bootstrap) as session:
        found = await comparisons(session, inboxes)
        missing = [one.wanted for one in found if one.found is None]
        if apply and missing:
            await session.log.create(missing)
            found = await comparisons(session, inboxes)
        return found, refused(session.names, found)


def table(found: list[Comparison]) -> Table:
    """One row a topic."""
    rows = plain_table("topic", ">partitions", "cleanup", ">largest message", "state")
    for one in found:
        if one.found is None:
            state = clipped("missing", "red")
        elif one.differs:
            state = clipped(f"differs: {', '.join(one.differs)}", "yellow")
        else:
            state = clipped("ok", "green")
        rows.add_row(
            one.wanted.name,
            str(one.wanted.partitions),
            one.wanted.config["cleanup.policy"],
            f"{int(one.wanted.config['max.message.bytes']) // 1024} KiB",
            state,
        )
    return rows
