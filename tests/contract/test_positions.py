"""Contract of reading: where it starts, how it moves, what holds it back."""

from comitia.ports import Committed, Outgoing, Reader, ReaderSpec, Record, TopicPartition
from tests.contract.world import World, nothing, parts, read, until, values


async def test_earliest_begins_with_the_first_record(world: World) -> None:
    topic = await world.topic()
    await world.append(topic, b"a", b"b")
    reader = await world.reader(ReaderSpec((topic,), start="earliest"))
    assert values(await read(reader, 2)) == [b"a", b"b"]


async def test_latest_begins_after_what_was_there_when_it_was_opened(world: World) -> None:
    topic = await world.topic()
    await world.append(topic, b"before")
    reader = await world.reader(ReaderSpec((topic,), start="latest"))
    await world.append(topic, b"after")
    assert values(await read(reader, 1)) == [b"after"]


async def test_without_a_group_every_partition_is_read(world: World) -> None:
    one, two = await world.topic(partitions=3), await world.topic()
    for partition in range(3):
        await world.append(one, b"%d" % partition, partition=partition)
    await world.append(two, b"other")
    for _ in range(2):
        reader = await world.reader(ReaderSpec((one, two)))
        assert reader.assignment() == parts(one, 0, 1, 2) | parts(two, 0)
        assert sorted(values(await read(reader, 4)), key=str) == [b"0", b"1", b"2", b"other"]


async def test_named_partitions_are_read_and_no_others(world: World) -> None:
    topic = await world.topic(partitions=3)
    for partition in range(3):
        await world.append(topic, b"%d" % partition, partition=partition)
    reader = await world.reader(ReaderSpec(partitions=(TopicPartition(topic, 1),)))
    assert values(await read(reader, 1)) == [b"1"]
    await nothing(reader)


async def test_a_fetch_is_empty_when_nothing_comes(world: World) -> None:
    reader = await world.reader(ReaderSpec((await world.topic(),)))
    assert list(await reader.fetch(10, 100)) == []


async def test_a_fetch_is_bounded_and_the_rest_comes_with_the_next(world: World) -> None:
    topic = await world.topic()
    await world.append(topic, *(b"%d" % n for n in range(10)))
    reader = await world.reader(ReaderSpec((topic,)))
    found: list[Record] = []
    while len(found) < 10:
        batch = await reader.fetch(3, 200)
        assert len(batch) <= 3
        found += batch
    assert [record.offset for record in found] == list(range(10))


async def test_position_is_the_next_offset(world: World) -> None:
    topic = await world.topic()
    await world.append(topic, b"a", b"b", b"c")
    reader = await world.reader(ReaderSpec((topic,)))
    assert await reader.position(TopicPartition(topic, 0)) == 0
    await read(reader, 3)
    assert await reader.position(TopicPartition(topic, 0)) == 3


async def test_seek_goes_back_and_forth(world: World) -> None:
    topic = await world.topic()
    await world.append(topic, *(b"%d" % n for n in range(5)))
    reader = await world.reader(ReaderSpec((topic,)))
    await read(reader, 5)
    reader.seek(TopicPartition(topic, 0), 1)
    assert await reader.position(TopicPartition(topic, 0)) == 1
    assert values(await read(reader, 4)) == [b"1", b"2", b"3", b"4"]
    reader.seek(TopicPartition(topic, 0), 4)
    assert values(await read(reader, 1)) == [b"4"]


async def test_a_paused_partition_waits_until_it_is_resumed(world: World) -> None:
    topic = await world.topic(partitions=2)
    reader = await world.reader(ReaderSpec((topic,)))
    reader.pause(parts(topic, 0))
    await world.append(topic, b"held", partition=0)
    await world.append(topic, b"read", partition=1)
    assert values(await read(reader, 1)) == [b"read"]
    await nothing(reader)
    assert await reader.position(TopicPartition(topic, 0)) == 0
    reader.resume(parts(topic, 0))
    assert values(await read(reader, 1)) == [b"held"]


async def test_pause_and_resume_lose_and_repeat_nothing(world: World) -> None:
    topic = await world.topic()
    await world.append(topic, *(b"%d" % n for n in range(100)))
    reader = await world.reader(ReaderSpec((topic,)))
    found: list[Record] = []
    for _ in range(200):
        found += await reader.fetch(7, 50)
        reader.pause(parts(topic, 0))
        reader.resume(parts(topic, 0))
        if len(found) >= 100:
            break
    assert [record.offset for record in found] == list(range(100))


async def test_seek_while_paused_takes_effect_on_resume(world: World) -> None:
    topic = await world.topic()
    await world.append(topic, *(b"%d" % n for n in range(5)))
    reader = await world.reader(ReaderSpec((topic,)))
    reader.pause(parts(topic, 0))
    reader.seek(TopicPartition(topic, 0), 3)
    reader.resume(parts(topic, 0))
    assert values(await read(reader, 2)) == [b"3", b"4"]


async def test_pausing_what_is_not_ours_is_nothing(world: World) -> None:
    topic = await world.topic(partitions=2)
    reader = await world.reader(ReaderSpec(partitions=(TopicPartition(topic, 0),)))
    reader.pause(parts(topic, 1))
    reader.resume(parts(topic, 1))
    await world.append(topic, b"a")
    assert values(await read(reader, 1)) == [b"a"]


async def test_end_offsets_count_what_was_appended(world: World) -> None:
    topic = await world.topic(partitions=2)
    await world.append(topic, b"a", b"b", partition=1)
    reader = await world.reader(ReaderSpec((topic,)))
    ends = await reader.end_offsets(parts(topic, 0, 1))
    assert ends == {TopicPartition(topic, 0): 0, TopicPartition(topic, 1): 2}


async def test_lag_is_what_is_left_to_be_read(world: World) -> None:
    topic = await world.topic()
    tp = TopicPartition(topic, 0)
    await world.append(topic, *(b"%d" % n for n in range(5)))
    reader = await world.reader(ReaderSpec((topic,)))
    assert not reader.lag()
    assert len(await reader.fetch(2, 10_000)) == 2
    assert reader.lag() == {tp: 3}
    await read(reader, 3)
    assert reader.lag() == {tp: 0}


async def test_lag_of_a_paused_partition_is_as_old_as_the_last_word_of_its_end(
    world: World,
) -> None:
    topic = await world.topic()
    tp = TopicPartition(topic, 0)
    await world.append(topic, b"a")
    reader = await world.reader(ReaderSpec((topic,)))
    await read(reader, 1)
    reader.pause(parts(topic, 0))
    await nothing(reader)
    await world.append(topic, b"b", b"c")
    await reader.end_offsets(parts(topic, 0))
    assert reader.lag() == {tp: 2}
    reader.seek(tp, 0)
    await nothing(reader)
    assert reader.lag() == {tp: 3}


async def test_lag_of_a_partition_that_was_never_fetched_needs_its_end_to_be_asked_for(
    world: World,
) -> None:
    topic, group = await world.topic(), world.name("group")
    tp = TopicPartition(topic, 0)
    await world.append(topic, b"a", b"b", b"c")
    first = await world.member(group, topic, partitions=1)
    await first.commit({tp: Committed(1)})
    await first.close()
    held: list[Reader] = []
    spec = ReaderSpec((topic,), group, on_assigned=lambda given: held[0].pause(given))
    held.append(await world.reader(spec))
    await until(lambda: held[0].assignment() == {tp}, held[0])
    await held[0].end_offsets(frozenset({tp}))
    await until(lambda: held[0].lag() == {tp: 2}, held[0])


async def test_lag_is_of_what_the_reader_may_see(world: World) -> None:
    topic = await world.topic()
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await (await writer.send(Outgoing(topic, b"a", partition=0)))
    committed = await world.reader(ReaderSpec((topic,)))
    everything = await world.reader(ReaderSpec((topic,), read_committed=False))
    await nothing(committed)
    await read(everything, 1)
    assert committed.lag() == {TopicPartition(topic, 0): 0}
    assert everything.lag() == {TopicPartition(topic, 0): 0}
    await writer.commit()
    await read(committed, 1)
    await committed.end_offsets(parts(topic, 0))
    # A marker counts until it is passed.
    await until(lambda: committed.lag() == {TopicPartition(topic, 0): 0}, committed)


async def test_only_held_partitions_have_lag(world: World) -> None:
    topic, group = await world.topic(partitions=2), world.name("group")
    first = await world.member(group, topic, partitions=2)
    await until(lambda: set(first.lag()) == parts(topic, 0, 1), first)
    second = await world.reader(ReaderSpec((topic,), group))
    await until(lambda: len(second.assignment()) == 1, first, second)
    await until(lambda: set(first.lag()) == first.assignment(), first, second)


async def test_offsets_at_a_time_are_the_first_at_or_after_it(world: World) -> None:
    topic = await world.topic()
    (first,) = await world.append(topic, b"a")
    await world.pass_ms(20)
    (second,) = await world.append(topic, b"b")
    reader = await world.reader(ReaderSpec((topic,)))
    where = TopicPartition(topic, 0)

    async def at(timestamp_ms: int) -> int:
        return (await reader.offsets_at(parts(topic, 0), timestamp_ms))[where]

    assert await at(first.timestamp_ms - 10_000_000) == 0
    assert await at(first.timestamp_ms) == 0
    assert await at(first.timestamp_ms + 1) == 1
    assert await at(second.timestamp_ms) == 1


async def test_offsets_at_a_time_after_all_records_are_the_end(world: World) -> None:
    topic = await world.topic(partitions=2)
    (ack,) = await world.append(topic, b"a", partition=1)
    reader = await world.reader(ReaderSpec((topic,)))
    offsets = await reader.offsets_at(parts(topic, 0, 1), ack.timestamp_ms + 1)
    assert offsets == {TopicPartition(topic, 0): 0, TopicPartition(topic, 1): 1}


async def test_small_fetches_reach_every_partition(world: World) -> None:
    topic = await world.topic(partitions=2)
    await world.append(topic, *(b"%d" % n for n in range(50)), partition=0)
    await world.append(topic, b"other", partition=1)
    reader = await world.reader(ReaderSpec((topic,)))
    found: list[Record] = []
    for _ in range(100):
        found += await reader.fetch(7, 200)
        if len(found) >= 51:
            break
    assert sorted((r.partition, r.offset) for r in found) == [(0, n) for n in range(50)] + [(1, 0)]
