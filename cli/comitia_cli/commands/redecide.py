"""`comitia redecide`: what another policy, or other weights, would have decided."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from comitia.errors import ConfigError
from comitia_cli import options
from comitia_cli.client.comparing import Comparison
from comitia_cli.client.policies import read_change
from comitia_cli.client.redeciding import Pair, Wanted, fitted, pairs, weights_of
from comitia_cli.output import Printer, as_dict
from comitia_cli.shell import Session, Shell, run, shell_of
from comitia_cli.show.comparison import changed_line, comparison_view

CHANGES_SHOWN_MAX = 10


def redecide(
    ctx: typer.Context,
    policy: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="A method (learned), JSON, or a file: the fields of Policy that are to change.",
        ),
    ] = "",
    weights_version: Annotated[
        int,
        typer.Option("--weights-version", min=0, help="Of each skill. 0: the newest."),
    ] = 0,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="30m or 24h ago, or 2026-01-31T12:00+00:00.")
    ] = "24h",
    skill: Annotated[str, typer.Option(help="Only tasks of this skill.")] = "",
    json: options.AsJson = False,
    bootstrap: options.Bootstrap = None,
) -> None:
    """Decide recorded tasks anew by another policy or other weights, and compare.

    Nothing is published and no agent is asked: the aggregator's own rules go once more over what
    the log says, rounds and all. Tasks of stages are left out, their stages are compared. In a
    pipe, every task that comes out otherwise is a line, and the comparison the last one.
    """
    now_ms = int(time.time() * 1000)
    since_ms = options.parse_since_ms(since, now_ms)
    wanted = Wanted(read_change(policy), since_ms, skill, weights_version)
    printer = Printer(json)
    found = run(_compare(shell_of(ctx), bootstrap, wanted, printer))
    if not found.tasks and found.unsuited:
        raise ConfigError(
            f"all {found.unsuited} votes are left out: the method cannot count answers of their"
            " kind; docs/consensus.md lists which takes which"
        )
    if not found.tasks:
        raise ConfigError(
            f"no vote was recorded since {since}"
            + (f" for skill {skill!r}" if skill else "")
            + ": go further back with --since; topics keep what their retention says"
        )
    printer.emit({"comparison": found.figures()})
    printer.show(comparison_view(found))


async def _compare(
    shell: Shell, bootstrap: str | None, wanted: Wanted, printer: Printer
) -> Comparison:
    async with shell.session(bootstrap) as session:
        return await compare(session, wanted, printer)


async def compare(session: Session, wanted: Wanted, printer: Printer) -> Comparison:
    """The comparison; tasks that come out otherwise are shown as they are found."""
    weights = await weights_of(session, wanted.version, wanted.skill)
    found, changes = Comparison(), 0
    async for pair in pairs(session, wanted, weights, found):
        alike = found.add(pair.recorded, pair.redecided, pair.limits)
        right = None
        if pair.said is not None:
            seen = fitted(weights, pair)
            right = found.judge(pair.recorded, pair.redecided, pair.said.feedback.correct, seen)
        if not alike:
            printer.emit(_change(pair, right))
            changes += 1
            if changes <= CHANGES_SHOWN_MAX:
                printer.show(changed_line(pair.recorded, pair.redecided, right))
    if changes > CHANGES_SHOWN_MAX:
        printer.show(f"... and {changes - CHANGES_SHOWN_MAX} more that came out otherwise")
    return found


def _change(pair: Pair, right: tuple[bool, bool] | None) -> dict[str, object]:
    """One task as a line of JSON."""
    made: dict[str, object] = {"task_id": pair.redecided.task_id, **asdict(pair.limits)}
    for name, decision in (("recorded", pair.recorded), ("redecided", pair.redecided)):
        shown = as_dict(decision)
        made[name] = {key: shown[key] for key in ("status", "value", "margin") if key in shown}
    if right is not None:
        made["right"] = {"recorded": right[0], "redecided": right[1]}
    return made
