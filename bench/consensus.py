"""What the votes are worth: Comitia's beside crowd-kit's, the best agent's, the mean agent's and
pref_voting's, on real votes, rankings and texts.

`python -m bench.consensus --data DIR [--json FILE] [--only PARTS] [--seeds N] [--seed S]` measures
on every folder that DIR has: crowd_labels (people's labels), llm_votes (language models' answers to
questions with options), rankings (of options by people), translations_scored (by systems, scored by
people), text_classification (for `live`: agents on Apache Kafka, and a learner that is killed). N
seeds, fresh unless S names the first, draw what is fed back, the order of tasks and the bootstrap's
items; 95 % intervals. Peers run in environments of their own that this makes.
"""

import argparse
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import (
    consensus_crowd,
    consensus_live,
    consensus_llm_votes,
    consensus_rankings,
    consensus_translations,
)
from bench.environments import asked_versions
from bench.reports import Figures, Goal, report, show

PACKAGES = ("comitia", "numpy", "fastchrf")


@dataclass(frozen=True, slots=True)
class Part:
    """`folder`: what it reads of DIR."""

    folder: str
    measure: Callable[[Path, Sequence[int]], Figures]
    goals: Callable[[Figures], list[Goal]]


def _llm_votes(data: Path, seeds: Sequence[int]) -> Figures:
    return consensus_llm_votes.measure(data, consensus_crowd.Peers(), seeds)


PARTS = {
    "crowd_labels": Part("crowd_labels", consensus_crowd.measure, consensus_crowd.goals),
    "llm_votes": Part("llm_votes", _llm_votes, consensus_llm_votes.goals),
    "rankings": Part("rankings", consensus_rankings.measure, consensus_rankings.goals),
    "translations": Part(
        "translations_scored", consensus_translations.measure, consensus_translations.goals
    ),
    "live": Part("text_classification", consensus_live.measure, consensus_live.goals),
}


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

    figures: Figures = {}
    goals: list[Goal] = []
    for name in names:
        part = PARTS[name]
        there = (chosen.data / part.folder).is_dir()
        print(f"\n{name}" if there else f"\n{name}: {chosen.data} has no {part.folder}", flush=True)
        found = part.measure(chosen.data, seeds) if there else {}
        figures |= found
        goals += part.goals(found)
    made = report(figures, goals, PACKAGES)
    made["versions"] |= asked_versions("crowdkit", "pref_voting", "sacrebleu")
    made["seeds"] = list(seeds)
    print()
    show(made, chosen.json)


if __name__ == "__main__":
    main()
