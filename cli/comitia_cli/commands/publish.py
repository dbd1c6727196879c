"""`comitia publish`: a file of tasks into the log, going on where a former run broke off."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from comitia.config import AggregatorSettings
from comitia.errors import ConfigError, Retryable
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia_cli import exits, options
from comitia_cli.client.decisions import open_feed
from comitia_cli.client.journal import Journal, open_journal
from comitia_cli.client.publishing import Publication, Tally
from comitia_cli.client.records import decode, offsets_since, partitions_of, scan
from comitia_cli.client.tasks import SKILL_DEFAULT, Defaults
from comitia_cli.output import Printer
from comitia_cli.places import places
from comitia_cli.shell import Session, Shell, run, shell_of
from comitia_cli.show.decision import one_line

OPEN_SHOWN_MAX = 3
UNDECIDED_SHOWN_MAX = 10
REMEMBERED_MS = int(AggregatorSettings.model_fields["duplicate_window_ms"].default)


def publish(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="One Task in proto3 JSON a line; - for standard input."
        ),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for all decisions.")] = False,
    skill: Annotated[str, typer.Option(help="For lines that name none.")] = SKILL_DEFAULT,
    timeout: options.Timeout = "30s",
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Publish a file of tasks; after a break, run the same command again.

    Lines that are no tasks are reported and skipped. In a pipe, --wait prints each decision as a
    line of JSON.
    """
    defaults = Defaults(skill, options.parse_duration_ms(timeout))
    path = None if file == "-" else _existing(file)
    watcher = Watcher(Printer(json), None if path is None else _count(path))
    tally = run(_publish(shell_of(ctx), bootstrap, path, Work(watcher, defaults, wait)))
    _report(tally, wait)


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise ConfigError(
            f"{name} is no file that can be read again: give one of JSON lines, "
            "or - for standard input"
        )
    return path


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


class Watcher:
    """Shows progress on standard error and decisions on standard output. `total`: lines, where it
    is known.
    """

    def __init__(self, printer: Printer, total: int | None) -> None:
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=printer.remarks,
        )
        self._printer = printer
        self._lines = self.bars.add_task("published", total=total)
        self._decisions = self.bars.add_task("decided", total=total, visible=False)
        self._decided = 0
        self._undecided = 0

    def shown(self) -> "Progress | nullcontext[None]":
        """Bars while it lasts, on a terminal."""
        return self.bars if sys.stderr.isatty() else nullcontext()

    def sent(self, line: int) -> None:
        self.bars.update(self._lines, completed=line)

    def refused(self, line: int, why: str) -> None:
        self.bars.console.print() if self.bars.live.is_started else None
        exits.say(f"line {line}: {why}")

    def decided(self, decision: Decision) -> None:
        self._decided += 1
        self.bars.update(self._decisions, completed=self._decided, visible=True)
        self._printer.emit(decision)
        if decision.status == DecisionStatus.DECISION_STATUS_DECIDED or self._printer.plain:
            return
        self._undecided += 1
        if self._undecided <= UNDECIDED_SHOWN_MAX:
            self.bars.console.print(one_line(decision))


class Work:
    """What is to be done with a file."""

    def __init__(self, watcher: Watcher, defaults: Defaults, wait: bool) -> None:
        self.watcher = watcher
        self.defaults = defaults
        self.wait = wait


async def _publish(shell: Shell, bootstrap: str | None, path: Path | None, work: Work) -> Tally:
    async with shell.session(bootstrap) as session:
        target = f"{session.settings.bootstrap} {session.settings.prefix}"
        journal = open_journal(path, places().journals, target)
        if journal.resumed:
            exits.say(f"going on after line {journal.lines} of {path}")
        with work.watcher.shown():
            tally = await _transfer(session, path, journal, work)
        if not tally.open or not work.wait:
            journal.finish()
        return tally


async def _transfer(session: Session, path: Path | None, journal: Journal, work: Work) -> Tally:
    topic = await session.topic("tasks")
    feed = await open_feed(session, journal.start)
    journal.start = feed.start
    journal.save()
    writer = await session.log.writer()
    publication = Publication(journal, work.watcher)
    collecting = asyncio.create_task(publication.collect(feed)) if work.wait else None
    try:
        with sys.stdin.buffer if path is None else path.open("rb") as file:
            await publication.publish(_lines(file), writer, topic.name, work.defaults)
        if collecting is not None:
            if publication.may_be_decided_before:
                await _look_back(session, publication)
            await collecting
    except Retryable as error:
        raise Retryable(
            f"{error}. {journal.lines} lines are published; run the same command again to go on "
            "there"
        ) from error
    finally:
        if collecting is not None:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)
        await writer.close()
        await feed.close()
    return publication.tally


async def _look_back(session: Session, publication: Publication) -> None:
    """Find the decisions of tasks that were asked under the same ids within the hour that ids are
    remembered.
    """
    partitions = partitions_of([await session.topic("decisions")])
    since_ms = int(time.time() * 1000) - REMEMBERED_MS
    start = await offsets_since(session.log, partitions, since_ms)
    async for record in scan(session.log, partitions, start):
        publication.note(decode(Decision, record))


async def _lines(file: BinaryIO) -> AsyncIterator[bytes]:
    """Lines as they come: whoever writes into the pipe may be slow, and decisions go on arriving
    meanwhile.
    """
    if file is not sys.stdin.buffer:
        for line in file:
            yield line
        return
    while line := await asyncio.to_thread(file.readline):
        yield line


def _report(tally: Tally, wait: bool) -> None:
    words = f"{tally.published} published"
    if wait:
        words += f", {tally.decided} decided, {tally.undecided} ended otherwise"
    if tally.escalated:
        words += f", {tally.escalated} of them left to you (`comitia conflicts`)"
    if tally.refused:
        words += f", {tally.refused} {'line' if tally.refused == 1 else 'lines'} refused"
    exits.say(words)
    if wait and tally.open:
        some = ", ".join(sorted(tally.open)[:OPEN_SHOWN_MAX])
        exits.say(
            f"{len(tally.open)} without a decision in time ({some}, ...): run the same command "
            "again to wait on"
        )
        raise typer.Exit(exits.NO_DECISION)
    if tally.refused:
        raise typer.Exit(exits.SOME_REFUSED)
    if tally.undecided:
        raise typer.Exit(exits.UNDECIDED)
