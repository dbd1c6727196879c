"""Labels of people on the same items: Dawid-Skene with shrinkage beside crowd-kit's methods.

In: the folders of DIR/crowd_labels, each with label.csv (item, worker, label) and truth.csv (item,
truth). Out: accuracies as shares of the items of known truth, their mean over the folders, labels
per second, differences with the ends of their 95 % interval. One setting for all folders, ours and
crowd-kit's: the one that is found without asking for any.
"""

import csv
import json
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import ROOT
from bench.environments import environment
from bench.reports import Figures, Goal, goal
from comitia.consensus import confusion

RESAMPLES = 2000
TIMEOUT_S = 1800
# Both that are compared in labels per second are timed as often, and the fastest counts.
REPEATS = 3
TIMED = "DawidSkene"
FAST = ("MajorityVote", "Wawa", "ZeroBasedSkill", "DawidSkene", "OneCoinDawidSkene")
# Whatever crowd-kit has for more than two classes; some take minutes on a large table.
ALL = (*FAST, "GoldMajorityVote", "GLAD", "MMSR", "MACE")
WITH_GOLD = ("DawidSkene", "GoldMajorityVote")
OURS, STREAMED, PEER = "Dawid-Skene with shrinkage", "the same, streamed", "crowd-kit DawidSkene"

# (item, voter, label)
Rows = list[tuple[str, str, str]]
Labels = Mapping[str, str]


def measure(data: Path, seeds: Sequence[int]) -> Figures:
    """All figures, and a table on standard output."""
    right: dict[str, list[list[float]]] = {}
    seconds: dict[str, float] = {}
    rows_count = 0
    folders = sorted(folder for folder in (data / "crowd_labels").iterdir() if folder.is_dir())
    for folder in folders:
        rows, truth = read(folder)
        rows_count += len(rows)
        found = ours(rows, seeds[0]) | crowd_kit(rows, {}, (*FAST, *[TIMED] * (REPEATS - 1)))
        for method, (labels, taken) in found.items():
            credits = [float(labels.get(item) == correct) for item, correct in truth.items()]
            right.setdefault(method, []).append(credits)
            seconds[method] = seconds.get(method, 0.0) + taken
        line = (f"{method} {np.mean(credits[-1]):.4f}" for method, credits in right.items())
        print(f"{folder.name:>24}  {len(rows):>6} labels  {'  '.join(line)}", flush=True)
    figures: Figures = {f"crowd_labels, {m}": _mean(c) for m, c in right.items()}
    figures |= {f"crowd_labels, {m}, labels/s": rows_count / s for m, s in seconds.items()}
    low, high = interval(right[OURS], right[PEER], seeds)
    above = _mean(right[OURS]) - _mean(right[PEER])
    return figures | {
        "crowd_labels, ours above crowd-kit DawidSkene": above,
        "crowd_labels, ours above crowd-kit DawidSkene, at least": low,
        "crowd_labels, ours above crowd-kit DawidSkene, at most": high,
        "crowd_labels, ours faster than crowd-kit DawidSkene": seconds[PEER] / seconds[OURS],
    }


def goals(figures: Figures) -> list[Goal]:
    above = figures.get("crowd_labels, ours above crowd-kit DawidSkene")
    faster = figures.get("crowd_labels, ours faster than crowd-kit DawidSkene")
    return [
        goal("crowd_labels: mean accuracy above crowd-kit's Dawid-Skene", above, ">=", 1e-9),
        goal("crowd_labels: labels/s over crowd-kit's Dawid-Skene", faster, ">=", 1.0),
    ]


def read(folder: Path) -> tuple[Rows, dict[str, str]]:
    """The labels, and the truth of the items that have one."""
    with (folder / "label.csv").open(newline="", encoding="utf-8") as file:
        rows = [(line["item"], line["worker"], line["label"]) for line in csv.DictReader(file)]
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        truth = {line["item"]: line["truth"] for line in csv.DictReader(file)}
    labelled = {item for item, _, _ in rows}
    return rows, {item: correct for item, correct in truth.items() if item in labelled}


def ours(rows: Rows, seed: int) -> dict[str, tuple[Labels, float]]:
    """Method -> labels, seconds; of all at once, and of each item once in an order by `seed`."""
    timed = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        labels = together(rows)
        timed.append(time.perf_counter() - began)
    items: dict[str, dict[str, int]] = {}
    names = sorted({label for _, _, label in rows})
    number = {name: place for place, name in enumerate(names)}
    for item, voter, label in rows:
        items.setdefault(item, {})[voter] = number[label]
    order = [sorted(items)[place] for place in np.random.default_rng(seed).permutation(len(items))]
    began = time.perf_counter()
    stream = confusion.Stream(len(names))
    streamed = {item: names[int(stream.observe(items[item]).argmax())] for item in order}
    return {OURS: (labels, min(timed)), STREAMED: (streamed, time.perf_counter() - began)}


def together(rows: Rows) -> dict[str, str]:
    """Item -> label."""
    items, item = _numbered(item for item, _, _ in rows)
    _, voter = _numbered(voter for _, voter, _ in rows)
    labels, label = _numbered(label for _, _, label in rows)
    found = confusion.estimate(item, voter, label, len(labels)).posteriors.argmax(axis=1)
    return {name: labels[place] for name, place in zip(items, found.tolist(), strict=True)}


def crowd_kit(
    rows: Rows, gold: Labels, methods: Sequence[str]
) -> dict[str, tuple[dict[str, str], float]]:
    """Method -> labels, seconds (the least of its runs), from crowd-kit's own environment."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "asked.json"
        file.write_text(json.dumps({"rows": rows, "gold": gold, "methods": methods}))
        script = str(ROOT / "bench" / "peers" / "crowdkit_labels.py")
        command = [str(environment("crowdkit")), script, str(file)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_S)
    found: dict[str, Any] = json.loads(done.stdout)
    return {f"crowd-kit {m}": (one["labels"], one["seconds"]) for m, one in found.items()}


class Peers:
    """crowd-kit's labels for votes and gold; what needs no gold is asked once a table."""

    def __init__(self, methods: Sequence[str] = ALL) -> None:
        self._methods = methods
        self._without: tuple[Rows, dict[str, dict[str, str]]] = ([], {})

    def __call__(self, rows: Rows, gold: Labels) -> Mapping[str, Labels]:
        if rows != self._without[0]:
            plain = [method for method in self._methods if method not in WITH_GOLD]
            self._without = rows, self._ask(rows, {}, plain)
        taught = [method for method in self._methods if method in WITH_GOLD]
        return self._without[1] | self._ask(rows, gold, taught)

    @staticmethod
    def _ask(rows: Rows, gold: Labels, methods: Sequence[str]) -> dict[str, dict[str, str]]:
        found = crowd_kit(rows, gold, methods)
        return {name.removeprefix("crowd-kit "): labels for name, (labels, _) in found.items()}


def interval(
    one: Sequence[Sequence[float]], other: Sequence[Sequence[float]], seeds: Sequence[int]
) -> tuple[float, float]:
    """Ends of the 95 % interval of the difference of means: items of each folder are drawn anew."""
    chance = np.random.default_rng(list(seeds))
    drawn = np.zeros(RESAMPLES)
    for first, second in zip(one, other, strict=True):
        apart = np.subtract(first, second)
        drawn += apart[chance.integers(0, len(apart), (RESAMPLES, len(apart)))].mean(axis=1)
    low, high = np.quantile(drawn / len(one), (0.025, 0.975))
    return float(low), float(high)


def _mean(credits: Sequence[Sequence[float]]) -> float:
    return float(np.mean([np.mean(each) for each in credits]))


def _numbered(names: Iterable[str]) -> tuple[list[str], list[int]]:
    """The different names, and each one's number among them."""
    numbers: dict[str, int] = {}
    places = [numbers.setdefault(name, len(numbers)) for name in names]
    return list(numbers), places
