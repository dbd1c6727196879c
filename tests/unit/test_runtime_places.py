"""Agents of one process share its places: no more work than these at once, each agent in turn."""

import asyncio

from comitia.runtime.places import Places
from tests.unit.runtime_world import until
from tests.unit.workers_world import Story, work

BEN = "comitia.inbox.ben.v1"


def pair(total: int, waiting_max: int) -> tuple[Story, Story]:
    """Agents anna and ben of one process."""
    places = Places(total)
    anna = Story(total, places=places, waiting_max=waiting_max)
    ben = Story(total, name="ben", places=places, waiting_max=waiting_max)
    ben.world, ben.agent = anna.world, anna.agent
    return anna, ben


def test_a_full_inbox_of_one_agent_starves_no_other() -> None:
    anna, ben = pair(total=3, waiting_max=30)
    names = [f"a{n}" for n in range(40)]

    async def story() -> None:
        await anna.world.create("anna", "ben")
        for name in [*names, "b0", "b1"]:
            anna.agent.let(name)
        await anna.write(*map(work, names))
        await anna.start()
        await ben.start()
        await until(lambda: anna.workers.in_flight == 3)
        await ben.write(work("b0"), work("b1"), topic=BEN)
        await until(lambda: ben.workers.waiting == 2)
        for name in names[:3]:
            anna.agent.free[name].set()
        await until(lambda: len(anna.agent.begun) >= 6)
        for name in names[3:6]:
            anna.agent.free[name].set()
        await until(lambda: len(anna.agent.begun) >= 8)
        assert anna.agent.begun.index("b0") < 6
        assert anna.agent.begun.index("b1") < 9
        for event in anna.agent.free.values():
            event.set()
        await until(lambda: len(anna.answered()) == 42)
        assert anna.agent.most == 3
        await ben.stop()

    anna.run(story)


def test_no_more_is_pulled_than_can_be_worked_on_and_a_few() -> None:
    anna, _ = pair(total=4, waiting_max=2)
    names = [f"a{n}" for n in range(30)]

    async def story() -> None:
        for name in names:
            anna.agent.let(name)
        await anna.write(*map(work, names))
        await anna.start()
        most = 0
        for done, name in enumerate(names, 1):
            at_work = min(4, len(names) - done + 1)
            await until(lambda: anna.workers.in_flight == at_work)  # noqa: B023 - awaited here
            most = max(most, anna.workers.in_flight + anna.workers.waiting)
            anna.agent.free[name].set()
            await until(lambda: len(anna.answered()) == done)  # noqa: B023 - awaited here
        assert most == 6

    anna.run(story)


def test_what_is_stopped_gives_its_place_back() -> None:
    anna, ben = pair(total=1, waiting_max=1)

    async def story() -> None:
        await anna.world.create("anna", "ben")
        anna.agent.let("a0")
        await anna.write(work("a0"))
        await anna.start()
        await ben.start()
        await until(lambda: anna.workers.in_flight == 1)
        await ben.write(work("b0"), topic=BEN)
        await until(lambda: ben.workers.waiting == 1)
        anna.workers.stop_task("task-a0")
        await until(lambda: anna.answered() == ["b0"])
        await ben.stop()

    anna.run(story)


def test_a_place_that_its_asker_does_not_need_any_more_goes_to_the_next() -> None:
    places = Places(1)
    got: list[bool | None] = []

    def takes() -> None:
        got.append(places.take(takes))

    def passes() -> None:
        got.append(None)

    assert places.take(takes)
    for asker in (passes, takes, passes):
        assert not places.take(asker)
    assert places.wanted_beside(passes)
    places.give_back()
    assert got == [None, True]
    assert not places.wanted_beside(passes)


def test_who_is_killed_begins_nothing_more() -> None:
    """Its task group is closing, and so are those of the other agents of the process."""
    anna, ben = pair(total=1, waiting_max=5)

    async def story() -> None:
        await anna.world.create("anna", "ben")
        anna.agent.let("a0")
        await anna.write(work("a0"), work("a1"))
        await anna.start()
        await ben.start()
        await until(lambda: anna.workers.in_flight == 1 and anna.workers.waiting == 1)
        await ben.write(work("b0"), topic=BEN)
        await until(lambda: ben.workers.waiting == 1)
        loop = anna.loop
        await anna.kill()
        assert loop is not None and loop.cancelled()
        assert anna.agent.begun == ["a0"]
        await ben.kill()

    anna.run(story)


async def test_nobody_is_asked_twice_for_one_place() -> None:
    places, asked = Places(2), asyncio.Event()
    assert places.take(asked.set)
    places.give_back()
    assert not asked.is_set()
