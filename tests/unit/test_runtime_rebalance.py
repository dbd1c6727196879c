"""Work in flight when partitions move: what comes back is known again, what is gone is let go."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.ports import Reader, ReaderSpec, Record, TopicPartition
from comitia.runtime.finished import CHARACTERS_MAX, from_text, to_text
from comitia.runtime.inboxes import Inboxes, Work
from tests.unit.runtime_world import until
from tests.unit.workers_world import GROUP, INBOX, Story, work

PARTITION = TopicPartition(INBOX, 0)


async def rivals(s: Story, count: int) -> list[Reader]:
    """Other members of the agent's group; with four of them, one has its partition 0."""
    found: list[Reader] = [
        await s.world.log.reader(ReaderSpec(topics=(INBOX,), group=GROUP, instance_id=f"0-{n}"))
        for n in range(count)
    ]
    for rival in found:
        await rival.fetch(1, 0)
    return found


async def away(s: Story) -> list[Reader]:
    found = await rivals(s, 4)
    assert any(PARTITION in rival.assignment() for rival in found)
    return found


async def back(s: Story, others: list[Reader]) -> None:
    """The others go for good: static members are dropped after their session."""
    for rival in others:
        await rival.close()
    await asyncio.sleep(30)


def test_what_ran_or_ended_while_its_partition_was_away_is_not_done_again() -> None:
    s = Story(in_flight_max=8)

    async def story() -> None:
        for name in ("before", "away", "after"):
            s.agent.let(name)
        await s.write(work("before"), work("quick"), work("away"), work("after"))
        await s.start(commit_interval_ms=10_000_000)
        await until(lambda: s.answered() == ["quick"] and len(s.agent.begun) == 4)
        others = await away(s)
        s.agent.let("away").set()
        await until(lambda: s.answered() == ["quick", "away"])
        await s.write(work("new"))
        await back(s, others)
        await until(lambda: "new" in s.answered())
        s.agent.let("before").set()
        s.agent.let("after").set()
        await until(lambda: len(s.answered()) == 5)
        await s.stop()
        assert sorted(s.agent.begun) == ["after", "away", "before", "new", "quick"]
        assert s.mark == 5

    s.run(story)


def test_unstarted_work_of_a_partition_that_is_gone_is_dropped_and_leaves_room() -> None:
    s = Story(in_flight_max=2)

    async def story() -> None:
        for n in range(8):
            s.agent.let(f"a{n}")
        await s.write(*(work(f"a{n}") for n in range(8)))
        await s.start()
        await until(lambda: s.workers.in_flight == 2 and s.workers.waiting == 2)
        others = await away(s)
        assert s.workers.waiting == 0
        for event in s.agent.free.values():
            event.set()
        await until(lambda: s.answered() == ["a0", "a1"])
        await asyncio.sleep(5)
        assert s.agent.begun == ["a0", "a1"]
        assert not s.mark, "who has lost a partition does not commit it"
        # What it did is known when the partition returns; the rest is begun then, in order.
        await back(s, others)
        await until(lambda: s.mark == 8)
        assert s.agent.begun == [f"a{n}" for n in range(8)]

    s.run(story)


def test_a_successor_repeats_only_what_the_commit_does_not_tell() -> None:
    s = Story(in_flight_max=8)

    async def story() -> None:
        s.agent.let("a1")
        s.agent.let("a4")
        await s.write(*(work(f"a{n}") for n in range(6)))
        await s.start()
        await until(lambda: s.mark == 1)
        await asyncio.sleep(1)
        committed = s.world.log._groups[GROUP].committed[PARTITION]
        assert (committed.offset, committed.metadata) == (1, "finished:+1-2+4")
        await s.kill()
        s.agent.free.clear()
        s.agent.begun.clear()
        await s.start()
        await until(lambda: s.mark == 6)
        assert sorted(s.agent.begun) == ["a1", "a4"]

    s.run(story)


def test_an_inbox_that_was_made_anew_has_nothing_done() -> None:
    """Its offsets count from 0 again; its records are younger than all that was done."""
    inboxes, partitions = Inboxes(INBOX), frozenset({PARTITION})

    def read(offset: int, timestamp_ms: int) -> list[Work]:
        return inboxes.take([Record(INBOX, 0, offset, timestamp_ms, None, b"")])

    inboxes.assigned(partitions)
    for offset in range(3):
        (begun,) = read(offset, 100 + offset)
        begun.begin()
        if offset != 1:
            begun.finish()
    inboxes.revoked(partitions)
    inboxes.assigned(partitions)
    assert [read(offset, 100 + offset) for offset in range(3)] == [[], [], []]
    inboxes.revoked(partitions)
    inboxes.assigned(partitions)
    assert [len(read(offset, 200)) for offset in range(3)] == [1, 1, 1]


@given(st.integers(0, 2**40), st.sets(st.integers(1, 3_000), max_size=400))
def test_finished_offsets_survive_as_text(low: int, above: set[int]) -> None:
    offsets = {low + one for one in above}
    text = to_text(low, offsets | {low, low - 1})
    assert len(text.encode()) <= CHARACTERS_MAX + 16
    found = from_text(low, text)
    assert found <= offsets
    assert found == offsets or len(text) > CHARACTERS_MAX - 16
    assert not found or found == {one for one in offsets if one <= max(found)}


@pytest.mark.parametrize("text", ["", "{}", "finished:", "finished:x", "finished:+1-999999999999"])
def test_other_metadata_tells_nothing(text: str) -> None:
    assert from_text(5, text) == set()
