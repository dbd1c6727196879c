"""`make chaos`: runs of chaos with seeds that follow one another, added up, until the goals are
reached or a run shows a violation.

Every run is a process of its own, bounded in time, and so is their number. Out come each run's
report as it ends, then the sums, the goals (enough faults, enough of them inside an open
transaction, no violation), `--json FILE`, and exit code 1 when a goal is missed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chaos.services import ROOT

# A machine that has nothing else to do needs four.
RUNS_MAX = 8
FAULTS_MIN = 300
# Transactions that a fault cut off, from the control records in the log.
ABORTS = "checked: ABORT markers in decisions"
ABORTS_MIN = 100
# What does not add up.
APART = ("seed",)


def one(seed: int, chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The report of one run; a run that broke off counts as a violation."""
    report = folder / f"{seed}.json"
    command = [sys.executable, "-m", "tests.chaos.harness", "--seed", str(seed)]
    for name in ("tasks", "faults", "seconds"):
        command += [f"--{name}", str(getattr(chosen, name))]
    print(f"--- seed {seed}", flush=True)
    ended = subprocess.run([*command, "--json", str(report)], cwd=ROOT, check=False)
    if not report.exists():
        return {"figures": {"seed": seed}, "violations": [f"exit code {ended.returncode}"]}
    told: dict[str, Any] = json.loads(report.read_text())
    return told


def sums(reports: list[dict[str, Any]]) -> dict[str, float]:
    """Every figure, over all runs."""
    added: Counter[str] = Counter()
    for report in reports:
        added.update({k: v for k, v in report["figures"].items() if k not in APART})
    return {name: round(number, 1) for name, number in added.items()}


def goals(figures: dict[str, float], violations: int) -> list[dict[str, Any]]:
    """What the runs together must show."""
    faults, aborts = figures.get("faults", 0), figures.get(ABORTS, 0)
    return [
        {"name": "faults", "goal": FAULTS_MIN, "reached": faults, "met": faults >= FAULTS_MIN},
        {"name": ABORTS, "goal": ABORTS_MIN, "reached": aborts, "met": aborts >= ABORTS_MIN},
        {"name": "violations", "goal": 0, "reached": violations, "met": not violations},
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS_MAX, help="at most so many")
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    parser.add_argument("--tasks", type=int, default=9_000, help="of each run")
    parser.add_argument("--faults", type=int, default=110, help="of each run")
    parser.add_argument("--seconds", type=int, default=190, help="of each run")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reports: list[dict[str, Any]] = []
        for seed in range(chosen.seed, chosen.seed + chosen.runs):
            reports.append(one(seed, chosen, Path(folder)))
            figures = sums(reports)
            reached = goals(figures, len(reports[-1]["violations"]))
            if reports[-1]["violations"] or all(goal["met"] for goal in reached):
                break
    print(f"--- {len(reports)} runs")
    for name, number in figures.items():
        print(f"{number:>10g}  {name}")
    for goal in reached:
        word = "met" if goal["met"] else "MISSED"
        print(f"goal {word}: {goal['name']}: {goal['reached']:g} (wanted: {goal['goal']})")
    if chosen.json:
        last = {name: reports[-1].get(name, {}) for name in ("machine", "versions")}
        text = {**last, "figures": figures, "goals": reached, "runs": reports}
        chosen.json.write_text(json.dumps(text, indent=2) + "\n")
    return 0 if all(goal["met"] for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
