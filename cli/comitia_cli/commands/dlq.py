"""`comitia dlq`: dead letters, listed and shown, replayed and discarded."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated

import typer

from comitia.errors import ConfigError, Poison
from comitia.ports import Writer
from comitia.runtime.dead_letters import DISCARDED, REPLAYED
from comitia_cli import exits, options
from comitia_cli.client import replaying
from comitia_cli.client.letters import Choice, Letter, letters, original
from comitia_cli.client.sending import codec
from comitia_cli.output import Printer, as_dict
from comitia_cli.shell import Session, Shell, run, shell_of
from comitia_cli.show.letters import table, whole

NONE = "no open dead letter matches"
# What is held in memory at once when letters are chosen by a filter.
BATCH_LETTERS = 500
BATCH_BYTES = 32 * 1024 * 1024

app = typer.Typer(help="Records that could not be processed.", no_args_is_help=True)

Offsets = Annotated[
    list[int] | None,
    typer.Argument(metavar="[OFFSET]...", min=0, help="As `comitia dlq list` shows them."),
]
Partition = Annotated[int, typer.Option(min=0, help="Of the dead letters' topic.")]
Reason = Annotated[str, typer.Option(metavar="REASON", help="Only letters of this reason.")]
Task = Annotated[str, typer.Option(metavar="TASK_ID", help="Only letters of this task.")]
Every = Annotated[bool, typer.Option("--all", help="All that are open.")]
Work = Callable[[Session], Awaitable[None]]


@app.command("list")
def list_letters(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those dealt with.")] = False,
    reason: Reason = "",
    task: Task = "",
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """List the dead letters that nobody has dealt with, oldest first."""
    run(_list(shell_of(ctx), bootstrap, Choice((), reason, task), every, Printer(json)))


@app.command()
def show(
    ctx: typer.Context,
    offset: Annotated[int, typer.Argument(min=0, help="As `comitia dlq list` shows it.")],
    partition: Partition = 0,
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Show one dead letter: what happened, and the original."""
    printer = Printer(json)

    async def work(session: Session) -> None:
        (letter,) = await _chosen(session, Choice([(partition, offset)]))
        content = original(session, letter.letter)
        printer.emit({**_row(letter), "original": content})
        printer.show(whole(letter, content))

    run(_within(shell_of(ctx), bootstrap, work))


@app.command()
def replay(
    ctx: typer.Context,
    offsets: Offsets = None,
    partition: Partition = 0,
    every: Every = False,
    reason: Reason = "",
    task: Task = "",
    new_id: Annotated[
        bool, typer.Option("--new-id", help="Ask a task again under a new id: it was decided.")
    ] = False,
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Put originals back into their topics, once the cause is gone.

    Ends with 6 when some were refused; all others were put back.
    """
    choice = _choice(offsets, partition, every, reason, task)
    printer = Printer(json)

    async def work(session: Session) -> None:
        await _replay(session, choice, new_id, printer)

    run(_within(shell_of(ctx), bootstrap, work))


@app.command()
def discard(
    ctx: typer.Context,
    offsets: Offsets = None,
    partition: Partition = 0,
    every: Every = False,
    reason: Reason = "",
    task: Task = "",
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Mark dead letters as dealt with. They stay in the topic; `list --all` shows them."""
    choice = _choice(offsets, partition, every, reason, task)
    printer = Printer(json)

    async def work(session: Session) -> None:
        count = 0
        writer = await session.log.writer()
        try:
            async for batch in _batches(session, choice):
                for letter in batch:
                    if letter.done:
                        exits.say(
                            f"letter {letter.record.offset} was {letter.done.lower()} already"
                        )
                        continue
                    await replaying.resolve(writer, letter, DISCARDED, codec())
                    printer.emit({**_place(letter), "action": DISCARDED})
                    count += 1
        finally:
            await writer.close()
        printer.show(f"{count} discarded" if count else NONE)

    run(_within(shell_of(ctx), bootstrap, work))


def _choice(
    offsets: Sequence[int] | None, partition: int, every: bool, reason: str, task: str
) -> Choice:
    """What was asked for. ConfigError when nothing was, or two things at once."""
    if not (offsets or every or reason or task):
        raise ConfigError(
            "which letters? Name their offsets (`comitia dlq list` shows them), or choose with "
            "--all, --reason or --task"
        )
    if offsets and (every or reason or task):
        raise ConfigError("name offsets, or choose with --all, --reason or --task, not both")
    return Choice([(partition, offset) for offset in offsets or ()], reason, task)


async def _within(shell: Shell, bootstrap: str | None, work: Work) -> None:
    async with shell.session(bootstrap) as session:
        await work(session)


async def _list(
    shell: Shell, bootstrap: str | None, choice: Choice, every: bool, printer: Printer
) -> None:
    async with shell.session(bootstrap) as session:
        shown, done = [], 0
        async for letter in letters(session, choice):
            if letter.done and not every:
                done += 1
                continue
            printer.emit(_row(letter))
            if not printer.plain:
                shown.append(letter)
        rest = f" ({done} replayed or discarded: --all shows them)" if done else ""
        printer.show(table(shown) if shown else f"no open dead letters{rest}")


async def _chosen(session: Session, choice: Choice) -> list[Letter]:
    """The letters of a choice. ConfigError when an offset that was named has none."""
    found = [letter async for letter in letters(session, choice)]
    missing = set(choice.places) - {letter.place for letter in found}
    if missing:
        named = ", ".join(str(offset) for _, offset in sorted(missing))
        raise ConfigError(
            f"no dead letter at offset {named}: `comitia dlq list` shows those there are"
        )
    return found


async def _batches(session: Session, choice: Choice) -> AsyncIterator[list[Letter]]:
    """The letters of a choice: those that were named, all or none, else the open ones, a bounded
    number of bytes at a time.
    """
    if choice.places:
        yield await _chosen(session, choice)
        return
    batch, size = list[Letter](), 0
    async for letter in letters(session, choice):
        if letter.done:
            continue
        batch.append(letter)
        size += len(letter.record.value or b"")
        if size > BATCH_BYTES or len(batch) >= BATCH_LETTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _replay(session: Session, choice: Choice, new_id: bool, printer: Printer) -> None:
    seen = refused = 0
    writer = await session.log.writer()
    try:
        async for batch in _batches(session, choice):
            seen += len(batch)
            refused += await _replay_batch(session, writer, batch, new_id, printer)
    finally:
        await writer.close()
    if not seen:
        printer.show(NONE)
    if refused:
        raise typer.Exit(exits.SOME_REFUSED)


async def _replay_batch(
    session: Session, writer: Writer, batch: Sequence[Letter], new_id: bool, printer: Printer
) -> int:
    """How many of them were refused."""
    refused = 0
    ready: list[tuple[Letter, replaying.Original]] = []
    for letter in batch:
        try:
            found = replaying.original_of(session.names, letter)
            found = replaying.under_new_id(found, letter.place) if new_id else found
            ready.append((letter, found))
        except Poison as error:
            refused += _say(letter, error)
    ended = await replaying.decided(session, [found for _, found in ready])
    for letter, found in ready:
        try:
            replaying.check(found, ended, round(time.time() * 1000))
            ack = await replaying.replay(writer, letter, found, codec())
        except Poison as error:
            refused += _say(letter, error)
            continue
        to = {"topic": ack.topic, "partition": ack.partition, "offset": ack.offset}
        task = {"taskId": found.task_id} if found.task_id else {}
        printer.emit({**_place(letter), "action": REPLAYED, "to": to, **task})
        how = f"; how it ends: comitia explain {found.task_id}" if found.task_id else ""
        where = f"{ack.topic}-{ack.partition} at {ack.offset}"
        printer.show(f"{letter.record.offset} replayed into {where}{how}")
    return refused


def _say(letter: Letter, error: Poison) -> int:
    exits.say(f"letter {letter.record.offset} is not replayed: {error}")
    return 1


def _place(letter: Letter) -> dict[str, object]:
    return {"partition": letter.record.partition, "offset": letter.record.offset}


def _row(letter: Letter) -> dict[str, object]:
    state = letter.done or "OPEN"
    return {**_place(letter), "state": state, "deadLetter": as_dict(letter.letter)}
