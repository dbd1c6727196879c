"""What resolving conflict is worth: the ladder's live table, recorded votes through a ladder with a
judge, negotiation beside NegMAS, and attention beside the other votes.

`python -m bench.conflict --data DIR [--json FILE] [--only PARTS] [--seeds N] [--seed S]` measures
each part on the folders of DIR that it reads, and leaves out what is not there. N seeds, fresh
unless S names the first, draw what is fed back, asked and bargained over. Each part prints its
tables; the report holds all figures, and what this project has set itself.
"""

import argparse
import secrets
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from bench.reports import Figures, Goal, report, show

PACKAGES = ("comitia", "numpy")
# Part -> what it reads of DIR, "" where it needs nothing or looks for itself. Parts import what the
# others do without.
PARTS = {"live": "", "replay": "llm_votes", "negotiation": "", "attention": ""}


class Part(Protocol):
    """The module bench.conflict_PART."""

    def measure(self, data: Path, seeds: Sequence[int], /) -> Figures: ...

    def goals(self, figures: Figures, /) -> list[Goal]: ...


def measured(data: Path, names: Sequence[str], seeds: Sequence[int]) -> tuple[Figures, list[Goal]]:
    """All parts of these names, one after another."""
    figures: Figures = {}
    goals: list[Goal] = []
    for name in names:
        part = cast(Part, import_module(f"bench.conflict_{name}"))
        there = (data / PARTS[name]).is_dir()
        print(f"\n{name}" if there else f"\n{name}: {data} has no {PARTS[name]}", flush=True)
        found = part.measure(data, seeds) if there else {}
        figures |= found
        goals += part.goals(found)
    return figures, goals


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--seed", type=int, help="the first of them (default: a fresh one)")
    chosen = parser.parse_args()
    names = chosen.only.split(",")
    if unknown := sorted(set(names) - set(PARTS)):
        parser.error(f"--only: {', '.join(unknown)} is none of {', '.join(PARTS)}")
    if chosen.seeds < 1:
        parser.error("--seeds: at least 1")
    if not chosen.data.is_dir():
        parser.error(f"--data: there is no folder {chosen.data}")
    first = secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed
    seeds = range(first, first + chosen.seeds)
    print(f"seeds {seeds[0]} to {seeds[-1]}", flush=True)
    made = report(*measured(chosen.data, names, seeds), PACKAGES)
    made["seeds"] = list(seeds)
    print()
    # The parts have printed their tables; what is left to say are the goals.
    show(made, chosen.json, hidden="")


if __name__ == "__main__":
    main()
