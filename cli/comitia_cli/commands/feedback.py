"""`comitia feedback`: say what was right, of one task or of a file of them."""

import getpass
import sys
from collections import deque
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated

import typer

from comitia.errors import ConfigError, Poison
from comitia.ports import Ack, Writer
from comitia.v1.feedback_pb2 import Feedback
from comitia_cli import exits, options
from comitia_cli.client.feedback import (
    Entry,
    Refused,
    checked,
    in_batches,
    read_entries,
    resolve,
)
from comitia_cli.client.sending import send
from comitia_cli.output import Printer
from comitia_cli.shell import Session, Shell, run, shell_of
from comitia_cli.show.words import value_text

# Records that wait for their acknowledgement at once.
WINDOW = 500
KINDS = {".csv": "csv", ".jsonl": "jsonl"}


def feedback(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="[TASK_ID]")] = "",
    correct: Annotated[
        str,
        typer.Option(
            metavar="VALUE", help='What is right: an option, a text, 1.5, "a > b = c", JSON.'
        ),
    ] = "",
    file: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Many: .csv with a heading, or .jsonl; fields task_id and correct. - reads JSON"
            " lines from standard input.",
        ),
    ] = "",
    by: Annotated[str, typer.Option(help="Who says so. Default: you.", show_default=False)] = "",
    feedback_id: Annotated[
        str, typer.Option("--id", help="Id of this feedback. Default: made of all the rest.")
    ] = "",
    root: Annotated[
        str, typer.Option(help="Root id, where the task is part of a staged one.")
    ] = "",
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Say what was right, so that the learner weighs votes by who was right before.

    The same feedback counts once, however often it is sent; of several on one task the last
    counts. Ends with 6 when some lines of a file were refused; all others were sent.
    """
    by = by or getpass.getuser()
    if bool(file) == bool(task_id) or (file and (correct or feedback_id or root)):
        raise ConfigError("give TASK_ID and --correct, or --file FILE alone")
    if not file and not correct:
        raise ConfigError("--correct: say what is right")
    work = Work(Printer(json), single=not file)
    if file:
        with _opened(file) as (lines, kind):
            run(_send(shell_of(ctx), bootstrap, read_entries(lines, kind, by), work))
    else:
        entry = Entry(0, task_id, correct, by, feedback_id, root)
        run(_send(shell_of(ctx), bootstrap, iter([_valid(entry)]), work))
    _end(work)


@dataclass
class Work:
    """What came of it."""

    printer: Printer
    single: bool
    count: int = 0
    refused: int = 0
    unknown: int = 0

    def refuse(self, one: Refused) -> None:
        self.refused += 1
        self.unknown += one.unknown
        exits.say(one.why if self.single else f"line {one.line}: {one.why}")

    def done(self, one: Feedback) -> None:
        self.count += 1
        self.printer.emit(one)
        if self.single:
            self.printer.show(f"{one.task_id}: right is {value_text(one.correct)} ({one.by})")


def _valid(entry: Entry) -> Entry:
    try:
        return checked(entry)
    except ValueError as error:
        raise ConfigError(str(error)) from error


@contextmanager
def _opened(name: str) -> Iterator[tuple[IO[str], str]]:
    """A file, and which kind it is."""
    if name == "-":
        yield sys.stdin, "jsonl"
        return
    path = Path(name)
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(f"{path}: the name must end in .csv or .jsonl")
    try:
        # What is not UTF-8 is told by its line, and not by the whole file.
        file = path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield file, kind


async def _send(
    shell: Shell, bootstrap: str | None, entries: Iterator[Entry | Refused], work: Work
) -> None:
    async with shell.session(bootstrap) as session:
        topic = (await session.topic("feedback")).name
        writer = await session.log.writer()
        try:
            for batch in in_batches(entries):
                found = await _resolved(session, batch)
                await _publish(writer, topic, found, work)
        finally:
            await writer.close()


async def _resolved(
    session: Session, batch: Sequence[Entry | Refused]
) -> Iterable[tuple[int, Feedback | Refused]]:
    """Line and outcome of all, in the order of the file."""
    entries = [one for one in batch if isinstance(one, Entry)]
    made = iter(await resolve(session, entries))
    return [(one.line, next(made) if isinstance(one, Entry) else one) for one in batch]


async def _publish(
    writer: Writer, topic: str, found: Iterable[tuple[int, Feedback | Refused]], work: Work
) -> None:
    window: deque[tuple[int, Feedback, Awaitable[Ack]]] = deque()
    for line, one in found:
        if isinstance(one, Refused):
            work.refuse(one)
            continue
        try:
            window.append((line, one, await send(writer, topic, one.task_id, one)))
        except Poison as error:
            # Larger than this cluster's topic takes.
            work.refuse(Refused(line, str(error)))
        if len(window) >= WINDOW:
            await _acknowledge(window, WINDOW // 2, work)
    await _acknowledge(window, 0, work)


async def _acknowledge(
    window: deque[tuple[int, Feedback, Awaitable[Ack]]], leave: int, work: Work
) -> None:
    while len(window) > leave:
        line, one, ack = window.popleft()
        try:
            await ack
        except Poison as error:
            work.refuse(Refused(line, str(error)))
        else:
            work.done(one)


def _end(work: Work) -> None:
    if work.single:
        if work.refused:
            raise typer.Exit(exits.NO_DECISION if work.unknown else exits.USAGE)
        return
    words = f"{work.count} sent"
    if work.refused:
        words += f", {work.refused} {'line' if work.refused == 1 else 'lines'} refused"
    exits.say(words)
    if work.refused:
        raise typer.Exit(exits.SOME_REFUSED)
