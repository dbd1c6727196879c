"""Contract of groups: sharing, committed positions, rebalances and the hooks that tell of them."""

import pytest

from comitia.errors import ConfigError, Retryable
from comitia.ports import Committed, Partitions, Reader, ReaderSpec, TopicPartition
from tests.contract.world import SESSION_MS, World, nothing, parts, read, until, values


async def test_members_share_all_partitions_without_overlap(world: World) -> None:
    topic, group = await world.topic(partitions=4), world.name("group")
    first = await world.member(group, topic, partitions=4)
    second = await world.reader(ReaderSpec((topic,), group))
    await until(lambda: len(first.assignment()) == len(second.assignment()) == 2, first, second)
    assert first.assignment() | second.assignment() == parts(topic, 0, 1, 2, 3)


async def test_each_record_goes_to_one_member(world: World) -> None:
    topic, group = await world.topic(partitions=2), world.name("group")
    first = await world.member(group, topic, partitions=2)
    second = await world.reader(ReaderSpec((topic,), group))
    await until(lambda: len(first.assignment()) == len(second.assignment()) == 1, first, second)
    await world.append(topic, b"a", partition=0)
    await world.append(topic, b"b", partition=1)
    found = values(await read(first, 1)) + values(await read(second, 1))
    assert sorted(found, key=str) == [b"a", b"b"]


async def test_partitions_of_equal_number_go_to_the_same_member(world: World) -> None:
    one, two = await world.topic(partitions=2), await world.topic(partitions=2)
    group = world.name("group")
    first = await world.member(group, one, two, partitions=4)
    second = await world.reader(ReaderSpec((one, two), group))
    await until(lambda: len(first.assignment()) == len(second.assignment()) == 2, first, second)
    assert len({tp.partition for tp in first.assignment()}) == 1


async def test_a_group_without_commits_begins_at_start(world: World) -> None:
    topic = await world.topic()
    await world.append(topic, b"old")
    early = await world.reader(ReaderSpec((topic,), world.name("group")))
    assert values(await read(early, 1)) == [b"old"]
    assert await early.committed(TopicPartition(topic, 0)) is None
    late = await world.reader(ReaderSpec((topic,), world.name("group"), start="latest"))
    await until(lambda: len(late.assignment()) == 1, late)
    assert await late.position(TopicPartition(topic, 0)) == 1


async def test_the_next_member_resumes_at_the_committed_position(world: World) -> None:
    topic, group = await world.topic(), world.name("group")
    await world.append(topic, b"a", b"b", b"c")
    first = await world.reader(ReaderSpec((topic,), group))
    await read(first, 3)
    await first.commit({TopicPartition(topic, 0): Committed(1)})
    await first.close()
    second = await world.reader(ReaderSpec((topic,), group))
    assert values(await read(second, 2)) == [b"b", b"c"]


async def test_commit_metadata_comes_back(world: World) -> None:
    topic = await world.topic(partitions=2)
    reader = await world.member(world.name("group"), topic, partitions=2)
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    await reader.commit({one: Committed(0, "decisions=17 é"), two: Committed(0)})
    assert await reader.committed(one) == Committed(0, "decisions=17 é")
    assert await reader.committed(two) == Committed(0, "")
    await reader.commit({one: Committed(0, "later")})
    assert await reader.committed(one) == Committed(0, "later")


async def test_metadata_beyond_the_brokers_limit_is_a_config_error(world: World) -> None:
    topic = await world.topic()
    reader = await world.member(world.name("group"), topic, partitions=1)
    with pytest.raises(ConfigError, match=r"offset.metadata.max.bytes"):
        await reader.commit({TopicPartition(topic, 0): Committed(0, "x" * 5_000)})
    await reader.commit({TopicPartition(topic, 0): Committed(0, "x" * 4_000)})


async def test_groups_do_not_see_each_others_commits(world: World) -> None:
    topic = await world.topic()
    await world.append(topic, b"a", b"b")
    first = await world.member(world.name("group"), topic, partitions=1)
    await first.commit({TopicPartition(topic, 0): Committed(2)})
    second = await world.reader(ReaderSpec((topic,), world.name("group")))
    assert values(await read(second, 2)) == [b"a", b"b"]


async def test_a_commit_of_a_lost_partition_is_refused(world: World) -> None:
    topic, group = await world.topic(partitions=2), world.name("group")
    first = await world.member(group, topic, partitions=2)
    second = await world.reader(ReaderSpec((topic,), group))
    await until(lambda: len(first.assignment()) == len(second.assignment()) == 1, first, second)
    (lost,) = second.assignment()
    with pytest.raises(Retryable):
        await first.commit({lost: Committed(0, "stale")})
    assert await second.committed(lost) is None
    await second.commit({lost: Committed(0, "owner")})
    assert await second.committed(lost) == Committed(0, "owner")


async def test_seek_and_position_of_a_lost_partition_are_refused(world: World) -> None:
    topic, group = await world.topic(partitions=2), world.name("group")
    first = await world.member(group, topic, partitions=2)
    second = await world.reader(ReaderSpec((topic,), group))
    await until(lambda: len(first.assignment()) == len(second.assignment()) == 1, first, second)
    (lost,) = second.assignment()
    with pytest.raises(Retryable):
        first.seek(lost, 0)
    with pytest.raises(Retryable):
        await first.position(lost)


async def test_a_leaving_member_hands_its_partitions_over(world: World) -> None:
    topic, group = await world.topic(partitions=2), world.name("group")
    first = await world.member(group, topic, partitions=2)
    second = await world.reader(ReaderSpec((topic,), group))
    await until(lambda: len(first.assignment()) == len(second.assignment()) == 1, first, second)
    await first.close()
    await until(lambda: len(second.assignment()) == 2, second)


async def test_commits_need_a_group(world: World) -> None:
    topic = await world.topic()
    reader = await world.reader(ReaderSpec((topic,)))
    with pytest.raises(ConfigError, match="name a group"):
        await reader.commit({TopicPartition(topic, 0): Committed(0)})
    with pytest.raises(ConfigError, match="name a group"):
        await reader.committed(TopicPartition(topic, 0))


class Told:
    """What the hooks were told, in order; `reader` is set by whoever opened it."""

    def __init__(self) -> None:
        self.reader: Reader | None = None
        self.calls: list[tuple[str, int]] = []
        self.pause = False

    def assigned(self, partitions: Partitions) -> None:
        assert self.reader is not None
        assert self.reader.assignment() == partitions
        self.calls.append(("assigned", len(partitions)))
        if self.pause:
            self.reader.pause(partitions)

    def revoked(self, partitions: Partitions) -> None:
        self.calls.append(("revoked", len(partitions)))

    def spec(self, topic: str, group: str) -> ReaderSpec:
        return ReaderSpec((topic,), group, on_assigned=self.assigned, on_revoked=self.revoked)


async def test_hooks_tell_of_every_change_to_who_holds_the_reader(world: World) -> None:
    topic, group, told = await world.topic(partitions=2), world.name("group"), Told()
    told.reader = reader = await world.reader(told.spec(topic, group))
    await until(lambda: told.calls == [("assigned", 2)], reader)
    second = await world.reader(ReaderSpec((topic,), group))
    await until(lambda: len(second.assignment()) == 1, reader, second)
    await until(lambda: told.calls[1:] == [("revoked", 2), ("assigned", 1)], reader, second)


async def test_partitions_paused_in_the_hook_deliver_nothing(world: World) -> None:
    topic, told = await world.topic(), Told()
    await world.append(topic, b"held")
    told.pause = True
    told.reader = reader = await world.reader(told.spec(topic, world.name("group")))
    await until(lambda: told.calls == [("assigned", 1)])
    await nothing(reader)
    reader.seek(TopicPartition(topic, 0), 0)
    reader.resume(parts(topic, 0))
    assert values(await read(reader, 1)) == [b"held"]


async def test_a_rebalance_forgets_pauses(world: World) -> None:
    topic, group = await world.topic(partitions=2), world.name("group")
    first = await world.member(group, topic, partitions=2)
    first.pause(parts(topic, 0, 1))
    second = await world.reader(ReaderSpec((topic,), group))
    await until(lambda: len(first.assignment()) == len(second.assignment()) == 1, first, second)
    (kept,) = first.assignment()
    await world.append(topic, b"a", partition=kept.partition)
    assert values(await read(first, 1)) == [b"a"]


async def test_a_hook_that_raises_fails_the_next_fetch(world: World) -> None:
    def refuse(partitions: Partitions) -> None:
        raise ConfigError("no room for more partitions")

    topic = await world.topic()
    reader = await world.reader(ReaderSpec((topic,), world.name("group"), on_assigned=refuse))
    with pytest.raises(ConfigError, match="no room"):
        await until(lambda: False, reader)


async def test_a_static_member_that_restarts_moves_nothing(world: World) -> None:
    topic, group, told = await world.topic(partitions=2), world.name("group"), Told()
    one = await world.reader(ReaderSpec((topic,), group, instance_id="one"))
    await until(lambda: len(one.assignment()) == 2, one)
    told.reader = two = await world.reader(told.spec(topic, group))
    await until(lambda: len(one.assignment()) == len(two.assignment()) == 1, one, two)
    held, calls = one.assignment(), len(told.calls)
    await one.close()
    again = await world.reader(ReaderSpec((topic,), group, instance_id="one"))
    await until(lambda: again.assignment() == held, again, two)
    assert len(told.calls) == calls


async def test_a_static_member_that_stays_away_loses_its_partitions(world: World) -> None:
    topic, group = await world.topic(partitions=2), world.name("group")
    one = await world.reader(ReaderSpec((topic,), group, instance_id="one"))
    await until(lambda: len(one.assignment()) == 2, one)
    two = await world.reader(ReaderSpec((topic,), group, instance_id="two"))
    await until(lambda: len(one.assignment()) == len(two.assignment()) == 1, one, two)
    await one.close()
    await world.pass_ms(SESSION_MS)
    await until(lambda: len(two.assignment()) == 2, two)
