"""`comitia ask`: one question, one decision."""

import sys
import uuid
from typing import Annotated

import typer

from comitia.v1.decision_pb2 import DecisionStatus
from comitia.v1.task_pb2 import Task
from comitia_cli import exits, options
from comitia_cli.client import decisions
from comitia_cli.client.sending import publish_one
from comitia_cli.client.tasks import SKILL_DEFAULT, Defaults, split_options, task_of_text
from comitia_cli.output import Printer
from comitia_cli.shell import Session, Shell, run, shell_of
from comitia_cli.show.conflicts import how_to_settle
from comitia_cli.show.decision import whole


def ask(
    ctx: typer.Context,
    question: Annotated[
        str, typer.Argument(help="What is asked, or what is to be judged; - for standard input.")
    ],
    choices: Annotated[
        str,
        typer.Option("--options", metavar="A,B", help="Answers to choose from. None: free text."),
    ] = "",
    skill: Annotated[str, typer.Option(help="Which agents may answer.")] = SKILL_DEFAULT,
    everybody: Annotated[
        bool, typer.Option("--all", help="Hear every agent, also when the outcome is certain.")
    ] = False,
    timeout: options.Timeout = "30s",
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Ask the panel and wait for its decision.

    Ends with 0 when it is decided, with 3 when it ended otherwise, with 4 without a decision.
    """
    if question == "-":
        question = sys.stdin.read()
    defaults = Defaults(skill, options.parse_duration_ms(timeout))
    task = task_of_text(uuid.uuid4().hex, question, split_options(choices), defaults)
    task.policy.wait_for_all = everybody
    found = run(_ask(shell_of(ctx), bootstrap, task))
    if found is None:
        exits.say(
            f"no decision within {timeout} and {decisions.SLACK_MS // 1000} s more: see whether "
            f"all services are ready (`comitia up`), then `comitia explain {task.id}`"
        )
        raise typer.Exit(exits.NO_DECISION)
    printer = Printer(json)
    printer.emit(found.decision)
    printer.show(whole(found.decision))
    if found.decision.HasField("escalation") and printer.plain:
        exits.say(
            f"the panel could not settle it and left it to you; {how_to_settle(found.decision)}"
        )
    if found.decision.status != DecisionStatus.DECISION_STATUS_DECIDED:
        raise typer.Exit(exits.UNDECIDED)


async def _ask(shell: Shell, bootstrap: str | None, task: Task) -> decisions.Found | None:
    async with shell.session(bootstrap) as session:
        return await put(session, task)


async def put(session: Session, task: Task) -> decisions.Found | None:
    """Publish a task and wait for its decision: until its timeout, and a little longer."""
    feed = await decisions.open_feed(session)
    try:
        await publish_one(session, "tasks", task.id, task)
        return await decisions.wait_for(feed, task.id, task.timeout_ms + decisions.SLACK_MS)
    finally:
        await feed.close()
