"""What a benchmark found, and whether it is what this project has set itself.

Figures and goals come in; a table for a person and the JSON of `--json` go out.
"""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

Figures = dict[str, float]
Goal = dict[str, Any]


def quantiles(name: str, taken: Sequence[float]) -> Figures:
    """Median and 99th percentile."""
    ordered = sorted(taken)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return {f"{name} p50 ms": statistics.median(ordered), f"{name} p99 ms": p99}


def under(figures: Mapping[str, float], prefix: str) -> Figures:
    """The figures of one part of a run, by what their names say behind the first colon."""
    return {
        name.split(": ", 1)[1]: value for name, value in figures.items() if name.startswith(prefix)
    }


def goal(name: str, value: float | None, op: str, wanted: float) -> Goal:
    """A line of a report's goals; `value` None where it was not measured."""
    return {"name": name, "value": value, "op": op, "goal": wanted}


def reached(one: Goal) -> bool:
    value = one["value"]
    if value is None:
        return False
    return bool(value >= one["goal"] if one["op"] == ">=" else value <= one["goal"])


def report(
    figures: Mapping[str, float], goals: Sequence[Goal], packages: Sequence[str]
) -> dict[str, Any]:
    """What a benchmark found, on which machine, with which versions."""
    return {
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "load average at the end": os.getloadavg()[0],
        },
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in packages},
        "figures": {name: round(value, 4) for name, value in figures.items()},
        "goals": list(goals),
    }


def show(made: Mapping[str, Any], json_file: Path | None, hidden: str = "\0") -> None:
    """Print a report but for the figures that have `hidden` in their names, and write it where
    `--json` says.
    """
    for name, value in made["figures"].items():
        if hidden not in name:
            print(f"{value:12.2f}  {name}")
    for one in made["goals"]:
        verdict = "reached" if reached(one) else "missed" if one["value"] is not None else "open"
        value = "-" if one["value"] is None else f"{one['value']:.3g}"
        print(f"{verdict:>8}  {one['name']}: {value} {one['op']} {one['goal']}")
    if json_file is not None:
        json_file.write_text(json.dumps(made, indent=2) + "\n")
