"""Where the time of one decision goes: processor time of the router, one agent and the aggregator
by step, per decision, in a run of its own under bench.profiled.

In: a kind of system and a broker. Out: microseconds per decision by role and step.
"""

import json
import signal
import sys
import tempfile
from pathlib import Path

from bench.common import NOOP
from bench.profiled import REST
from bench.reports import Figures
from bench.transport_systems import Command, Kind, running, tasks_of

PROFILED = ("router", NOOP[0], "aggregator")
STEPS = ("fetch", "decode", "step", "encode", "produce", "transaction", REST)


async def profile(kind: Kind, bootstrap: str, log: Path, tasks: int) -> Figures:
    """Microseconds of processor time per decision, by "role: step"."""
    with tempfile.TemporaryDirectory() as folder:
        files = {role: Path(folder) / f"{role}.json" for role in PROFILED}
        commands = {role: _profiled(kind, role, file) for role, file in files.items()}
        async with running(kind, bootstrap, log, commands) as system:
            await system.client.flood(tasks_of(tasks // 4))
            for role in PROFILED:
                system.roles[role].send_signal(signal.SIGUSR1)
            await system.client.flood(tasks_of(tasks))
        found = {role: json.loads(file.read_text()) for role, file in files.items()}
    return {
        f"{role}: {step} us/decision": 1e6 * found[role]["steps"].get(step, 0.0) / tasks
        for role in PROFILED
        for step in STEPS
    }


def table(figures: Figures, letters: str) -> str:
    """The figures of several systems (`letters`) as a table for a person."""
    lines = [f"{'us of processor time per decision':44}" + "".join(f"{x:>8}" for x in letters)]
    for role in PROFILED:
        for step in STEPS:
            name = f"{role}: {step} us/decision"
            values = [figures.get(f"({letter}) {name}") for letter in letters]
            shown = "".join(
                f"{value:8.1f}" if value is not None else f"{'-':>8}" for value in values
            )
            lines.append(f"{role + ': ' + step:44}{shown}")
    return "\n".join(lines)


def _profiled(kind: Kind, role: str, file: Path) -> Command:
    module, *arguments = _module(kind, role)
    return (sys.executable, "-m", "bench.profiled", str(file), module, *arguments)


def _module(kind: Kind, role: str) -> tuple[str, ...]:
    """The module whose `main` is the role's program, and its arguments."""
    if not kind.delivery:
        return ("bench.transport_raw", role)
    if role in NOOP:
        return ("bench.noop_agent", role)
    return (f"comitia_{role}.main",)
