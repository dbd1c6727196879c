"""The arms of the live table: what each asks, and how all are made to cost the same.

An arm turns items into tasks. All arms of a set ask the same items with the same seeds, so a
panel's first answers are the same words in each. `Leveller` asks every arm with one sample a seat,
takes the dearest as the mark and asks the others with more samples, on so many items (in an order
drawn beforehand) that tokens a task come as near to it as they can: an item is asked anew as a
whole, and what it cost before does not count. Nothing looks at whether answers are right.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.conflict_cards import alone, sure
from bench.conflict_sets import LiveSet
from comitia.v1.decision_pb2 import Decision
from comitia.v1.policy_pb2 import (
    METHOD_LEARNED,
    METHOD_PLURALITY,
    SELECTION_BROADCAST,
    Method,
    Policy,
)
from comitia.v1.step_pb2 import PEERS_ALL, PEERS_NONE, Peers, Step
from comitia.v1.task_pb2 import Task

TIMEOUT_MS = 3_000_000
# Whose margin is smaller is taken up the ladder.
MARGIN = 0.5
SAMPLES_MAX = 16
# How near to the dearest arm's tokens the others come, as a share.
NEAR = 0.02
_PASSES = 4
BEST, CONSISTENT, VOTE = "single best agent", "self-consistency", "weighted vote"
DELIBERATION, WITHHELD = "vote, deliberation", "vote, second round without peers"
WHOLE = "vote, deliberation, judge"
# Arm -> item -> its decision.
Decided = dict[str, dict[int, Decision]]
Asking = Callable[[Sequence[Task]], Awaitable[Mapping[str, Decision]]]


# Each arm is one of its own: steps are messages, which have no hash.
@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """`skill`: who answers. `level`: it is brought to the tokens of the dearest."""

    name: str
    skill: str
    method: Method
    steps: tuple[Step, ...] = ()
    level: bool = True

    def policy(self, samples: int) -> Policy:
        return Policy(
            method=self.method,
            selection=SELECTION_BROADCAST,
            wait_for_all=True,
            samples=samples,
            steps=self.steps,
        )


def deliberation(peers: Peers) -> Step:
    step = Step(name="deliberation")
    step.when.margin_below = MARGIN
    step.deliberation.peers = peers
    return step


def judging(*, always: bool = False) -> Step:
    """Asked in both orders."""
    step = Step(name="judge")
    if always:
        step.when.always = True
    else:
        step.when.margin_below = MARGIN
    step.judge.swap = True
    return step


def arms(one: LiveSet, best: str) -> list[Arm]:
    """`best`: the agent whom feedback on other items has shown to be right most often."""
    skill = one.name
    return [
        Arm(BEST, sure(one, best), METHOD_PLURALITY, level=False),
        Arm(CONSISTENT, alone(skill, best), METHOD_PLURALITY),
        Arm(VOTE, skill, METHOD_LEARNED),
        Arm(DELIBERATION, skill, METHOD_LEARNED, (deliberation(PEERS_ALL),)),
        Arm(WITHHELD, skill, METHOD_LEARNED, (deliberation(PEERS_NONE),)),
        Arm(WHOLE, skill, METHOD_LEARNED, (deliberation(PEERS_ALL), judging())),
    ]


def tokens(decision: Decision) -> int:
    """Prompt and completion, of all who answered."""
    return int(decision.cost.prompt_tokens + decision.cost.completion_tokens)


class Leveller:
    """`ask` publishes tasks and waits for their decisions."""

    def __init__(self, one: LiveSet, seed: int, ask: Asking) -> None:
        self._set, self._seed, self._ask = one, seed, ask
        self._order = list(range(len(one.asked)))
        random.Random(seed).shuffle(self._order)
        self._samples: dict[str, dict[int, int]] = {}
        self._asked = 0
        self.decided: Decided = {}
        self.first: Decided = {}

    async def run(self, found: Sequence[Arm]) -> Decided:
        """The decisions that count, arm by arm."""
        await self._anew({arm: dict.fromkeys(self._order, 1) for arm in found})
        self.first = {name: dict(decided) for name, decided in self.decided.items()}
        mark = max(self._mean(arm) for arm in found)
        for _ in range(_PASSES):
            wanted = {arm: more for arm in found if arm.level and (more := self._more(arm, mark))}
            if not wanted:
                break
            await self._anew(wanted)
        return {arm.name: self.decided[arm.name] for arm in found}

    def _mean(self, arm: Arm) -> float:
        found = self.decided[arm.name]
        return sum(map(tokens, found.values())) / len(found)

    def _more(self, arm: Arm, mark: float) -> dict[int, int]:
        """Items that are to be asked anew, and with how many samples; none where it is near."""
        samples, mean = self._samples[arm.name], self._mean(arm)
        if abs(mean / mark - 1) <= NEAR:
            return {}
        held = sum(samples.values())
        # All cost about as much a sample.
        wanted = min(round(held * mark / mean), SAMPLES_MAX * len(samples))
        base, extra = divmod(wanted, len(samples))
        plan = {item: base + (place < extra) for place, item in enumerate(self._order)}
        return {item: count for item, count in plan.items() if count and count != samples[item]}

    async def _anew(self, wanted: Mapping[Arm, Mapping[int, int]]) -> None:
        """All of it at once, in a drawn order, so that no arm meets another load or newer weights
        than the others.
        """
        tasks: list[Task] = []
        whose: dict[str, tuple[str, int, int]] = {}
        for arm, plan in wanted.items():
            for item, samples in plan.items():
                task = self._task(arm, item, samples)
                tasks.append(task)
                whose[task.id] = (arm.name, item, samples)
        random.Random(self._seed + self._asked).shuffle(tasks)
        for task_id, decision in (await self._ask(tasks)).items():
            name, item, samples = whose[task_id]
            self.decided.setdefault(name, {})[item] = decision
            self._samples.setdefault(name, {})[item] = samples

    def _task(self, arm: Arm, item: int, samples: int) -> Task:
        self._asked += 1
        task = Task(
            id=f"{self._set.name}-{item:04d}-{self._asked:05d}",
            skill=arm.skill,
            format=self._set.format,
            timeout_ms=TIMEOUT_MS,
            seed=self._seed * 10_000 + item,
            policy=arm.policy(samples),
        )
        task.input.text = self._set.asked[item].text
        return task
