"""The schedule of faults: how often each kind comes and whom it meets, drawn from a seed.

In come the harms and the watch over decisions; out go faults, each in a moment in which a decision
has just been written, those on aggregators aimed at the one that wrote it, so that they fall into
its open transaction. A run with the same seed draws the same kinds at the same times; whom they
meet depends on who runs then.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Literal

from tests.chaos.harms import Harms
from tests.chaos.services import COUNTS, FAKETIME, Member
from tests.chaos.watch import Watch

# So long a fault waits for a moment in which decisions are written.
BUSY_WAIT_S = 6
Target = Literal["owner", "aggregators", "router", "agent", "router or agent", "any", "broker"]
Harm = Callable[[Harms, list[Member], random.Random], Coroutine[object, object, None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how often it comes in proportion, whom it meets, what it does."""

    weight: int
    target: Target
    harm: Harm


KINDS = {
    "aggregator killed": Kind(36, "owner", Harms.kill),
    "all aggregators killed at once": Kind(4, "aggregators", Harms.kill),
    "aggregator stopped beyond its session": Kind(9, "owner", Harms.stop_beyond),
    "aggregator stopped and replaced": Kind(4, "owner", Harms.replace),
    "aggregator stopped within its session": Kind(4, "owner", Harms.stop_within),
    "aggregator cut off": Kind(9, "owner", Harms.cut_off),
    "router killed": Kind(8, "router", Harms.kill),
    "agent killed": Kind(7, "agent", Harms.kill),
    "router or agent stopped beyond its session": Kind(4, "router or agent", Harms.stop_beyond),
    "router or agent cut off": Kind(4, "router or agent", Harms.cut_off),
    "broker killed": Kind(5, "broker", Harms.kill_broker),
    "two brokers killed": Kind(1, "broker", Harms.kill_two_brokers),
    "clock jumped": Kind(5, "any", Harms.jump_clock),
}
# Without faketime clocks cannot jump.
POSSIBLE = {name: kind for name, kind in KINDS.items() if FAKETIME or kind.target != "any"}


@dataclass(slots=True)
class Faults:
    """One run's faults. `done` counts them by kind."""

    seed: int
    harms: Harms
    watch: Watch
    done: Counter[str] = field(default_factory=Counter)
    _healing: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, count: int, seconds: float) -> None:
        """`count` faults spread over `seconds`, or as many as fit; returns when all are healed."""
        clock = asyncio.get_running_loop().time
        began, schedule = clock(), random.Random(f"schedule {self.seed}")
        for number in range(count):
            due = began + (number + schedule.random()) * seconds / count
            await asyncio.sleep(due - clock())
            if clock() > began + seconds:
                break
            await self.one(number)
        # One that could not be healed ends the run with its reason.
        await asyncio.gather(*self._healing)

    async def one(self, number: int) -> None:
        """The fault of this number, in a busy moment: the first drawn kind that finds somebody."""
        draw = random.Random(f"fault {self.seed} {number}")
        writer = await self.watch.writer(BUSY_WAIT_S)
        self.harms.notes["faults while nothing was decided"] += writer is None
        # A weighted shuffle (Efraimidis and Spirakis 2006, doi:10.1016/j.ipl.2005.11.003).
        names = sorted(POSSIBLE, key=lambda name: draw.random() ** (1 / POSSIBLE[name].weight))
        for name in reversed(names):
            kind = POSSIBLE[name]
            members = self._meet(kind.target, writer, draw)
            if members is not None:
                self.done[name] += 1
                self._healing.add(asyncio.create_task(kind.harm(self.harms, members, draw)))
                return

    def _meet(self, target: Target, writer: int | None, draw: random.Random) -> list[Member] | None:
        """Whom a fault meets; None when there is nobody to meet now."""
        if target == "broker":
            return [] if self.harms.brokers_whole else None
        wanted = target.split(" or ") if target != "any" else list(COUNTS)
        if target in ("owner", "aggregators"):
            wanted = ["aggregator"]
        free = [member for member in self.harms.services.free() if member.kind in wanted]
        if target == "aggregators":
            return free if len(free) == COUNTS["aggregator"] else None
        if target == "owner":
            free = [member for member in free if member.process.pid == writer] or free
        return [draw.choice(free)] if free else None
