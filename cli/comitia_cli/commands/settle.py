"""`comitia settle`: a person's word on a task that its panel could not settle."""

import getpass
import time
from typing import Annotated

import typer

from comitia.errors import ConfigError
from comitia.v1.decision_pb2 import Decision
from comitia.v1.verdict_pb2 import Verdict
from comitia_cli import exits, options
from comitia_cli.client import decisions, settling
from comitia_cli.client.settling import Outcome, Word
from comitia_cli.output import Printer
from comitia_cli.shell import Session, Shell, run, shell_of
from comitia_cli.show.decision import whole


def settle(
    ctx: typer.Context,
    task_id: Annotated[str, typer.Argument(metavar="TASK_ID")],
    value: Annotated[
        str,
        typer.Option(metavar="VALUE", help='An option, a text, 1.5, "a > b = c" or JSON.'),
    ],
    because: Annotated[str, typer.Option(help="Why; it will stand in the decision.")],
    by: Annotated[str, typer.Option(help="Who says so. Default: you.", show_default=False)] = "",
    revision: Annotated[
        int | None,
        typer.Option(min=0, help="Which revision you have read. Default: the newest."),
    ] = None,
    root: Annotated[
        str, typer.Option(help="Root id, where the task is part of a staged one.")
    ] = "",
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long to wait for the next revision.")
    ] = "30s",
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Settle a task that is left to a person: the next revision of its decision, and feedback.

    Ends with 0 when your word stands, with 1 when another was first, with 4 when no revision came
    in time or there is no such task.
    """
    word = Word(value, because, by or getpass.getuser(), revision)
    timeout_ms = options.parse_duration_ms(timeout)
    verdict, outcome = run(_settle(shell_of(ctx), bootstrap, (task_id, root), word, timeout_ms))
    if outcome.revision is None:
        _missing(task_id, timeout, outcome)
    else:
        _report(outcome.revision, verdict, Printer(json))


async def _settle(
    shell: Shell, bootstrap: str | None, task: tuple[str, str], word: Word, timeout_ms: int
) -> tuple[Verdict | None, Outcome]:
    async with shell.session(bootstrap) as session:
        found = await decisions.find(session, *task)
        if not found:
            exits.say(
                f"no decision of task {task[0]} is in the log: see that the id is right, and what "
                "waits with `comitia conflicts`"
            )
            raise typer.Exit(exits.NO_DECISION)
        if settling.is_said_already(found, word):
            # After a break the same command is given again.
            return None, Outcome(found[-1].decision)
        verdict = settling.verdict_on(found, word, int(time.time() * 1000))
        outcome = await settling.settle(session, verdict, timeout_ms)
        return verdict, await _who_was_first(session, task, verdict, outcome)


async def _who_was_first(
    session: Session, task: tuple[str, str], verdict: Verdict, outcome: Outcome
) -> Outcome:
    """A verdict that comes too late is refused: the revision that was first says why."""
    if not outcome.refused:
        return outcome
    newest = (await decisions.find(session, *task))[-1].decision
    late = newest.revision > verdict.revision
    return Outcome(newest if late else None, outcome.refused)


def _report(revision: Decision, verdict: Verdict | None, printer: Printer) -> None:
    printer.emit(revision)
    printer.show(whole(revision))
    if verdict is None:
        printer.remark("that was said before, and stands")
        return
    said = revision.settlement
    mine = (verdict.by, verdict.because) == (said.by, said.because)
    if said.expired or not mine or revision.value != verdict.value:
        exits.say(f"your verdict came too late: {settling.settled_words(revision)}")
        raise typer.Exit(exits.FAILED)


def _missing(task_id: str, timeout: str, outcome: Outcome) -> None:
    if outcome.refused:
        raise ConfigError(f"the verdict was refused: {outcome.refused}; `comitia dlq list` has it")
    exits.say(
        f"no revision within {timeout}. Nothing is lost: the verdict is in the log and counts when "
        f"router and aggregator have read it. Look with `comitia explain {task_id}`, or give the "
        "same command again"
    )
    raise typer.Exit(exits.NO_DECISION)
