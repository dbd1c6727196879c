"""Free texts: what the one closest to all is worth, beside the mean agent that said one of them.

In: DIR/translations_scored (see bench.consensus_segments). For every segment a panel says its
texts, minimum Bayes risk chooses one, and what people gave for it is held against the mean of the
panel. Panels are those of all systems, and smaller ones, drawn anew for every segment and seed.
Out: score points gained with the ends of their 95 % interval (bootstrap over segments), pairs of
texts per second by chrF in this process, and sacrebleu's chrF of the same pairs. A tie counts as
the mean of the texts that are tied.
"""

import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.common import ROOT
from bench.consensus_segments import Segment, read
from bench.environments import environment
from bench.reports import Figures, Goal, goal
from comitia.config import DirectorySettings, load
from comitia.consensus import minimum_bayes_risk
from comitia.consensus.ballots import Ballot
from comitia.consensus.minimum_bayes_risk import Utility, by_vectors, chrf
from comitia.inference.cards import find_card
from comitia.inference.export.make import ensure
from comitia.inference.load import load_model

PANELS = (3, 5, 7)
# The panel that the goal is about has as many seats as the demo's.
PANEL = 5
DRAWS = 10
RESAMPLES = 2000
PAIRS = 82_000
SECONDS = 5.0
PEER_PAIRS = 4_000
ENCODER = "minilm-l6-v2"
EMBEDDED_AT_ONCE = 32
TIMEOUT_S = 600

Floats = NDArray[np.float64]
# Text, text -> utility of saying the first where the second is right.
Table = Mapping[tuple[str, str], float]


def measure(data: Path, seeds: Sequence[int]) -> Figures:
    """All figures, and a table on standard output."""
    segments = read(data / "translations_scored")
    began = time.perf_counter()
    tables = {"chrF": _tables(segments, chrf)}
    rate = sum(map(len, tables["chrF"])) / (time.perf_counter() - began)
    texts = {text for one in segments for text in one.scores}
    tables[f"{ENCODER}'s vectors"] = _tables(segments, by_vectors(asyncio.run(_embed(texts))))
    figures: Figures = {
        "translations: segments": len(segments),
        "translations: chrF pairs/s, one process": rate,
        f"translations: seconds for {PAIRS} chrF pairs": PAIRS / rate,
    } | _beside_peer(tables["chrF"], seeds[0])
    print(f"{'':50}  mean agent  MBR above it, 95 %")
    for size in (*PANELS, 0):
        seats = f"panels of {size}" if size else "all systems"
        drawn = _draw(segments, size, seeds)
        for name, pairs in tables.items():
            gained, mean = _gained(segments, drawn, pairs)
            low, high = _interval(gained, seeds[0])
            above = float(gained.mean())
            title = f"translations: {seats}, MBR by {name} above the mean agent"
            figures |= {title: above, f"{title}, at least": low, f"{title}, at most": high}
            line = f"{seats + ', MBR by ' + name:50}  {mean:10.4f}"
            print(f"{line}  {above:+.4f} ({low:+.4f} to {high:+.4f})", flush=True)
        figures[f"translations: {seats}, mean agent"] = mean
    return figures


def goals(figures: Figures) -> list[Goal]:
    found = [
        goal(
            f"translations: {seats}, MBR above the mean agent, interval's lower end",
            figures.get(f"translations: {seats}, MBR by chrF above the mean agent, at least"),
            ">=",
            1e-9,
        )
        for seats in (f"panels of {PANEL}", "all systems")
    ]
    seconds = figures.get(f"translations: seconds for {PAIRS} chrF pairs")
    apart = figures.get("translations: chrF apart from sacrebleu's at most")
    return [
        *found,
        goal(f"translations: seconds for {PAIRS} chrF pairs", seconds, "<=", SECONDS),
        goal("translations: chrF apart from sacrebleu's", apart, "<=", 1e-9),
    ]


def _tables(segments: Sequence[Segment], utility: Utility) -> list[Table]:
    """The utilities of every pair of a segment's texts, compared as a vote compares them."""
    tables: list[Table] = []
    for one in segments:
        said = sorted(one.scores)
        rows = zip(said, utility(said, said), strict=True)
        tables.append(
            {(a, b): score for a, row in rows for b, score in zip(said, row, strict=True)}
        )
    return tables


def _looked_up(table: Table) -> Utility:
    def utility(candidates: Sequence[str], references: Sequence[str]) -> list[list[float]]:
        return [[table[one, other] for other in references] for one in candidates]

    return utility


async def _embed(texts: Iterable[str]) -> dict[str, Sequence[float]]:
    """Text -> unit vector, by the demo's encoder."""
    card, cache = find_card(ROOT / "models", ENCODER), load(DirectorySettings).cache_dir
    ensure(card, cache)
    model = load_model(card, cache)
    ordered = sorted(texts)
    vectors: dict[str, Sequence[float]] = {}
    try:
        for start in range(0, len(ordered), EMBEDDED_AT_ONCE):
            some = ordered[start : start + EMBEDDED_AT_ONCE]
            found = (await model.embed(some)).vectors.tolist()
            vectors |= dict(zip(some, found, strict=True))
    finally:
        await model.close()
    return vectors


def _draw(segments: Sequence[Segment], size: int, seeds: Sequence[int]) -> list[list[list[str]]]:
    """What the panels of each segment say: DRAWS of them for each seed, of `size` systems. Size 0,
    or more than there are: one panel of all.
    """
    chances = [np.random.default_rng(seed) for seed in seeds]
    drawn = []
    for one in segments:
        systems = sorted(one.texts)
        panels = [systems]
        if 0 < size < len(systems):
            panels = [chance.permutation(systems)[:size].tolist() for chance in chances * DRAWS]
        drawn.append([[one.texts[system] for system in panel] for panel in panels])
    return drawn


def _gained(
    segments: Sequence[Segment], drawn: Sequence[list[list[str]]], tables: Sequence[Table]
) -> tuple[Floats, float]:
    """By how much the chosen text's score is above its panel's mean, float64[segments]; and the
    mean of those means.
    """
    gained, means = [], []
    for segment, panels, table in zip(segments, drawn, tables, strict=True):
        found = []
        for said in panels:
            ballots = [Ballot(text) for text in said]
            outcome = minimum_bayes_risk.decide(ballots, _looked_up(table))
            leaders = outcome.tied or (outcome.winner or "",)
            mean = statistics.fmean(segment.scores[text] for text in said)
            means.append(mean)
            found.append(statistics.fmean(segment.scores[text] for text in leaders) - mean)
        gained.append(statistics.fmean(found))
    return np.array(gained), statistics.fmean(means)


def _interval(gained: Floats, seed: int) -> tuple[float, float]:
    """95 % of the mean over segments that are drawn again."""
    chance = np.random.default_rng(seed)
    picked = chance.integers(0, len(gained), (RESAMPLES, len(gained)))
    low, high = np.quantile(gained[picked].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def _beside_peer(tables: Sequence[Table], seed: int) -> Figures:
    """sacrebleu's chrF of some of the pairs: how far ours is from it, and its speed."""
    every = [(pair, score) for table in tables for pair, score in table.items()]
    chance = np.random.default_rng(seed)
    picked = [every[place] for place in chance.permutation(len(every))[:PEER_PAIRS]]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.json"
        file.write_text(json.dumps([pair for pair, _ in picked]))
        script = str(ROOT / "bench" / "peers" / "sacrebleu_pairs.py")
        command = [str(environment("sacrebleu")), script, str(file)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_S)
    found = json.loads(done.stdout)
    ours = np.array([score for _, score in picked])
    apart = np.abs(ours - np.array(found["scores"]) / 100.0).max()
    return {
        "translations: sacrebleu chrF pairs/s": len(picked) / found["seconds"],
        "translations: chrF apart from sacrebleu's at most": float(apart),
    }
