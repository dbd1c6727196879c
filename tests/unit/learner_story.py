"""A world with learners on LocalLog, which can be stopped and killed, and what they leave there."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from comitia.runtime.context import Runtime
from comitia.runtime.leader import run_leader
from comitia.runtime.leader_spec import LeaderSpec, Publication
from comitia.v1.weights_pb2 import Weights
from comitia_learner.handler import Learner, Rules
from comitia_learner.skill import Bounds
from tests.unit.learner_world import WEIGHTS, decision_on, feedback_on
from tests.unit.runtime_world import World, simulate, until

GROUP = "comitia.learner"
DECISIONS = "comitia.decisions.v1"
FEEDBACK = "comitia.feedback.v1"
LETTERS = "comitia.dead-letters.v1"
PARTITIONS = 4


async def here(work: Callable[[], Publication]) -> Publication:
    return work()


def votes(number: int) -> dict[str, str]:
    chance = random.Random(number)
    shares = {"ann@m": 0.9, "bob@m": 0.6, "cat@m": 0.6, "eve@m": 0.4}
    return {voter: "yes" if chance.random() < p else "no" for voter, p in shares.items()}


class Story:
    """A world with learners that can be stopped and killed."""

    def __init__(self) -> None:
        self.world = World()
        self.running: dict[str, tuple[Runtime, asyncio.Task[None]]] = {}
        self.offsets = [0] * PARTITIONS

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            await self.world.create()
            await story()
            for name in tuple(self.running):
                await self.stop(name)

        simulate(self.world, whole())

    @staticmethod
    def spec() -> LeaderSpec:
        rules = Rules(WEIGHTS, Bounds())
        return LeaderSpec(GROUP, lambda: Learner(rules), lambda _: None, here)

    def start(self, name: str, **changes: Any) -> Runtime:
        runtime = self.world.runtime("learner", **changes)
        self.running[name] = runtime, asyncio.create_task(run_leader(runtime, self.spec()))
        return runtime

    async def live(self, name: str) -> Runtime:
        runtime = self.start(name)
        await asyncio.sleep(0)
        await until(lambda: runtime.health.ready)
        return runtime

    async def stop(self, name: str) -> None:
        runtime, loop = self.running.pop(name)
        runtime.stop.set()
        await loop

    async def kill(self, name: str) -> None:
        _, loop = self.running.pop(name)
        loop.cancel()
        await asyncio.wait({loop})

    async def decide(self, number: int) -> tuple[int, int]:
        """Append a decision; where it stands."""
        partition = number % PARTITIONS
        decision = decision_on(f"t{number}", votes(number))
        await self.world.write(DECISIONS, decision.task_id, decision, partition)
        self.offsets[partition] += 1
        return partition, self.offsets[partition] - 1

    async def teach(self, first: int, last: int, name: str = "") -> None:
        for number in range(first, last):
            partition, offset = await self.decide(number)
            told = feedback_on(f"t{number}", "yes", offset, partition=partition)
            await self.world.write(FEEDBACK, told.task_id, told)
            await asyncio.sleep(0.01)

    def newest(self) -> Weights:
        found = [w for w in self.world.messages(WEIGHTS, Weights) if w.memory]
        return found[-1] if found else Weights()

    def feedback_count(self) -> int:
        return int(self.newest().feedback_count)

    def versions(self) -> list[int]:
        """Versions in the order of the log; each is written once."""
        return [w.version for w in self.world.messages(WEIGHTS, Weights) if not w.memory]
