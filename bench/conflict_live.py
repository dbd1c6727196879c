"""What the ladder is worth to panels that run: real services, models and Apache Kafka, three sets
of different answers, every arm at the same tokens.

In: DIR (see `conflict_sets` for what it reads) and seeds, of which the first draws. Feedback on
`taught` teaches the weights, the judge's own, and who is the best agent; then all arms answer
`asked`. Out: accuracy and tokens a task of each, the difference to the vote on the same items, what
steps were taken, and whether a second round says the same without peers; 95 % intervals.
"""

import argparse
import asyncio
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import conflict_cards, conflict_sets
from bench.common import Client
from bench.conflict_arms import (
    BEST,
    CONSISTENT,
    DELIBERATION,
    TIMEOUT_MS,
    VOTE,
    WITHHELD,
    Decided,
    Leveller,
    arms,
    judging,
    tokens,
)
from bench.conflict_sets import SOURCES, LiveSet
from bench.live_system import counted, feed, running
from bench.reports import Figures, Goal, goal, report, show
from comitia.consensus.weights import JUDGE
from comitia.v1.decision_pb2 import Decision
from comitia.v1.policy_pb2 import METHOD_PLURALITY, SELECTION_BROADCAST, Policy
from comitia.v1.task_pb2 import Task
from comitia.v1.weights_pb2 import Weights
from comitia_cli.intervals import paired, wilson

# An agent is so much better than chance, or its set does not count.
ABOVE_CHANCE = 0.10
# Arms are this near to the dearest in tokens.
EQUAL = 0.05


def measure(
    data: Path, seeds: Sequence[int], names: Sequence[str] = tuple(SOURCES), count: int = 0
) -> Figures:
    """Figures of the sets `names`, and a table each on standard output. A set whose folder DIR
    lacks is left out. `count`: items of each, 0: as many as its source says.
    """
    figures: Figures = {}
    for name in names:
        if not (data / SOURCES[name].folder).is_dir():
            print(f"{name}: {data} has no {SOURCES[name].folder}", flush=True)
            continue
        one = conflict_sets.draw(name, data, seeds[0], count)
        with tempfile.TemporaryDirectory() as folder:
            figures |= asyncio.run(_measure(one, seeds[0], Path(folder)))
    return figures


def goals(figures: Figures, names: Sequence[str] = tuple(SOURCES)) -> list[Goal]:
    """What must hold however good the models are, set by set."""
    found = []
    for name in names:
        head = f"live {name}: "
        above, dearest, cheapest, changed = (
            figures.get(head + what)
            for what in (
                "an agent above chance",
                "tokens of the dearest arm, of the mark",
                "tokens of the cheapest arm, of the mark",
                "second answers changed more often than by chance",
            )
        )
        found += [
            goal(f"{head}an agent's accuracy above chance", above, ">=", ABOVE_CHANCE),
            goal(f"{head}tokens of the dearest arm, of the mark", dearest, "<=", 1 + EQUAL),
            goal(f"{head}tokens of the cheapest arm, of the mark", cheapest, ">=", 1 - EQUAL),
            goal(f"{head}second answers that peers change, beyond chance", changed, ">=", 0.01),
        ]
    return found


async def _measure(one: LiveSet, seed: int, folder: Path) -> Figures:
    cards = folder / "agents"
    panel = conflict_cards.write(one, cards)
    async with (
        running(folder, cards) as system,
        Client(system.state.bootstrap, read_committed=True) as client,
    ):
        taught = await _teach(one, seed, client, folder, system.state.bootstrap)
        known = {each.agent: each.accuracy for each in taught.agents if each.agent in panel}
        best = max(panel, key=lambda agent: known.get(agent, 0.0))
        leveller = Leveller(one, seed, client.ask)
        decided = await leveller.run(arms(one, best))
    figures = _agents(one, leveller.first[VOTE], best)
    figures |= _table(one, decided) | _record(one, leveller.first)
    return {f"live {one.name}: {what}": value for what, value in figures.items()}


async def _teach(one: LiveSet, seed: int, client: Client, folder: Path, bootstrap: str) -> Weights:
    """The weights that rest on feedback about every item of `taught`, on which the judge is heard,
    too.
    """
    policy = Policy(method=METHOD_PLURALITY, selection=SELECTION_BROADCAST, wait_for_all=True)
    policy.steps.append(judging(always=True))
    tasks = []
    for number, item in enumerate(one.taught):
        task = Task(id=f"{one.name}-taught-{number:04d}", skill=one.name, format=one.format)
        task.input.text, task.timeout_ms = item.text, TIMEOUT_MS
        task.seed = seed * 10_000 + 5_000 + number
        task.policy.CopyFrom(policy)
        tasks.append(task)
    random.Random(seed).shuffle(tasks)
    decided = await client.ask(tasks)
    right = {f"{one.name}-taught-{n:04d}": item.label for n, item in enumerate(one.taught)}
    # Where nobody has said anything there is nothing to judge.
    told = {task: right[task] for task, decision in decided.items() if _said(decision)}
    await feed(bootstrap, told, folder)
    return await counted(bootstrap, one.name, len(told))


def _said(decision: Decision) -> bool:
    return any(ballot.HasField("value") for ballot in decision.ballots)


def _agents(one: LiveSet, decided: dict[int, Decision], best: str) -> Figures:
    """Each agent alone, one answer an item; the judge where it was asked."""
    asked = len(one.asked)
    right: dict[str, int] = {}
    for item, decision in decided.items():
        for ballot in decision.ballots:
            is_right = one.right(ballot.value, one.asked[item])
            right[ballot.agent] = right.get(ballot.agent, 0) + is_right
    print(f"\n{one.name} ({one.kind}): {asked} items, chance {one.chance:.3f}, best {best}")
    figures: Figures = {"chance": one.chance, "items": asked}
    for agent, count in right.items():
        low, high = wilson(count, asked)
        print(f"  {agent:12} {count / asked:.3f}  {low:.3f} to {high:.3f}")
        figures |= {f"accuracy of agent {agent}": count / asked}
    figures["an agent above chance"] = max(right.values(), default=0) / asked - one.chance
    return figures


def _table(one: LiveSet, decided: Decided) -> Figures:
    """Accuracy, tokens, and the difference to the vote and to self-consistency."""
    asked = len(one.asked)
    right = {
        arm: {item: one.right(each.value, one.asked[item]) for item, each in found.items()}
        for arm, found in decided.items()
    }
    spent = {arm: sum(map(tokens, found.values())) / asked for arm, found in decided.items()}
    level = {arm: value for arm, value in spent.items() if arm != BEST}
    mark = max(level.values())
    figures: Figures = {
        "tokens a task": mark,
        "tokens of the dearest arm, of the mark": max(level.values()) / mark,
        "tokens of the cheapest arm, of the mark": min(level.values()) / mark,
    }
    print(
        f"  {'':34} accuracy  95 %            above the vote    above self-consist.  tokens  steps"
    )
    for arm, found in right.items():
        share = sum(found.values()) / asked
        low, high = wilson(sum(found.values()), asked)
        row = f"  {arm:34} {share:8.3f}  {low:.3f} to {high:.3f}"
        figures |= {f"accuracy of {arm}": share}
        figures |= {f"accuracy of {arm}, at least": low, f"accuracy of {arm}, at most": high}
        for other in (VOTE, CONSISTENT):
            gained = sum(found[item] and not right[other][item] for item in found)
            lost = sum(right[other][item] and not found[item] for item in found)
            low, high = paired(gained, lost, asked)
            row += f"  {low:+.3f} to {high:+.3f}" if arm != other else " " * 18
            figures |= {
                f"{arm} above {other}": (gained - lost) / asked,
                f"{arm} above {other}, at least": low,
                f"{arm} above {other}, at most": high,
            }
        steps = [step.taken for each in decided[arm].values() for step in each.steps]
        taken = sum(steps) / asked
        figures |= {f"tokens a task of {arm}": spent[arm], f"steps taken a task, {arm}": taken}
        print(f"{row}     {spent[arm]:6.0f}  {taken:5.2f}", flush=True)
    return figures


def _record(one: LiveSet, first: Decided) -> Figures:
    """Second answers with and without peers, of the items and seats that have both; and first ones,
    which differ by chance alone: which texts the model reads together changes its last digits.
    """
    told = [_compared(first, round_) for round_ in (1, 2)]
    shares = [sum(found) / max(1, len(found)) for found in told]
    shown = [len(ballot.peers) for each in first[DELIBERATION].values() for ballot in each.ballots]
    print(f"  second answers that differ without peers: {sum(told[1])} of {len(told[1])}")
    print(f"  first answers that differ in the same two runs: {sum(told[0])} of {len(told[0])}")
    return {
        "second answers with and without peers": len(told[1]),
        "share of second answers that peers change": shares[1],
        "share of first answers that differ by chance": shares[0],
        "second answers changed more often than by chance": shares[1] - shares[0],
        "ballots that name the peers they were shown": sum(map(bool, shown)),
    }


def _compared(first: Decided, round_: int) -> list[bool]:
    """Whether value or probabilities of an answer differ, of each that both runs have."""
    found = []
    for item, decision in first[DELIBERATION].items():
        without = _answers(first[WITHHELD][item], round_)
        answers = _answers(decision, round_).items()
        found += [answer != without[seat] for seat, answer in answers if seat in without]
    return found


def _answers(decision: Decision, round_: int) -> dict[tuple[int, int], tuple[bytes, ...]]:
    """(seat, sample) -> value and probabilities of its answer in a round."""
    found = {}
    for ballot in decision.ballots:
        if ballot.round == round_ and ballot.role != JUDGE:
            told = [one.SerializeToString() for one in ballot.probabilities]
            found[ballot.seat, ballot.sample] = (ballot.value.SerializeToString(), *told)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default=",".join(SOURCES), help=f"some of {','.join(SOURCES)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--items", type=int, default=0, help="of each set, for a first look")
    chosen = parser.parse_args()
    names = chosen.only.split(",")
    if unknown := sorted(set(names) - set(SOURCES)):
        parser.error(f"--only: {', '.join(unknown)} is none of {', '.join(SOURCES)}")
    figures = measure(chosen.data, (chosen.seed,), names, chosen.items)
    show(report(figures, goals(figures, names), ("comitia",)), chosen.json, hidden="live ")


if __name__ == "__main__":
    main()
