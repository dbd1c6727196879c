"""Contract of what the owner of a partition builds on: a successor sees all that the former holder
of its id will ever have written, positions lead past what nobody may see, and a committed position
with its metadata passes from member to member.
"""

import pytest

from comitia.errors import Fenced
from comitia.ports import Committed, Outgoing, Reader, ReaderSpec, TopicPartition, Writer
from tests.contract.world import TRANSACTION_MS, World, nothing, parts, read, until, values


async def send(writer: Writer, topic: str, *values: bytes) -> None:
    for value in values:
        await (await writer.send(Outgoing(topic, value, partition=0)))


async def transaction(writer: Writer, topic: str, *values: bytes) -> None:
    await writer.begin()
    await send(writer, topic, *values)
    await writer.commit()


async def reads_to(reader: Reader, where: TopicPartition, end: int) -> list[bytes | None]:
    """As an owner folds: fetch until the position has reached `end`."""
    found: list[bytes | None] = []
    for _ in range(100):
        if await reader.position(where) >= end:
            return found
        found += values(list(await reader.fetch(1_000, 200)))
    raise AssertionError(f"the position never reached {end}")


async def test_a_successor_reads_all_that_the_former_committed(world: World) -> None:
    topic, name = await world.topic(), world.name("id")
    where = TopicPartition(topic, 0)
    former = await world.writer(name)
    await transaction(former, topic, b"one")
    await transaction(former, topic, b"two")
    await former.begin()
    await send(former, topic, b"open")
    await world.writer(name)
    reader = await world.reader(ReaderSpec(partitions=(where,)))
    end = (await reader.end_offsets(frozenset({where})))[where]
    assert end == 6  # three records, three markers
    assert await reads_to(reader, where, end) == [b"one", b"two"]


async def test_a_log_that_ends_with_what_was_aborted_is_read_to_its_end(world: World) -> None:
    topic = await world.topic()
    where = TopicPartition(topic, 0)
    writer = await world.writer(world.name("id"))
    await transaction(writer, topic, b"kept")
    for _ in range(2):
        await writer.begin()
        await send(writer, topic, b"aborted", b"aborted too")
        await writer.abort()
    reader = await world.reader(ReaderSpec((topic,)))
    await until(lambda: stable_at(reader, where, 8))
    assert await reads_to(reader, where, 8) == [b"kept"]
    reader.seek(where, 3)
    assert await reads_to(reader, where, 8) == []


async def stable_at(reader: Reader, where: TopicPartition, offset: int) -> bool:
    return (await reader.end_offsets(frozenset({where})))[where] == offset


async def test_a_seek_to_a_marker_goes_on_with_the_next_record(world: World) -> None:
    topic = await world.topic()
    writer = await world.writer(world.name("id"))
    await transaction(writer, topic, b"one")
    await transaction(writer, topic, b"two")
    reader = await world.reader(ReaderSpec((topic,)))
    await read(reader, 2)
    reader.seek(TopicPartition(topic, 0), 1)
    assert [(r.offset, r.value) for r in await read(reader, 1)] == [(2, b"two")]


async def test_plain_records_and_transactions_of_several_ids_share_a_partition(
    world: World,
) -> None:
    topic = await world.topic()
    one, two = await world.writer(world.name("id")), await world.writer(world.name("id"))
    await one.begin()
    await two.begin()
    await send(one, topic, b"one")
    await world.append(topic, b"plain")
    await send(two, topic, b"two")
    await send(one, topic, b"one again")
    await two.commit()
    reader = await world.reader(ReaderSpec((topic,)))
    await nothing(reader)
    await one.abort()
    assert values(await read(reader, 2)) == [b"plain", b"two"]


async def test_a_fenced_writer_can_neither_write_nor_end_what_it_began(world: World) -> None:
    topic, name = await world.topic(), world.name("id")
    former = await world.writer(name)
    await former.begin()
    await send(former, topic, b"former")
    latter = await world.writer(name)
    await latter.begin()
    await send(latter, topic, b"latter")
    with pytest.raises(Fenced):
        await former.commit()
    with pytest.raises(Fenced):
        await former.abort()
    reader = await world.reader(ReaderSpec((topic,)))
    await nothing(reader)
    await latter.commit()
    assert values(await read(reader, 1)) == [b"latter"]


async def test_after_a_timeout_a_new_writer_of_the_id_goes_on(world: World) -> None:
    topic, name = await world.topic(), world.name("id")
    former = await world.writer(name)
    await former.begin()
    await send(former, topic, b"timed out")
    await world.pass_ms(TRANSACTION_MS)
    reader = await world.reader(ReaderSpec((topic,)))
    await until(lambda: stable_at(reader, TopicPartition(topic, 0), 2), reader)
    latter = await world.writer(name)
    await transaction(latter, topic, b"latter")
    assert values(await read(reader, 1)) == [b"latter"]
    with pytest.raises(Fenced):
        await former.commit()


async def test_a_closed_writer_leaves_nothing_behind_for_its_successor(world: World) -> None:
    topic, name = await world.topic(), world.name("id")
    former = await world.writer(name)
    await transaction(former, topic, b"former")
    await former.close()
    await transaction(await world.writer(name), topic, b"latter")
    reader = await world.reader(ReaderSpec((topic,)))
    assert values(await read(reader, 2)) == [b"former", b"latter"]


async def test_position_begins_at_what_is_committed(world: World) -> None:
    topic, group = await world.topic(), world.name("group")
    await world.append(topic, b"a", b"b", b"c")
    where = TopicPartition(topic, 0)
    first = await world.member(group, topic, partitions=1)
    await first.commit({where: Committed(2)})
    await first.close()
    second = await world.member(group, topic, partitions=1)
    second.pause(parts(topic, 0))
    second.seek(where, (await second.committed(where) or Committed(0)).offset)
    assert await second.position(where) == 2


async def test_a_commit_moves_neither_its_reader_nor_is_it_moved_by_it(world: World) -> None:
    topic = await world.topic()
    await world.append(topic, b"a", b"b", b"c")
    where = TopicPartition(topic, 0)
    reader = await world.reader(ReaderSpec((topic,), world.name("group")))
    await read(reader, 3)
    await reader.commit({where: Committed(1)})
    assert await reader.position(where) == 3
    await reader.commit({where: Committed(0)})
    await world.append(topic, b"d")
    assert values(await read(reader, 1)) == [b"d"]
    assert await reader.committed(where) == Committed(0)


async def test_metadata_passes_to_the_member_that_takes_the_partition(world: World) -> None:
    topic, group = await world.topic(partitions=2), world.name("group")
    first = await world.member(group, topic, partitions=2)
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    await first.commit({one: Committed(0, "one"), two: Committed(0, "two")})
    second = await world.reader(ReaderSpec((topic,), group))
    await until(lambda: len(first.assignment()) == len(second.assignment()) == 1, first, second)
    (taken,) = second.assignment()
    found = await second.committed(taken)
    assert found == Committed(0, "one" if taken == one else "two")
    await second.commit({taken: Committed(0, "second")})
    await second.close()
    await until(lambda: len(first.assignment()) == 2, first)
    assert await first.committed(taken) == Committed(0, "second")
