"""Two lanes of one agent: who goes first, that neither starves, and that each has its own bound."""

import asyncio
from collections import deque
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from comitia.runtime.lane import HIGH_TURNS, Turns
from tests.unit.runtime_world import until
from tests.unit.workers_world import HIGH, Story, work


def backlog(workers: int, normal: int, high: int) -> list[str]:
    """What an agent begins whose workers were all busy while so much came into its lanes."""
    s = Story(in_flight_max=workers, priority_lane=True)

    async def story() -> None:
        busy = [f"busy{n}" for n in range(workers)]
        for name in busy:
            s.agent.let(name)
        await s.write(*map(work, busy))
        await s.start()
        await until(lambda: s.agent.begun == busy)
        await s.write(*(work(f"n{n}") for n in range(normal)))
        await s.write(*(work(f"h{n}") for n in range(high)), topic=HIGH)
        # What a lane may hold, less what it has at work.
        await until(lambda: s.workers.waiting == min(normal, workers) + min(high, 2 * workers))
        s.agent.let(busy[0]).set()
        await until(lambda: len(s.answered()) == normal + high + 1)

    s.run(story)
    return s.agent.begun[workers:]


def test_a_high_assignment_overtakes_a_backlog_of_normal_ones() -> None:
    assert backlog(workers=2, normal=60, high=1) == ["h0", *(f"n{n}" for n in range(60))]


def test_while_work_waits_in_both_lanes_four_high_ones_go_for_one_normal_one() -> None:
    begun = backlog(workers=20, normal=20, high=40)
    assert "".join(name[0] for name in begun) == "hhhhn" * 10 + "n" * 10
    for lane, count in (("n", 20), ("h", 40)):
        assert [name for name in begun if name[0] == lane] == [f"{lane}{n}" for n in range(count)]


def test_neither_lane_starves_the_other() -> None:
    begun = backlog(workers=4, normal=100, high=400)
    for first in range(0, 500, 25):
        lanes = {name[0] for name in begun[first : first + 25]}
        assert lanes == {"n", "h"} or first >= 250, (first, begun)


def test_a_lane_at_its_bound_does_not_hold_up_the_other() -> None:
    s = Story(in_flight_max=2, priority_lane=True)

    async def story() -> None:
        for n in range(30):
            s.agent.let(f"n{n}")
        await s.write(*(work(f"n{n}") for n in range(30)))
        await s.start()
        await until(lambda: s.workers.in_flight == 2 and s.workers.waiting == 2)
        await asyncio.sleep(5)
        assert s.workers.waiting == 2, "the normal lane is paused"
        await s.write(work("h0"), topic=HIGH)
        await until(lambda: s.workers.waiting == 3)
        s.agent.let("n0").set()
        await until(
            lambda: s.answered() == ["n0", "h0"] and s.agent.begun[:3] == ["n0", "n1", "h0"]
        )
        for event in s.agent.free.values():
            event.set()
        await until(lambda: s.mark == 30)

    s.run(story)


def test_each_lane_commits_what_it_has_finished() -> None:
    s = Story(priority_lane=True)

    async def story() -> None:
        s.agent.let("h0")
        await s.write(work("h0"), work("h1"), topic=HIGH)
        await s.write(work("n0"), work("n1"))
        await s.start()
        await until(lambda: s.mark == 2)

        def high() -> int | None:
            return s.world.committed("comitia.agent.anna.high", HIGH, 0)

        await until(lambda: high() == 0)
        s.agent.let("h0").set()
        await until(lambda: high() == 2)

    s.run(story)


def test_without_the_second_lane_it_is_not_read() -> None:
    s = Story()

    async def story() -> None:
        await s.write(work("h0"), topic=HIGH)
        await s.write(work("n0"))
        await s.start()
        await until(lambda: s.mark == 1)
        await asyncio.sleep(5)
        assert s.agent.begun == ["n0"]
        assert set(s.world.log._groups) == {"comitia.agent.anna"}

    s.run(story)


def test_not_ready_before_both_lanes_have_their_partitions() -> None:
    s = Story(priority_lane=True)

    async def story() -> None:
        await s.start()
        reasons = s.runtime.health.reasons()
        assert {one.partition(":")[0] for one in reasons} >= {"inbox anna", "inbox anna, high"}
        await until(lambda: s.runtime.health.ready)

    s.run(story)


@given(st.lists(st.sampled_from(["normal", "high", "take"]), max_size=200))
def test_turns_hand_out_everything_in_order_and_let_nobody_wait_long(steps: list[str]) -> None:
    normal: deque[Any] = deque()
    high: deque[Any] = deque()
    turns = Turns(normal, high)
    put = {"normal": 0, "high": 0}
    taken: dict[str, list[int]] = {"normal": [], "high": []}
    passed_over = 0
    for step in [*steps, *["take"] * len(steps)]:
        if step != "take":
            (normal if step == "normal" else high).append(cast(Any, (step, put[step])))
            put[step] += 1
        elif len(turns):
            waited = {"normal": bool(normal), "high": bool(high)}
            lane, number = cast(Any, turns.take())
            taken[lane].append(number)
            passed_over = passed_over + 1 if waited["normal"] and lane == "high" else 0
            assert passed_over <= HIGH_TURNS
            assert lane == "high" or not waited["high"] or passed_over == 0
    assert taken == {lane: list(range(count)) for lane, count in put.items()}
