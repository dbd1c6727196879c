"""What the transport costs: Comitia's two deliveries beside raw aiokafka, calfkit and Ray Serve.

`python -m bench.transport [--tasks N] [--json FILE] [--only a,b,c,d,e,replicated,profile]` starts
Apache Kafka of its own and measures, in turns so that all meet the same machine: (a) a pipeline
written by hand on aiokafka, (b) Comitia exactly once, (c) Comitia at least once, each with three
agents that do no work; then once (d) calfkit and (e) Ray Serve, in environments that it makes;
then (b) and (c) on three brokers with replication 3; then where the processor time goes. Medians
over the rounds.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import environments, transport_profile, transport_replicated
from bench.common import broker, tail
from bench.reports import Figures, Goal, goal, report, show
from bench.transport_systems import KINDS, throughput
from comitia.broker.relock import KAFKA

PARTS = ("a", "b", "c", "d", "e", "replicated", "profile")
PACKAGES = ("aiokafka", "protobuf", "uvloop", "comitia")
RATE, P50 = "decisions/s", "one task p50 ms"


def measure(chosen: argparse.Namespace, parts: Sequence[str], folder: Path) -> Figures:
    """Everything in `parts`, by name."""
    log = folder / "services.log"
    figures: Figures = {}
    try:
        with broker(folder / "one", 1) as bootstrap:
            figures |= rounds(bootstrap, [part for part in parts if part in KINDS], chosen, log)
            if "d" in parts:
                found = environments.calfkit(bootstrap, chosen.peer_tasks, 100, log)
                figures |= named("d", found)
        if "e" in parts:
            figures |= named("e", environments.ray_serve(chosen.peer_tasks, 100, log))
        if "replicated" in parts:
            with broker(folder / "three", 3) as bootstrap:
                comparing = transport_replicated.compare(bootstrap, log, 2)
                figures |= asyncio.run(comparing)
        if "profile" in parts:
            with broker(folder / "profile", 1) as bootstrap:
                for letter, kind in KINDS.items():
                    profiling = transport_profile.profile(kind, bootstrap, log, chosen.tasks)
                    figures |= named(letter, asyncio.run(profiling))
            print(transport_profile.table(figures, "".join(KINDS)))
    except Exception:
        print(tail(log))
        raise
    return figures


def rounds(
    bootstrap: str, letters: Sequence[str], chosen: argparse.Namespace, log: Path
) -> Figures:
    """The systems in turn, `chosen.rounds` times; the median of each figure."""
    found: dict[str, list[Figures]] = {letter: [] for letter in letters}
    for _ in range(chosen.rounds):
        for letter in letters:
            one = asyncio.run(throughput(KINDS[letter], bootstrap, log, chosen.tasks))
            print(f"({letter}) {one[RATE]:8.0f}/s  p50 {one[P50]:5.1f} ms", flush=True)
            found[letter].append(one)
    figures: Figures = {}
    for letter, several in found.items():
        medians = {name: statistics.median(one[name] for one in several) for name in several[0]}
        figures |= named(letter, medians)
    return figures


def named(letter: str, figures: Figures) -> Figures:
    return {f"({letter}) {name}": value for name, value in figures.items()}


def goals(figures: Figures) -> list[Goal]:
    """What this project has set itself for its transport."""

    def ratio(first: str, second: str) -> float | None:
        if first not in figures or second not in figures:
            return None
        return round(figures[first] / figures[second], 3)

    replicated = f"replication 3, {transport_replicated.PER_SECOND}/s p50 ms"
    return [
        goal("throughput (b)/(a)", ratio(f"(b) {RATE}", f"(a) {RATE}"), ">=", 0.5),
        goal("throughput (c)/(a)", ratio(f"(c) {RATE}", f"(a) {RATE}"), ">=", 0.7),
        goal("p50 (c)/(a)", ratio(f"(c) {P50}", f"(a) {P50}"), "<=", 1.5),
        goal("p50 (b)/(a)", ratio(f"(b) {P50}", f"(a) {P50}"), "<=", 2.5),
        goal(
            "replication 3, p50 (b)/(c)", ratio(f"(b) {replicated}", f"(c) {replicated}"), "<=", 3
        ),
        goal("throughput (b)/(d)", ratio(f"(b) {RATE}", f"(d) {RATE}"), ">=", 50),
        goal("throughput (c)/(d)", ratio(f"(c) {RATE}", f"(d) {RATE}"), ">=", 50),
        goal("throughput (b)/(e)", ratio(f"(b) {RATE}", f"(e) {RATE}"), ">=", 30),
        goal("throughput (c)/(e)", ratio(f"(c) {RATE}", f"(e) {RATE}"), ">=", 30),
        goal("p50 (c)/(d)", ratio(f"(c) {P50}", f"(d) {P50}"), "<=", 1),
        goal("p50 (c)/(e)", ratio(f"(c) {P50}", f"(e) {P50}"), "<=", 1),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=20_000, help="at once, of (a), (b) and (c)")
    parser.add_argument("--peer-tasks", type=int, default=2_000, help="at once, of (d) and (e)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    parts = chosen.only.split(",")
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"--only: {', '.join(unknown)} is none of {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(chosen, parts, Path(folder))
    made = report(figures, goals(figures), PACKAGES)
    made["versions"] |= {"kafka": KAFKA} | environments.asked_versions("calfkit", "ray")
    show(made, chosen.json, hidden="us/decision")


if __name__ == "__main__":
    main()
