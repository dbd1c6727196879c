"""One run of chaos: `python -m tests.chaos.harness --seed N --tasks N --faults N --seconds N`.

Starts three brokers and the services, publishes tasks for that many seconds while faults fall, then
heals everything, waits until every published task is decided or a bound has passed, stops the
services in order and hands over to the checker, a program that shares no code with them. Out come
the faults by kind, the checker's counts and violations, `--json FILE`, and exit code 1 when
anything is violated; then the logs are kept and named, with the command that replays the seed.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from comitia.topics import Names
from tests.chaos.cluster import Cluster
from tests.chaos.faults import Faults
from tests.chaos.harms import Harms
from tests.chaos.proxy import Proxy
from tests.chaos.publish import TIMEOUTS_MS, Publisher
from tests.chaos.services import FAKETIME, ROOT, Services
from tests.chaos.watch import Watch, topics_exist

# From the start of the services until a panel decides a first task.
WARM_S = 120
# After everything is healed, until every task is decided: the longest deadline and two sessions.
SETTLE_S = max(TIMEOUTS_MS) / 1_000 + 40
CHECK_S = 240
# Examples of each kind of violation.
SHOWN = 3
LOOK_EVERY_S = 0.5
Figures = dict[str, int | float]


@dataclass(frozen=True, slots=True)
class World:
    """All that one run has started."""

    cluster: Cluster
    services: Services
    publisher: Publisher
    watch: Watch
    faults: Faults
    supervisor: asyncio.Task[None]
    settler: asyncio.Task[None]

    async def stop_services(self) -> None:
        """In order, with nobody who starts them again."""
        self.supervisor.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.supervisor
        await self.services.stop_all()


async def run(chosen: argparse.Namespace, folder: Path) -> tuple[Figures, list[str]]:
    """One run in `folder`: its figures and what was violated."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(32))
    figures: Figures = {}
    async with world(chosen, folder) as there:
        began = time.monotonic()
        await asyncio.gather(
            there.publisher.run(chosen.tasks, chosen.seconds),
            there.faults.run(chosen.faults, chosen.seconds),
        )
        there.settler.cancel()
        figures["seconds of faults"] = round(time.monotonic() - began, 1)
        healed = time.monotonic()
        there.services.right_clocks()
        await there.cluster.until_in_sync()
        undecided = await settle(there)
        figures["seconds to settle"] = round(time.monotonic() - healed, 1)
        await there.stop_services()
        problems = [f"{undecided} published tasks have no decision"] if undecided else []
        problems += [what for what in there.services.endings if "did not stop" in what]
        figures |= counts(there)
        checked, violations = await check(there, folder)
        return figures | checked, problems + violations


@asynccontextmanager
async def world(chosen: argparse.Namespace, folder: Path) -> AsyncIterator[World]:
    """Brokers, proxy and services, until a panel has decided a task; ended with the context."""
    names = Names(f"chaos{chosen.seed}.")
    with ExitStack() as stack:
        cluster = Cluster(folder)
        stack.callback(cluster.stop)
        cluster.start()
        await cluster.until_in_sync()
        proxy = Proxy(cluster.doors, stack.enter_context((folder / "proxy.log").open("wb")))
        stack.callback(proxy.close)
        services = Services(cluster.behind_proxy, names.prefix, folder, chosen.sabotage)
        stack.callback(services.close)
        services.start_all()
        supervisor = asyncio.create_task(services.watch())
        async with asyncio.timeout(WARM_S):
            while not await asyncio.to_thread(topics_exist, cluster.bootstrap, names):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY_S)
            publisher = Publisher(cluster.bootstrap, names, chosen.seed, folder / "manifest.jsonl")
            stack.callback(publisher.close)
            watch = Watch(cluster.bootstrap, names)
            stack.callback(watch.close)
            while not watch.statuses["decided"]:
                publisher.one("plain")
                await asyncio.sleep(LOOK_EVERY_S)
        faults = Faults(chosen.seed, Harms(cluster, services, proxy), watch)
        try:
            settler = asyncio.create_task(settle_conflicts(publisher, watch))
            yield World(cluster, services, publisher, watch, faults, supervisor, settler)
        finally:
            settler.cancel()
            supervisor.cancel()


async def settle_conflicts(publisher: Publisher, watch: Watch) -> None:
    """What is left to a person is settled as it comes, until this is cancelled."""
    while True:
        while watch.escalated:
            publisher.settle(*watch.escalated.popleft())
        await asyncio.sleep(LOOK_EVERY_S)


async def settle(there: World) -> int:
    """Wait until every acknowledged task is decided and no conflict is open, or SETTLE_S; how many
    are not.
    """

    def undone() -> set[str]:
        return (there.publisher.acknowledged - there.watch.decided) | there.watch.conflicts

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            while undone():  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY_S)
    return len(undone())


def counts(there: World) -> Figures:
    """What was done and what was seen."""
    found: Figures = {"faults": there.faults.done.total()}
    groups = {
        "fault": there.faults.done,
        "seen": there.faults.harms.notes + there.services.endings,
        "published": there.publisher.kinds,
        "ended": there.watch.statuses,
    }
    for group, counted in groups.items():
        found |= {f"{group}: {name}": number for name, number in sorted(counted.items())}
    return found


async def check(there: World, folder: Path) -> tuple[Figures, list[str]]:
    """The checker's counts and violations."""
    report = folder / "check.json"
    command = [sys.executable, "-m", "tests.chaos.check", "--bootstrap", there.cluster.bootstrap]
    command += ["--prefix", there.services.prefix, "--manifest", str(folder / "manifest.jsonl")]
    command += ["--json", str(report), "--log-dirs", *map(str, there.cluster.data)]
    there.publisher.close()
    checking = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=ROOT,
        timeout=CHECK_S,
        check=False,
        capture_output=True,
        text=True,
    )
    if not report.exists():
        return {}, [f"the checker said nothing: {checking.stderr}"]
    told = json.loads(report.read_text())
    violations = [
        f"{name}: {number}, such as {' | '.join(map(str, told['examples'][name][:SHOWN]))}"
        for name, number in told["violations"].items()
    ]
    return {f"checked: {name}": number for name, number in told["facts"].items()}, violations


def report(seed: int, figures: Figures, violations: Sequence[str]) -> dict[str, Any]:
    """The run in the house's form."""
    packages = ("comitia", "aiokafka", "confluent-kafka")
    return {
        "machine": {"cpus": os.cpu_count(), "system": platform.platform()},
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in packages},
        "figures": {"seed": seed, **figures, "violations": len(violations)},
        "goals": [{"name": "violations", "goal": 0, "met": not violations}],
        "violations": list(violations),
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=8_000, help="published over the whole run")
    parser.add_argument("--faults", type=int, default=100, help="as many as fit into the time")
    parser.add_argument("--seconds", type=int, default=120, help="how long faults fall")
    parser.add_argument("--sabotage", default="", help="a name that tests.chaos.sabotage knows")
    parser.add_argument("--keep", action="store_true", help="keep the logs of a run that passes")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


def main() -> int:
    chosen = parse()
    if not FAKETIME:
        print("no libfaketime here (Debian's package faketime): clocks will not jump")
    folder = Path(tempfile.mkdtemp(prefix=f"comitia-chaos-{chosen.seed}-"))
    try:
        figures, violations = asyncio.run(run(chosen, folder))
    except BaseException:
        print(f"the run broke off; logs of all processes: {folder}", file=sys.stderr)
        raise
    for name, number in figures.items():
        print(f"{number:>10}  {name}")
    if chosen.json:
        text = json.dumps(report(chosen.seed, figures, violations), indent=2)
        chosen.json.write_text(text + "\n")
    if not violations and not chosen.keep:
        shutil.rmtree(folder)
    if not violations:
        return 0
    for what in violations:
        print(f"VIOLATION {what}")
    names = ("seed", "tasks", "faults", "seconds", "sabotage")
    asked = {name: getattr(chosen, name) for name in names}
    options = " ".join(f"--{name} {value}" for name, value in asked.items() if value)
    print(f"replay: python -m tests.chaos.harness {options}\nlogs of all processes: {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
