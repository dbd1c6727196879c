"""The limit on dead letters: when it is passed, and that each loop stops there without committing
what was not kept.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from comitia.effects import DeadLetter
from comitia.errors import Overloaded, Poison
from comitia.runtime.context import Runtime
from comitia.runtime.dead_letter_limit import RECORDS, RECORDS_AT_FIRST, DeadLetterLimit
from comitia.runtime.dead_letters import task_refused
from comitia.runtime.owner import OwnerSpec, run_owner
from comitia.runtime.stream import Source, StreamSpec, run_stream
from comitia.runtime.workers import Workers, WorkersSpec
from comitia.v1.task_pb2 import Task
from tests.unit.owner_world import Counting
from tests.unit.panel_world import EVENTS, LETTERS, TASKS, answer
from tests.unit.runtime_world import World, simulate

LETTER = DeadLetter("UNREADABLE", "3 bytes that are no Task")
MAX = 7


def test_a_minute_takes_so_many_and_the_next_minute_as_many_again() -> None:
    limit = DeadLetterLimit(per_minute_max=3)
    for now_ms in (0, 10, 20):
        limit.admit(LETTER, now_ms)
    with pytest.raises(Overloaded) as caught:
        limit.admit(LETTER, 59_999)
    for part in ("COMITIA_DEAD_LETTERS_PER_MINUTE_MAX", "comitia dlq list", "UNREADABLE"):
        assert part in str(caught.value)
    limit.admit(LETTER, 60_000)
    with pytest.raises(Overloaded):
        limit.admit(LETTER, 60_001)


def test_a_fraction_is_of_the_last_records_however_many_came_before() -> None:
    limit = DeadLetterLimit(fraction_max=0.5)
    limit.read(1_000_000)
    limit.read(RECORDS)
    with pytest.raises(Overloaded, match="COMITIA_DEAD_LETTERS_FRACTION_MAX"):
        for _ in range(2 * RECORDS):
            limit.admit(LETTER, 0)


def test_a_fraction_below_the_limit_goes_on_for_ever() -> None:
    limit = DeadLetterLimit(fraction_max=0.5)
    for _ in range(20 * RECORDS):
        limit.read(5)
        for _ in range(2):
            limit.admit(LETTER, 0)


def test_the_first_records_after_a_start_may_all_be_poison() -> None:
    limit = DeadLetterLimit(fraction_max=0.5)
    for _ in range(RECORDS_AT_FIRST // 2):
        limit.read(1)
        limit.admit(LETTER, 0)
    with pytest.raises(Overloaded):
        limit.admit(LETTER, 0)


def refuse(*_: Any) -> tuple[()]:
    raise Poison("nothing can be seated", "NO_WAY")


def stream(runtime: Runtime) -> Coroutine[Any, Any, None]:
    source = Source(TASKS, Task, refuse, task_refused(runtime.names, 4))
    return run_stream(runtime, StreamSpec("comitia.group", (source,), batch_max=3))


def owner(runtime: Runtime) -> Coroutine[Any, Any, None]:
    spec = OwnerSpec("comitia.group", Counting(), True, 3_600_000, 1_000, 1_000, 1_000_000)
    return run_owner(runtime, spec)


def workers(runtime: Runtime) -> Coroutine[Any, Any, None]:
    return Workers(runtime, WorkersSpec("group", 4, answer)).run()


@pytest.mark.parametrize(
    ("loop", "topic", "group"),
    [
        (stream, TASKS, "comitia.group"),
        (owner, EVENTS, "comitia.group"),
        (workers, "comitia.inbox.group.v1", "comitia.agent.group"),
    ],
)
def test_a_storm_stops_the_loop_and_drains_nothing(loop: Any, topic: str, group: str) -> None:
    world = World()

    async def story() -> None:
        await world.create("group")
        for n in range(10 * MAX):
            await world.write(topic, f"t{n}", b"\xff garbage", partition=0)
        runtime = world.runtime(dead_letter_limit=DeadLetterLimit(per_minute_max=MAX))
        with pytest.raises(BaseExceptionGroup) as caught:
            await asyncio.wait_for(loop(runtime), 60)
        assert caught.group_contains(Overloaded)
        # Each of a transaction's letters is in the log, though none of it was committed.
        kept = [record for record in world.records(LETTERS) if record.value]
        assert len(kept) <= MAX
        assert (world.committed(group, topic, 0) or 0) <= len(kept)
        (reason,) = (r for r in runtime.health.reasons() if r.startswith("dead letters"))
        assert "COMITIA_DEAD_LETTERS_PER_MINUTE_MAX is 7" in reason

    simulate(world, story())
