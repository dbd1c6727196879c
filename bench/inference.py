"""What the engine is worth: Comitia beside transformers, optimum, onnxruntime-genai and llama.cpp.

`python -m bench.inference [--rounds N] [--json FILE] [--only PARTS]` runs SmolLM2-135M on two
threads in every system, each in a process of its own in an environment that this makes
(bench/peers/), in turns, and gives medians over the rounds. Parts: quality (perplexity of each
form), speed (batches of 1 to 16, and a prompt), limit (memory bandwidth, and where a step's time
goes), arrivals (requests one after the other), tasks (an agent's tasks, whose prompts begin alike),
start (a new process to its first token), served (tasks through Kafka and a real agent).
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import inference_limit, inference_parts, inference_served
from bench import inference_systems as systems
from bench.common import tail
from bench.environments import asked_versions
from bench.inference_models import Models, prepare
from bench.inference_parts import BATCHES, Rounds, medians
from bench.inference_prompts import Prompts
from bench.inference_systems import Pool, pool
from bench.reports import Figures, Goal, goal, report, show

PACKAGES = ("onnxruntime", "tokenizers", "comitia")
POOLED: dict[str, Callable[[Pool, Prompts, int], Rounds]] = {
    # First, so that what a system has resident is what speed took.
    "speed": inference_parts.speed,
    "quality": inference_parts.quality,
    "arrivals": inference_parts.arrivals,
    "tasks": inference_parts.tasks,
    "start": inference_parts.start,
}
PARTS = ("speed", "quality", "limit", "arrivals", "tasks", "start", "served")


def measure(models: Models, parts: Sequence[str], rounds: int, log: Path) -> Rounds:
    """The figures of `parts`, round by round."""
    found: Rounds = {}
    with pool(models, log) as working:
        for part in parts:
            if part in POOLED:
                # Each part begins at the same place of the text, whatever was asked for before it.
                found |= told(POOLED[part](working, Prompts(models.text), rounds))
    if "limit" in parts:
        found |= told(limits(models))
    if "served" in parts:
        found |= told(asyncio.run(inference_served.served(models, rounds, log)))
    return found


def told(found: Rounds) -> Rounds:
    """The same, printed for who waits."""
    for name, value in medians(found).items():
        print(f"{value:12.2f}  {name}", flush=True)
    return found


def limits(models: Models) -> Rounds:
    """What the memory gives, and where the time of a step for one text goes."""
    found: Rounds = {}
    for form in ("fp32", "int8"):
        size = inference_limit.weight_bytes(models.comitia[form], form)
        found[f"{form}: GB of weights"] = [size / 1e9]
        found[f"{form}: GB/s of memory"] = [inference_limit.bandwidth(size) / 1e9]
        parts = inference_limit.profiled(models.comitia[form], form)
        found |= {f"{form}: ms of a step, {name}": [value] for name, value in parts.items()}
    return found


def shares(figures: Figures) -> Figures:
    """Tokens per second at batch 1 of those that the memory allows."""
    found: Figures = {}
    for form in ("fp32", "int8"):
        rate, size = f"comitia {form}: tokens/s at batch 1", f"{form}: GB of weights"
        if rate in figures and size in figures:
            allowed = figures[f"{form}: GB/s of memory"] / figures[size]
            found[f"comitia {form}: share of the memory's limit"] = figures[rate] / allowed
    return found


def goals(figures: Figures) -> list[Goal]:
    """What this project has set itself for its engine."""

    def ratio(first: str, second: str) -> float | None:
        if first not in figures or second not in figures:
            return None
        return figures[first] / figures[second]

    made = []
    for ours, theirs in (
        (systems.COMITIA, systems.GENAI),
        (systems.COMITIA_INT8, systems.GENAI_INT8),
    ):
        for size in BATCHES:
            what = f"tokens/s at batch {size}"
            wanted = 1.0 if ours == systems.COMITIA else 0.9 if size < 16 else 0.8
            value = ratio(f"{ours}: {what}", f"{theirs}: {what}")
            made.append(goal(f"{ours} / {theirs}, {what}", value, ">=", wanted))
        what = "arrivals, tokens/s"
        value = ratio(f"{ours}: {what}", f"{theirs}: {what}")
        made.append(goal(f"{ours} / {theirs} in batches of 16, {what}", value, ">=", 1.3))
    ours, torch, optimum = systems.COMITIA, systems.TRANSFORMERS, f"{systems.OPTIMUM}: tasks/s"
    what = "tokens/s of a prompt"
    value = ratio(f"{ours}: {what}", f"{torch}: {what}")
    made.append(goal(f"{ours} / {torch}, {what}", value, ">=", 0.95))
    come = f"{ours}: tasks/s as they come"
    for how, wanted in (("one by one", 6), ("in batches of 16", 2)):
        value = ratio(come, f"{optimum} {how}")
        made.append(goal(f"{ours} / {systems.OPTIMUM} {how}, tasks/s", value, ">=", wanted))
    what = "s to the first token"
    for own in (ours, systems.COMITIA_INT8):
        value = ratio(f"{own}: {what}", f"{torch}: {what}")
        made.append(goal(f"{own} / {torch}, {what}", value, "<=", 0.2))
    value = ratio(f"{systems.COMITIA_INT8}: perplexity", f"{ours}: perplexity")
    made.append(goal("perplexity of int8 / fp32", value, "<=", 1.01))
    value = ratio("served: tasks/s", "bare engine: tasks/s")
    made.append(goal("served through Kafka / bare engine, tasks/s", value, ">=", 0.95))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--add", action="store_true", help="to what the JSON file holds already")
    chosen = parser.parse_args()
    parts = chosen.only.split(",")
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"--only: {', '.join(unknown)} is none of {', '.join(PARTS)}")
    rounds: Rounds = {}
    if chosen.add and chosen.json is not None and chosen.json.exists():
        rounds = json.loads(chosen.json.read_text())["rounds"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "systems.log"
        try:
            rounds |= measure(prepare(), parts, chosen.rounds, log)
        except Exception:
            print(tail(log) if log.exists() else "")
            raise
    figures = medians(rounds)
    figures |= shares(figures)
    made = report(figures, goals(figures), PACKAGES)
    made["versions"] |= asked_versions("optimum", "genai", "llama")
    made["rounds"] = rounds
    print()
    show(made, chosen.json)


if __name__ == "__main__":
    main()
