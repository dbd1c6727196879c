"""What feedback is worth to a panel that runs: real services, models and Apache Kafka, and a
learner that is killed in the middle.

In: DIR/text_classification, whose files hold lines of a label and a text; those with the labels 0
and 1 are sentiments. 500 texts, drawn by the first seed, go to six agents of unequal quality (those
of agents/ and bench/live_agents/). Feedback names the label of the first half; the other half is
decided by the weights that were learned from it, with everybody heard, and the recorded events are
then decided anew by each vote as `comitia redecide` does it, stopping as early as each allows. Out:
accuracy and answers waited for, with 95 % intervals.
"""

import asyncio
import math
import os
import random
import shutil
import signal
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.common import ROOT, Client
from bench.live_system import PATIENCE_S, counted, feed, running
from bench.reports import Figures, Goal, goal
from comitia.v1.decision_pb2 import Decision
from comitia.v1.policy_pb2 import METHOD_LEARNED, METHOD_PLURALITY, Method
from comitia.v1.task_pb2 import Task
from comitia.v1.weights_pb2 import Weights
from comitia_cli.client.comparing import Comparison
from comitia_cli.client.policies import read_change
from comitia_cli.client.redeciding import Wanted, pairs, weights_of
from comitia_cli.demo.data import Dataset, Item, draw, make_tasks
from comitia_cli.intervals import Z95, paired, wilson
from comitia_cli.shell import Session, Shell
from comitia_cli.system.supervisor import ServiceState
from comitia_cli.system.system import System

TASKS = 500
LABELS = {"0": "negative", "1": "positive"}
SKILL = "sentiment"
TIMEOUT_MS = 1_200_000
VOTES = {
    "plurality": '{"method": "plurality", "waitForAll": false}',
    "weighted": '{"method": "weighted", "waitForAll": false}',
    "learned": '{"method": "learned", "waitForAll": false}',
    "learned, stops at .9": '{"method": "learned", "waitForAll": false, "probabilityTarget": 0.9}',
}

# Vote -> task -> whether it was right; how many answers it waited for.
Right = dict[str, dict[str, bool]]
Calls = dict[str, dict[str, int]]


def measure(data: Path, seeds: Sequence[int]) -> Figures:
    """All figures, and a table on standard output."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(data, seeds[0], Path(folder)))


def goals(figures: Figures) -> list[Goal]:
    """What must hold however good the models are."""
    counted = figures.get("live: feedback counted, learner killed in the middle")
    alike = figures.get("live: share of these redecided as decided")
    return [
        goal("live: feedback counted after kill -9, of 250", counted, ">=", TASKS // 2),
        goal("live: feedback counted more than once", counted, "<=", TASKS // 2),
        goal("live: redecided as it was decided", alike, ">=", 1.0),
    ]


def read_sentiments(folder: Path) -> Dataset:
    """Every text of the files whose labels are 0 and 1, once. FileNotFoundError without any."""
    items: dict[str, Item] = {}
    for path in sorted(folder.iterdir()):
        # Some of them are in an older encoding: what is not UTF-8 there becomes a question mark.
        rows = path.read_text("utf-8", errors="replace").splitlines()
        labelled = [row.split(maxsplit=1) for row in rows if len(row.split(maxsplit=1)) == 2]
        if {label for label, _ in labelled} == set(LABELS):
            for label, text in labelled:
                items.setdefault(text, Item(text, LABELS[label]))
    if not items:
        raise FileNotFoundError(f"no file in {folder} has lines of a label, 0 or 1, and a text")
    return Dataset(folder.name, SKILL, tuple(LABELS.values()), (), tuple(items.values()))


async def _measure(data: Path, seed: int, folder: Path) -> Figures:
    dataset = read_sentiments(data / "text_classification")
    chosen = draw(dataset, TASKS, seed)
    tasks = make_tasks(dataset, chosen, run=f"live-{seed}", seed=seed, timeout_ms=TIMEOUT_MS)
    truth = {task.id: item.label for task, item in zip(tasks, chosen, strict=True)}
    random.Random(seed).shuffle(tasks)
    half = len(tasks) // 2
    async with running(folder, _cards(folder)) as system:
        bootstrap = system.state.bootstrap
        async with Client(bootstrap, read_committed=True) as client:
            await client.ask([_as(task, METHOD_PLURALITY) for task in tasks[:half]])
            told = {task.id: truth[task.id] for task in tasks[:half]}
            taught = await _teach(system, told, folder)
            live = await client.ask([_as(task, METHOD_LEARNED) for task in tasks[half:]])
        known = {"live: feedback counted, learner killed in the middle": taught.feedback_count}
        async with Shell().session(bootstrap) as session:
            return known | await _compare(session, live, truth, taught.version)


def _cards(folder: Path) -> Path:
    """A folder with the cards of all six."""
    cards = folder / "agents"
    cards.mkdir()
    for place in (ROOT / "agents", ROOT / "bench" / "live_agents"):
        for card in place.glob("*.yaml"):
            shutil.copy(card, cards)
    return cards


def _as(task: Task, method: Method) -> Task:
    task.policy.method = method
    return task


async def _teach(system: System, told: Mapping[str, str], folder: Path) -> Weights:
    """Give feedback in two files, and kill the learner after the second was sent: the weights that
    rest on all of it.
    """
    ids = sorted(told)
    parts = ids[: len(ids) // 2], ids[len(ids) // 2 :]
    bootstrap = system.state.bootstrap
    await feed(bootstrap, {task: told[task] for task in parts[0]}, folder)
    await counted(bootstrap, SKILL, len(parts[0]))
    await feed(bootstrap, {task: told[task] for task in parts[1]}, folder)
    learner = next(one for one in system.state.services if one.name == "learner")
    restarts = learner.restarts
    os.kill(learner.pid, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        while not _back(learner, restarts):  # noqa: ASYNC110 - the states are plain values
            await asyncio.sleep(0.1)
    return await counted(bootstrap, SKILL, len(ids))


def _back(learner: ServiceState, restarts: int) -> bool:
    return learner.restarts > restarts and learner.phase == "ready"


async def _compare(
    session: Session, live: Mapping[str, Decision], truth: Mapping[str, str], version: int
) -> Figures:
    """Every vote over the recorded events of the second half, by the weights of `version`."""
    right: Right = {}
    calls: Calls = {}
    undecided: dict[str, int] = {}
    alike: list[bool] = []
    weights = await weights_of(session, version)
    for vote, policy in VOTES.items():
        right[vote], calls[vote], undecided[vote] = {}, {}, 0
        anew = Wanted(read_change(policy), 0, SKILL, version)
        async for pair in pairs(session, anew, weights, Comparison()):
            decision, task = pair.redecided, pair.redecided.task_id
            if task in live:
                right[vote][task] = decision.value.option_id == truth[task]
                calls[vote][task] = len(decision.ballots)
                undecided[vote] += not decision.HasField("value")
                # Later ones used what the learner made of the first ones' agreement.
                if vote == "learned" and live[task].weights_version == version:
                    alike.append(decision.value == live[task].value)
    agents = _agents(live, truth)
    best = max(agents, key=lambda agent: sum(agents[agent].values()))
    right = {**agents, **right}
    alone = {agent: dict.fromkeys(live, 1) for agent in agents}
    figures = _table(right, {**alone, **calls}, best)
    figures |= {f"live: ties of {vote}": count for vote, count in undecided.items()}
    figures["live: decided by the weights that feedback taught"] = len(alike)
    figures["live: share of these redecided as decided"] = sum(alike) / max(1, len(alike))
    return figures


def _agents(live: Mapping[str, Decision], truth: Mapping[str, str]) -> Right:
    """Every agent alone; who gives no answer is not right."""
    names = {ballot.agent for decision in live.values() for ballot in decision.ballots}
    right: Right = {name: dict.fromkeys(live, False) for name in sorted(names)}
    for task, decision in live.items():
        for ballot in decision.ballots:
            right[ballot.agent][task] = ballot.value.option_id == truth[task]
    return right


def _table(right: Right, calls: Calls, best: str) -> Figures:
    """Accuracy, the difference to plurality and to the best agent, answers a task."""
    figures: Figures = {}
    others = ("plurality", best)
    print(f"{'':22}  accuracy  95 % (Wilson)  above plurality  above {best:12}  answers a task")
    for name, found in right.items():
        asked = len(found)
        low, high = wilson(sum(found.values()), asked)
        answers, spread = _mean(list(calls[name].values()))
        figures |= {
            f"live: accuracy of {name}": sum(found.values()) / asked,
            f"live: accuracy of {name}, at least": low,
            f"live: accuracy of {name}, at most": high,
            f"live: answers a task, {name}": answers,
            f"live: answers a task, {name}, give or take": spread,
        }
        row = f"{name:22}  {sum(found.values()) / asked:8.3f}  {low:.3f} to {high:.3f} "
        for other, words in zip(others, ("plurality", "the best agent"), strict=True):
            if name == other:
                row += f"  {'':16}"
                continue
            gained = sum(found[task] and not right[other][task] for task in found)
            lost = sum(right[other][task] and not found[task] for task in found)
            low, high = paired(gained, lost, asked)
            row += f"  {low:+.3f} to {high:+.3f}"
            if name in VOTES:
                figures |= {
                    f"live: {name} above {words}": (gained - lost) / asked,
                    f"live: {name} above {words}, at least": low,
                    f"live: {name} above {words}, at most": high,
                }
        print(f"{row}  {answers:8.2f} ± {spread:.2f}")
    return figures


def _mean(counts: Sequence[int]) -> tuple[float, float]:
    """And half of its 95 % interval, by the normal distribution."""
    mean = statistics.fmean(counts)
    return mean, Z95 * statistics.pstdev(counts, mean) / math.sqrt(len(counts))
