"""A benchmark of several parts, each on a folder of the data: its command line, the parts in turn,
one report.

In come the parts by name; out go what each prints, and a report of all figures and goals.
"""

import argparse
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.reports import Figures, Goal, report


@dataclass(frozen=True, slots=True)
class Part:
    """`folder`: what it reads of the data, "" where it needs nothing or looks for itself. `measure`
    takes the data's folder and seeds.
    """

    folder: str
    measure: Callable[[Path, Sequence[int]], Figures]
    goals: Callable[[Figures], list[Goal]]


def chosen_of(description: str, names: Sequence[str]) -> argparse.Namespace:
    """The command line: --data, --json, --only, --seeds, --seed; with `names` and `chosen_seeds`
    made of them.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default=",".join(names), help=f"some of {','.join(names)}")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--seed", type=int, help="the first of them (default: a fresh one)")
    chosen = parser.parse_args()
    chosen.names = chosen.only.split(",")
    if unknown := sorted(set(chosen.names) - set(names)):
        parser.error(f"--only: {', '.join(unknown)} is none of {', '.join(names)}")
    if chosen.seeds < 1:
        parser.error("--seeds: at least 1")
    if not chosen.data.is_dir():
        parser.error(f"--data: there is no folder {chosen.data}")
    first = secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed
    chosen.chosen_seeds = range(first, first + chosen.seeds)
    return chosen


def measured(
    parts: Mapping[str, Part], chosen: argparse.Namespace, packages: Sequence[str]
) -> dict[str, Any]:
    """The report of the chosen parts, one after another; what the data has not is left out."""
    seeds: Sequence[int] = chosen.chosen_seeds
    print(f"seeds {seeds[0]} to {seeds[-1]}", flush=True)
    figures: Figures = {}
    goals: list[Goal] = []
    for name in chosen.names:
        part = parts[name]
        there = (chosen.data / part.folder).is_dir()
        print(f"\n{name}" if there else f"\n{name}: {chosen.data} has no {part.folder}", flush=True)
        found = part.measure(chosen.data, seeds) if there else {}
        figures |= found
        goals += part.goals(found)
    made = report(figures, goals, packages)
    made["seeds"] = list(seeds)
    print()
    return made
