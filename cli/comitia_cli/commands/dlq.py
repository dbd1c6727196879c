"""`comitia dlq`: dead letters, listed and shown."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.json import JSON
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from comitia.errors import ConfigError
from comitia_cli import options
from comitia_cli.client.letters import Letter, letter_at, letters, original
from comitia_cli.output import Printer, as_dict
from comitia_cli.shell import Shell, run, shell_of
from comitia_cli.show.tables import clipped, plain_table

HEX_BYTES_MAX = 256

app = typer.Typer(help="Records that could not be processed.", no_args_is_help=True)


@app.command("list")
def list_letters(
    ctx: typer.Context, json: options.AsJson = False, bootstrap: options.Bootstrap = None
) -> None:
    """List the dead letters, oldest first."""
    found = run(_letters(shell_of(ctx), bootstrap))
    printer = Printer(json)
    for letter in found:
        printer.emit({"offset": letter.offset, "deadLetter": as_dict(letter.letter)})
    printer.show(_table(found) if found else "no dead letters")


@app.command()
def show(
    ctx: typer.Context,
    offset: Annotated[int, typer.Argument(min=0, help="As `comitia dlq list` shows it.")],
    partition: Annotated[int, typer.Option(min=0)] = 0,
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Show one dead letter: what happened, and the original."""
    letter, content = run(_letter(shell_of(ctx), bootstrap, partition, offset))
    printer = Printer(json)
    printer.emit(
        {"offset": letter.offset, "deadLetter": as_dict(letter.letter), "original": content}
    )
    printer.show(_whole(letter, content))


async def _letters(shell: Shell, bootstrap: str | None) -> list[Letter]:
    async with shell.session(bootstrap) as session:
        return [letter async for letter in letters(session)]


async def _letter(
    shell: Shell, bootstrap: str | None, partition: int, offset: int
) -> tuple[Letter, dict[str, object] | None]:
    async with shell.session(bootstrap) as session:
        letter = await letter_at(session, partition, offset)
        if letter is None:
            raise ConfigError(
                f"no dead letter at offset {offset}: `comitia dlq list` shows those there are"
            )
        return letter, original(session, letter.letter)


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _table(found: list[Letter]) -> Table:
    table = plain_table(">offset", "when (UTC)", "by", "reason", "task", "what happened")
    for letter in found:
        table.add_row(
            str(letter.offset),
            _time(letter.at_ms),
            escape(letter.letter.service),
            escape(letter.letter.reason),
            escape(letter.letter.task_id or "-"),
            clipped(letter.letter.error),
        )
    return table


def _whole(found: Letter, content: dict[str, object] | None) -> RenderableType:
    letter = found.letter
    head = Text()
    head.append(letter.reason, style="bold red")
    head.append(f"  {letter.error}\n")
    head.append(
        f"{letter.topic}-{letter.partition} at {letter.offset}, given up by {letter.service} "
        f"{_time(found.at_ms)} UTC",
        style="dim",
    )
    if letter.task_id:
        head.append(f"\nits task: comitia explain {letter.task_id}", style="dim")
    if content is not None:
        return Group(head, JSON.from_data(content))
    more = len(letter.value) - HEX_BYTES_MAX
    tail = f" ... and {more} bytes more" if more > 0 else ""
    return Group(head, Text(letter.value[:HEX_BYTES_MAX].hex(" ") + tail))
