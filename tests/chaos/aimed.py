"""Aimed scenarios: the very situation in which each sabotage matters, built step by step on Apache
Kafka. `python -m tests.chaos.aimed [NAME ...]` plays each scenario honestly and with its sabotages
and prints what the checker found.

In comes a Stage; out goes a log that the checker passes when the service is honest and fails when
it is sabotaged. Exit code 1 when either is otherwise.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from comitia.broker import BrokerSettings, EmbeddedBroker
from comitia.config import DirectorySettings, load
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED
from tests.chaos.aimed_stage import AGAIN, AGENTS, ANY_LIVE, ELSEWHERE, HOME, Stage
from tests.chaos.checker import check
from tests.chaos.checker.evidence import Report
from tests.chaos.checker.reading import Source
from tests.chaos.sabotage import HONEST, SABOTAGES
from tests.chaos.staged import STAGED
from tests.conftest import free_ports

TASKS = 100
# How long a decision may take that an honest service gives within a second.
IN_VAIN_S = 8.0
LONG_SESSION = "45000"


async def redelivered(stage: Stage) -> None:
    """The router routes two tasks again: one is open and answered by the wrong panel first, one is
    decided and committed.
    """
    aggregator = stage.start("aggregator")
    await stage.until_live(aggregator)
    rival = stage.named("rival")
    await stage.task(rival)
    await stage.panel(rival, "one")
    await stage.panel(rival, "two")
    await stage.answer(rival, "two", "0b1b")
    await stage.answer(rival, "one", "0a1a")
    done = await stage.whole("done")
    await stage.until_decided(rival, done)
    await stage.until_committed()
    await stage.panel(done, "two")
    await stage.answer(done, "two", "0b1b")
    await stage.until_decided(await stage.whole("last"))


async def killed(stage: Stage) -> None:
    """The owner is killed with one task open and a later one decided; the open one's majority comes
    while nobody is there.
    """
    former = stage.start("aggregator")
    await stage.until_live(former)
    half = stage.named("half")
    await stage.task(half)
    await stage.panel(half, "one")
    await stage.answer(half, "one", "0a")
    await stage.until_decided(await stage.whole("done"))
    # One commit serves all partitions: when this one has moved, so had the other its chance.
    await stage.until_decided(await stage.whole("tick", ELSEWHERE))
    await stage.until_committed(ELSEWHERE)
    former.kill()
    await stage.answer(half, "one", "1a")
    await stage.until_live(stage.start("aggregator"))
    await stage.until_decided(await stage.whole("last"))


async def zombie(stage: Stage) -> None:
    """The owner stops just before it writes a decision, for longer than its session; another takes
    over and decides; then the first wakes and goes on where it stood.
    """
    former = stage.start("aggregator", "stop-before-write")
    await stage.until_live(former)
    task = await stage.whole(STAGED)
    await stage.until_stopped(former)
    stage.start("aggregator")
    await stage.until_decided(task)
    lives = former.said(ANY_LIVE)
    former.wake()
    await stage.until("it has partitions again", lambda: former.said(ANY_LIVE) > lives)
    await stage.until_decided(await stage.whole("last"))


async def overlapping(stage: Stage) -> None:
    """The owner stops between a decision and its commit; the next one stops where it would open its
    writer; the first commits and dies, and the next goes on.
    """
    directions = ("stop-before-commit", "die-after-commit", "transaction-ms=60000")
    former = stage.start("aggregator", *directions)
    await stage.until_live(former)
    task = await stage.whole(STAGED)
    await stage.until_stopped(former)
    following = stage.start(
        "aggregator", f"stop-before-init={HOME}", SESSION_TIMEOUT_MS=LONG_SESSION
    )
    await stage.until_stopped(following)
    former.wake()
    await stage.until_decided(task)
    following.wake()
    await stage.until_decided(await stage.whole("last"))


async def timed_out(stage: Stage) -> None:
    """The owner stops inside a transaction until the coordinator has ended that, but not for as
    long as its session: it is fenced, and still the only member.
    """
    directions = ("stop-before-commit", "transaction-ms=1000")
    owner = stage.start("aggregator", *directions, SESSION_TIMEOUT_MS=LONG_SESSION)
    await stage.until_live(owner)
    task = await stage.whole(STAGED)
    await stage.until_stopped(owner)
    await stage.until_nothing_is_open()
    owner.wake()
    await stage.until("it is fenced", lambda: owner.said(AGAIN) > 0)
    last = await stage.whole("last")
    if stage.sabotage == HONEST:
        await stage.until_decided(task, last)
    else:
        await stage.decided(task, last, patience_s=IN_VAIN_S)


async def pipeline(stage: Stage) -> None:
    """Router, agents and aggregator, and a hundred tasks."""
    stage.start("aggregator")
    stage.start("router")
    stage.run("agents", ["-m", "bench.noop_agent", *AGENTS])
    for number in range(1_000):
        warm = f"warm-{number}"
        await stage.task(warm, "noop")
        await stage.until_decided(warm)
        if stage.statuses[warm] == DECISION_STATUS_DECIDED:
            break
    tasks = [f"t-{number}" for number in range(TASKS)]
    for task in tasks:
        await stage.task(task, "noop")
    await stage.until_decided(*tasks)


@dataclass(frozen=True, slots=True)
class Aim:
    """`caught_by`: violations of which the checker must find each under this sabotage."""

    play: Callable[[Stage], Awaitable[None]]
    caught_by: frozenset[str]


AIMS = {
    "a-notxn": Aim(zombie, frozenset({"decision.twice"})),
    "b-init-late": Aim(overlapping, frozenset({"decision.twice"})),
    "c-commit-early": Aim(killed, frozenset({"commit.past-an-undecided-task", "decision.missing"})),
    "d-panel-first": Aim(pipeline, frozenset({"panel.before-its-assignments"})),
    "e-unlisted": Aim(redelivered, frozenset({"ballot.altered"})),
    "f-discard": Aim(killed, frozenset({"decision.missing"})),
    "g-decisions-late": Aim(killed, frozenset({"commit.forgets-a-decision", "decision.twice"})),
    "h-fenced-waits": Aim(timed_out, frozenset({"decision.missing"})),
    "i-forget": Aim(redelivered, frozenset({"decision.twice"})),
}
# Too slow, for every change, by waiting for sessions and transactions to time out.
SLOW = (zombie, overlapping, timed_out)


async def judge(
    play: Callable[[Stage], Awaitable[None]], sabotage: str, bootstrap: str, folder: Path
) -> Report:
    """Play a scenario under a sabotage (or HONEST); what the checker says of it."""
    async with Stage(bootstrap, folder, sabotage) as stage:
        await play(stage)
    evidence = await asyncio.to_thread(Source(bootstrap).evidence, stage.names.prefix)
    evidence.manifest = stage.manifest
    return check(evidence)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what was asked for on a broker of its own; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.aimed", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="sabotages; none: all")
    names = parser.parse_args(arguments).names or list(AIMS)
    with tempfile.TemporaryDirectory() as folder:
        state, cache = Path(folder), load(DirectorySettings).cache_dir
        with EmbeddedBroker(BrokerSettings(state, cache, free_ports(2))) as broker:
            return asyncio.run(_table(names, broker.bootstrap, state))


async def _table(names: Sequence[str], bootstrap: str, folder: Path) -> int:
    wrong = 0
    for play in dict.fromkeys(AIMS[name].play for name in names):
        report = await judge(play, HONEST, bootstrap, folder / play.__name__)
        wrong += not report.ok
        _row("honest", play.__name__, report)
    for name in names:
        aim = AIMS[name]
        report = await judge(aim.play, name, bootstrap, folder / name)
        wrong += not aim.caught_by <= set(report.violations)
        _row(name, aim.play.__name__, report)
    print(f"{wrong} of these are not as they should be" if wrong else "all as they should be")
    return 1 if wrong else 0


def _row(name: str, scenario: str, report: Report) -> None:
    found = ", ".join(f"{what} {number}" for what, number in sorted(report.violations.items()))
    what = SABOTAGES[name].what if name in SABOTAGES else ""
    counts = (
        f"{report.facts['tasks']} tasks, {report.facts['ballots']} ballots,"
        f" {report.facts['commits of aggregators']} commits"
    )
    print(f"{name:17} {what:38} {scenario:12} {counts:40} {found or 'no violation'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
