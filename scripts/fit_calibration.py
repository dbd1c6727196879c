"""Fit the `calibration` of agents' cards on the calibration items of the demo's data, and print
it to be put into the cards.

In come cards and the labelled snippets that are kept apart from evaluation; out comes, per card,
a YAML block:
- bias(o) = -median over items x of (log p(o|x) - mean over options of log p(.|x)): the median
  threshold; no label is looked at;
- scale: the inverse temperature with the highest likelihood of the items' labels (C. Guo et al.,
  "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599).

Usage: .venv/bin/python scripts/fit_calibration.py agents/critic.yaml ... [--items 300]
"""

import argparse
import asyncio
import math
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comitia.config import DirectorySettings
from comitia.inference.cards import find_card
from comitia.inference.load import load_model
from comitia.ports import Model
from comitia.v1.format_pb2 import Option
from comitia_agent.blocks import Calibration
from comitia_agent.card import AgentProfile, Skill, read_card
from comitia_agent.choosing import make_chooser
from comitia_cli.demo.data import Item, load_snippets

Scores = NDArray[np.float64]
SKILL = "sentiment"
SCALES = np.geomspace(0.05, 20.0, 241)


def uncalibrated(profile: AgentProfile) -> Skill:
    """The skill as its card says, without calibration."""
    skill = profile.skills[SKILL]
    plain = {
        kind: block.model_copy(update={"calibration": Calibration()})
        for kind, block in (("choice", skill.choice), ("nearest", skill.nearest))
        if block is not None
    }
    return skill.model_copy(update=plain)


async def weigh(
    profile: AgentProfile, model: Model, items: list[Item], labels: list[str]
) -> Scores:
    """Log-weights float64[items, labels], up to a constant per item."""
    chooser = make_chooser(uncalibrated(profile), model)
    if chooser is None:
        raise SystemExit(f"{profile.name} makes no choices of skill {SKILL}")
    await chooser.prepare()
    options = [Option(id=label) for label in labels]
    rows = []
    for item in items:
        weighed = await chooser.weigh(item.text, options)
        rows.append([math.log(weighed.chances[label]) for label in labels])
    return np.array(rows)


def fit(scores: Scores, right: NDArray[np.intp]) -> tuple[Scores, float]:
    """(bias float64[labels], scale); `right`: index of each item's label."""
    bias = -np.median(scores - scores.mean(axis=1, keepdims=True), axis=0)
    shifted = scores + bias

    def loss(scale: float) -> float:
        logits = scale * shifted
        whole = np.logaddexp.reduce(logits, axis=1)
        return float(np.mean(whole - logits[np.arange(len(right)), right]))

    return bias, min((float(scale) for scale in SCALES), key=loss)


async def run(paths: list[Path], count: int) -> None:
    """Fit every card; models are loaded once each."""
    cache_dir = DirectorySettings().cache_dir
    dataset = load_snippets(cache_dir, print)
    items = random.Random(0).sample(dataset.calibration, count)
    labels = list(dataset.labels)
    right = np.array([labels.index(item.label) for item in items])
    profiles = [read_card(path) for path in paths]
    for name in sorted({profile.model for profile in profiles}):
        model = await asyncio.to_thread(load_model, find_card(Path("models"), name), cache_dir)
        for profile in (p for p in profiles if p.model == name):
            scores = await weigh(profile, model, items, labels)
            bias, scale = fit(scores, right)
            before = np.mean(scores.argmax(axis=1) == right)
            after = np.mean((scores + bias).argmax(axis=1) == right)
            listed = ", ".join(f"{o}: {b:.3f}" for o, b in zip(labels, bias, strict=True))
            print(f"# {profile.name}: {before:.3f} right without, {after:.3f} with its bias")
            print(f"      calibration:\n        bias: {{{listed}}}\n        scale: {scale:.2f}")
            print(f'        source: "{count} calibration items of {dataset.name}"', flush=True)
        await model.close()


def main() -> None:
    """Read the arguments and fit."""
    parser = argparse.ArgumentParser(description="Fit the calibration of agents' cards.")
    parser.add_argument("cards", nargs="+", type=Path)
    parser.add_argument("--items", type=int, default=300)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.cards, arguments.items))


if __name__ == "__main__":
    main()
