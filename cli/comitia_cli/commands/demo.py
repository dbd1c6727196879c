"""`comitia demo`: a panel at work on real inputs, from nothing to a table of who was right how
often.

It starts what is not running, asks, shows decisions as they come, evaluates, and stops what it
started.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from comitia.v1.decision_pb2 import Decision
from comitia.v1.task_pb2 import Task
from comitia_cli import exits, options
from comitia_cli.client.decisions import SLACK_MS, open_feed
from comitia_cli.client.records import Feed, decode
from comitia_cli.client.sending import send
from comitia_cli.commands.down import stop_system
from comitia_cli.commands.up import Screen, start_detached, wait_until_ready
from comitia_cli.demo.data import draw, load_snippets, make_tasks, read_dataset
from comitia_cli.demo.evaluate import Evaluation, model_facts
from comitia_cli.demo.table import case_line, report_view
from comitia_cli.output import Printer
from comitia_cli.places import folder_of, places
from comitia_cli.shell import Session, run, shell_of
from comitia_cli.show.system import system_table
from comitia_cli.system.board import Board
from comitia_cli.system.system import Wanted

# A run is one batch: the last item may wait for all the others.
TIMEOUT_MS = 600_000


def demo(
    ctx: typer.Context,
    items: Annotated[int, typer.Option(min=1, help="Inputs to decide.")] = 200,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Your own: .jsonl of {"text": ..., "label": ...}, or .tsv: text, tab, label.',
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the inputs.")] = 7,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running.")] = False,
    agents: options.Agents = None,
    models: options.Models = None,
    json: options.AsJson = False,
) -> None:
    """Start a panel of small models, let it judge real inputs, and count who was right."""
    began = time.monotonic()
    where = places()
    printer = Printer(json, for_people=True)
    wanted = Wanted(None, folder_of("agents", agents), folder_of("models", models))
    board = Board(where.state)
    # The set-up goes on in the background while the inputs are fetched.
    started = None if board.up() else start_detached(where, wanted)
    try:
        dataset = read_dataset(data) if data else load_snippets(where.cache, printer.remark)
        if started is not None:
            state = wait_until_ready(started, board, Screen())
            printer.show(system_table(state))
            printer.remark(f"ready after {state.ready_s:.1f} s")
        run_id = f"demo-{secrets.token_hex(4)}"
        chosen = draw(dataset, items, seed)
        tasks = make_tasks(dataset, chosen, run=run_id, seed=seed, timeout_ms=TIMEOUT_MS)
        printer.remark(f"{len(tasks)} inputs of {dataset.name}, seed {seed}")
        evaluation = Evaluation(dataset, chosen, tasks)
        shown = Shown(evaluation, printer, began)

        async def ask() -> float:
            async with shell_of(ctx).session(None) as session:
                return await _decide(session, tasks, shown)

        seconds = run(ask())
        facts = model_facts(wanted.models, where.cache)
        report = evaluation.report(seconds=seconds, seed=seed, models=facts)
        printer.emit({"report": asdict(report)})
        printer.show(report_view(report))
        if evaluation.remaining:
            exits.say(f"{evaluation.remaining} inputs were not decided in time")
            raise typer.Exit(exits.NO_DECISION)
    finally:
        if started is not None and not keep and board.up():
            stop_system(where)


class Shown:
    """Shows each decision once. `began`: monotonic seconds when the demo did."""

    def __init__(self, evaluation: Evaluation, printer: Printer, began: float) -> None:
        self.evaluation = evaluation
        self._printer = printer
        self._began = began
        self._first = True

    def add(self, decision: Decision) -> bool:
        """Was it one of this run's, seen for the first time?"""
        case = self.evaluation.add(decision)
        if case is None:
            return False
        if self._first:
            self._first = False
            self._printer.remark(
                f"first decision {time.monotonic() - self._began:.1f} s after the start"
            )
        self._printer.emit(decision)
        self._printer.show(case_line(case))
        return True


async def _decide(session: Session, tasks: Sequence[Task], shown: Shown) -> float:
    """Publish all and show decisions until there are no more; seconds from the first task to the
    last decision.
    """
    topic = await session.topic("tasks")
    feed = await open_feed(session)
    writer = await session.log.writer()
    try:
        began = time.monotonic()
        acks = [await send(writer, topic.name, task.id, task) for task in tasks]
        reading = asyncio.create_task(_collect(feed, shown))
        try:
            for ack in acks:
                await ack
            return await reading - began
        finally:
            reading.cancel()
    finally:
        await writer.close()
        await feed.close()


async def _collect(feed: Feed, shown: Shown) -> float:
    """Until every task is decided, or nothing came for longer than a task may take; when the last
    one came.
    """
    last = time.monotonic()
    while shown.evaluation.remaining:
        for record in await feed.next():
            if shown.add(decode(Decision, record)):
                last = time.monotonic()
        if time.monotonic() - last > (TIMEOUT_MS + SLACK_MS) / 1000:
            break
    return last
