"""The schedule of faults: a seed names one run, and a fault meets only those who can be met."""

import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from tests.chaos import faults
from tests.chaos.faults import KINDS, Faults, Kind
from tests.chaos.harms import Harms
from tests.chaos.services import COUNTS, Member
from tests.chaos.watch import Watch


@dataclass
class Idle:
    """Services in which nobody is harmed; the names in `held` cannot be met."""

    members: list[Member] = field(
        default_factory=lambda: [
            Member(f"{kind}-{number}", cast(Any, SimpleNamespace(pid=100 + number)))
            for kind, count in COUNTS.items()
            for number in range(count)
        ]
    )
    held: frozenset[str] = frozenset()

    def free(self) -> list[Member]:
        return [member for member in self.members if member.name not in self.held]


class Busy:
    """A watch that always sees a decision written by aggregator-1."""

    async def writer(self, _: float) -> int:
        return 101


Met = list[tuple[str, tuple[str, ...]]]


async def drawn(
    seed: int, count: int, held: frozenset[str] = frozenset(), whole: bool = True
) -> Met:
    """The kinds that a schedule draws, and whom they meet."""
    met: Met = []

    def kind_that_notes(name: str, kind: Kind) -> Kind:
        async def note(_: Harms, members: list[Member], __: random.Random) -> None:
            met.append((name, tuple(member.name for member in members)))

        return Kind(kind.weight, kind.target, note)

    harms = Harms(cast(Any, None), cast(Any, Idle(held=held)), cast(Any, None), brokers_whole=whole)
    noting = {name: kind_that_notes(name, kind) for name, kind in KINDS.items()}
    former, faults.POSSIBLE = faults.POSSIBLE, noting
    try:
        schedule = Faults(seed, harms, cast(Watch, Busy()))
        for number in range(count):
            await schedule.one(number)
        # Healed: every harm has run.
        await schedule.run(0, 0)
    finally:
        faults.POSSIBLE = former
    return met


async def test_a_seed_draws_the_same_faults_again_and_another_seed_others() -> None:
    assert await drawn(7, 20) == await drawn(7, 20) != await drawn(8, 20)


async def test_faults_on_aggregators_meet_the_one_that_writes() -> None:
    met = [members for name, members in await drawn(1, 60) if KINDS[name].target == "owner"]
    assert met and set(met) == {("aggregator-1",)}


async def test_who_is_in_hand_or_down_is_not_met_again() -> None:
    held = frozenset({"aggregator-0", "aggregator-1", "router-0", "router-1"})
    met = await drawn(3, 80, held, whole=False)
    assert met
    assert not {
        name for name, _ in met if KINDS[name].target in ("broker", "aggregators", "router")
    }
    assert not {name for _, members in met for name in members} & held


async def test_aggregators_get_most_and_every_kind_comes() -> None:
    met = [name for seed in range(20) for name, _ in await drawn(seed, 40)]
    assert set(met) == set(KINDS)
    assert sum("aggregator" in name for name in met) > len(met) / 2
