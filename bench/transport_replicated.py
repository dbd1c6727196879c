"""Exactly once against at least once on three brokers with replication 3, at an even rate of tasks.

In: three brokers. Out: milliseconds from publishing a task to reading its decision, and what the
aggregator waited for on the way, because the difference lies there.
"""

import json
import signal
import sys
import tempfile
from pathlib import Path

from bench.reports import Figures, quantiles
from bench.transport_systems import AT_LEAST_ONCE, EXACTLY_ONCE, SKILL, Kind, running

PER_SECOND = 200
SECONDS_WARM, SECONDS = 3, 8


async def compare(bootstrap: str, log: Path, rounds: int) -> Figures:
    """Both deliveries in turn, each `rounds` times; all tasks of a delivery together."""
    taken: dict[str, list[float]] = {}
    waited: dict[str, list[Figures]] = {}
    for _ in range(rounds):
        for kind in (EXACTLY_ONCE, AT_LEAST_ONCE):
            times, waits = await _round(kind, bootstrap, log)
            taken.setdefault(kind.letter, []).extend(times)
            waited.setdefault(kind.letter, []).append(waits)
    figures: Figures = {}
    for letter, times in taken.items():
        figures |= quantiles(f"({letter}) replication 3, {PER_SECOND}/s", times)
        for name in waited[letter][0]:
            values = [waits[name] for waits in waited[letter]]
            figures[f"({letter}) replication 3: {name}"] = sum(values) / len(values)
    return figures


async def _round(kind: Kind, bootstrap: str, log: Path) -> tuple[list[float], Figures]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "waits.json"
        commands = {"aggregator": (sys.executable, "-m", "bench.waits", str(file))}
        async with running(kind, bootstrap, log, commands) as system:
            await system.client.at_rate(SKILL, PER_SECOND, SECONDS_WARM * PER_SECOND)
            system.roles["aggregator"].send_signal(signal.SIGUSR1)
            taken = await system.client.at_rate(SKILL, PER_SECOND, SECONDS * PER_SECOND)
        waits = json.loads(file.read_text())
    return taken, _figures(waits, len(taken))


def _figures(waits: dict[str, dict[str, float]], decisions: int) -> Figures:
    """Per request that succeeded: milliseconds with its repetitions, and how many of those."""
    figures: Figures = {}
    for kind, wait in waits.items():
        count = wait["count"]
        if count:
            figures[f"{kind}, ms each"] = wait["ms"] / count
            figures[f"{kind}, repeated each"] = wait["again"] / count
            figures[f"{kind}, decisions each"] = decisions / count
    return figures
