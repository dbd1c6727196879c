"""`comitia agents`: who can sit on a panel; `agents add` and `agents remove`: one that runs
elsewhere.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from comitia.v1.agent_card_pb2 import AgentCard
from comitia_cli import options
from comitia_cli.client import agents as registry
from comitia_cli.output import Printer, as_dict
from comitia_cli.shell import Shell, run, shell_of
from comitia_cli.show.tables import clipped, plain_table

app = typer.Typer(help="Who can sit on a panel.", invoke_without_command=True)


@app.callback()
def agents(
    ctx: typer.Context, json: options.AsJson = False, bootstrap: options.Bootstrap = None
) -> None:
    """List the agents: a card that counts for each, and whether it is alive."""
    if ctx.invoked_subcommand is not None:
        return
    found = run(_listed(shell_of(ctx), bootstrap))
    printer = Printer(json)
    for agent in found:
        printer.emit({"card": as_dict(agent.card), "digest": agent.digest, "alive": agent.alive})
    printer.show(_table(found) if found else "no agents yet: `comitia up` starts those of ./agents")


def _table(found: list[registry.Listed]) -> Table:
    table = plain_table("agent", "alive", ">version", "skills", "model", "what it is")
    for agent in found:
        card = agent.card
        note = f"(another card of version {card.version} is refused) " if agent.refused else ""
        table.add_row(
            escape(card.name),
            "[green]yes[/green]" if agent.alive else "[red]no[/red]",
            str(card.version),
            escape(", ".join(card.skills)),
            escape(card.model.name),
            clipped(note + card.description, "red" if note else ""),
        )
    return table


@app.command()
def add(
    ctx: typer.Context,
    card: Annotated[
        Path, typer.Argument(metavar="CARD", help="YAML or JSON with AgentCard's fields.")
    ],
    bootstrap: options.Bootstrap = None,
) -> None:
    """Add an agent that you run yourself: its inbox is made, its card published.

    A higher version supersedes a lower one; another card of the same version is refused.
    """
    message = registry.read_agent_card(card)
    new = run(_add(shell_of(ctx), bootstrap, message))
    printer = Printer()
    printer.emit(message)
    printer.show(
        f"{message.name} version {message.version} " + ("is added" if new else "was there already")
    )


@app.command()
def remove(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    bootstrap: options.Bootstrap = None,
) -> None:
    """Withdraw an agent: no panel seats it any more.

    One without heartbeats counts as alive while its card stands, and every panel waits for it.
    """
    run(_remove(shell_of(ctx), bootstrap, name))
    printer = Printer()
    printer.emit({"removed": name})
    printer.show(f"{name} is removed")


async def _listed(shell: Shell, bootstrap: str | None) -> list[registry.Listed]:
    async with shell.session(bootstrap) as session:
        return await registry.listed(session)


async def _add(shell: Shell, bootstrap: str | None, card: AgentCard) -> bool:
    async with shell.session(bootstrap) as session:
        return await registry.add(session, card)


async def _remove(shell: Shell, bootstrap: str | None, name: str) -> None:
    async with shell.session(bootstrap) as session:
        await registry.remove(session, name)
