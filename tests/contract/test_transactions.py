"""Contract of transactions: what readers see, where the log ends for them, who is fenced."""

import pytest

from comitia.errors import Fenced, Poison
from comitia.ports import Outgoing, Reader, ReaderSpec, TopicPartition, Writer
from tests.contract.world import TRANSACTION_MS, World, nothing, parts, read, until, values


async def send(writer: Writer, topic: str, value: bytes, partition: int = 0) -> int:
    """Append and wait; the offset."""
    ack = await (await writer.send(Outgoing(topic, value, partition=partition)))
    return ack.offset


async def readers(world: World, topic: str) -> tuple[Reader, Reader]:
    """One that sees what is committed, one that sees everything."""
    committed = await world.reader(ReaderSpec((topic,), read_committed=True))
    return committed, await world.reader(ReaderSpec((topic,), read_committed=False))


async def test_an_open_transaction_is_seen_by_uncommitted_readers_only(world: World) -> None:
    topic = await world.topic()
    committed, uncommitted = await readers(world, topic)
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await send(writer, topic, b"a")
    assert values(await read(uncommitted, 1)) == [b"a"]
    await nothing(committed)


async def test_a_committed_transaction_is_seen_by_all(world: World) -> None:
    topic = await world.topic()
    committed, uncommitted = await readers(world, topic)
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await send(writer, topic, b"a")
    await send(writer, topic, b"b")
    await writer.commit()
    assert values(await read(committed, 2)) == [b"a", b"b"]
    assert values(await read(uncommitted, 2)) == [b"a", b"b"]


async def test_an_aborted_transaction_is_seen_by_uncommitted_readers_only(world: World) -> None:
    topic = await world.topic()
    committed, uncommitted = await readers(world, topic)
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await send(writer, topic, b"aborted")
    await writer.abort()
    await writer.begin()
    await send(writer, topic, b"kept")
    await writer.commit()
    assert values(await read(committed, 1)) == [b"kept"]
    assert values(await read(uncommitted, 2)) == [b"aborted", b"kept"]


async def test_a_transaction_covers_its_partitions_together(world: World) -> None:
    one, two = await world.topic(partitions=2), await world.topic()
    reader = await world.reader(ReaderSpec((one, two)))
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await send(writer, one, b"a", 0)
    await send(writer, one, b"b", 1)
    await send(writer, two, b"c")
    await nothing(reader)
    await writer.commit()
    assert sorted(values(await read(reader, 3)), key=str) == [b"a", b"b", b"c"]


async def test_an_open_transaction_holds_back_what_follows_it(world: World) -> None:
    topic = await world.topic()
    committed, _ = await readers(world, topic)
    await world.append(topic, b"before")
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await send(writer, topic, b"inside")
    await world.append(topic, b"behind")
    assert values(await read(committed, 1)) == [b"before"]
    await nothing(committed)
    await writer.abort()
    assert values(await read(committed, 1)) == [b"behind"]


async def test_the_end_is_the_last_stable_offset_or_the_high_watermark(world: World) -> None:
    topic = await world.topic()
    committed, uncommitted = await readers(world, topic)
    where = TopicPartition(topic, 0)
    await world.append(topic, b"before")
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await send(writer, topic, b"inside")
    await world.append(topic, b"behind")
    assert (await committed.end_offsets(parts(topic, 0)))[where] == 1
    assert (await uncommitted.end_offsets(parts(topic, 0)))[where] == 3
    await writer.commit()
    await until(lambda: ends_at(committed, where, 4))
    assert (await uncommitted.end_offsets(parts(topic, 0)))[where] == 4


async def ends_at(reader: Reader, where: TopicPartition, offset: int) -> bool:
    return (await reader.end_offsets(frozenset({where})))[where] == offset


async def test_markers_take_offsets_and_position_moves_past_them(world: World) -> None:
    topic = await world.topic()
    committed, uncommitted = await readers(world, topic)
    where = TopicPartition(topic, 0)
    writer = await world.writer(world.name("id"))
    for value in (b"a", b"b"):
        await writer.begin()
        await send(writer, topic, value)
        await (writer.commit() if value == b"a" else writer.abort())
    assert [r.offset for r in await read(committed, 1)] == [0]
    await until(lambda: stands_at(committed, where, 4), committed)
    assert [r.offset for r in await read(uncommitted, 2)] == [0, 2]
    await until(lambda: stands_at(uncommitted, where, 4), uncommitted)
    (ack,) = await world.append(topic, b"c")
    assert ack.offset == 4


async def stands_at(reader: Reader, where: TopicPartition, offset: int) -> bool:
    return await reader.position(where) == offset


async def test_a_new_holder_of_the_id_fences_the_former(world: World) -> None:
    topic, name = await world.topic(), world.name("id")
    former = await world.writer(name)
    await former.begin()
    await send(former, topic, b"former")
    latter = await world.writer(name)
    with pytest.raises(Fenced):
        await former.commit()
    with pytest.raises(Fenced):
        await former.begin()
    with pytest.raises(Fenced):
        await former.send(Outgoing(topic, b"zombie"))
    await latter.begin()
    await send(latter, topic, b"latter")
    await latter.commit()
    reader = await world.reader(ReaderSpec((topic,)))
    assert values(await read(reader, 1)) == [b"latter"]
    await nothing(reader)


async def test_a_writer_fenced_before_it_wrote_cannot_commit(world: World) -> None:
    topic, name = await world.topic(), world.name("id")
    former = await world.writer(name)
    await world.writer(name)
    with pytest.raises(Fenced):
        await former.begin()
        await send(former, topic, b"zombie")
        await former.commit()
    await nothing(await world.reader(ReaderSpec((topic,))))


async def test_a_new_holder_aborts_what_the_former_left_open(world: World) -> None:
    topic, name = await world.topic(), world.name("id")
    committed, uncommitted = await readers(world, topic)
    former = await world.writer(name)
    await former.begin()
    await send(former, topic, b"left open")
    await former.close()
    assert (await committed.end_offsets(parts(topic, 0)))[TopicPartition(topic, 0)] == 0
    await world.writer(name)
    # Nothing further to wait for: when the new holder has its id, the last stable offset is the
    # end.
    ends = await committed.end_offsets(parts(topic, 0))
    assert ends == await uncommitted.end_offsets(parts(topic, 0))
    assert ends[TopicPartition(topic, 0)] == 2
    await nothing(committed)


async def test_ids_do_not_fence_each_other(world: World) -> None:
    topic = await world.topic()
    one, two = await world.writer(world.name("id")), await world.writer(world.name("id"))
    await one.begin()
    await two.begin()
    await send(one, topic, b"a")
    await send(two, topic, b"b")
    await two.commit()
    await one.commit()
    reader = await world.reader(ReaderSpec((topic,)))
    assert values(await read(reader, 2)) == [b"a", b"b"]


async def test_a_transaction_left_open_too_long_fences_its_writer(world: World) -> None:
    topic = await world.topic()
    committed, _ = await readers(world, topic)
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await send(writer, topic, b"late")
    await world.pass_ms(TRANSACTION_MS)
    await until(lambda: ends_at(committed, TopicPartition(topic, 0), 2), committed)
    with pytest.raises(Fenced):
        await writer.commit()
    await nothing(committed)


async def test_a_refused_record_is_not_left_out_of_a_commit(world: World) -> None:
    topic = await world.topic(max_message_bytes="100000")
    writer = await world.writer(world.name("id"))
    await writer.begin()
    with pytest.raises(Poison):
        await writer.send(Outgoing(topic, b"fits"))
        await writer.send(Outgoing(topic, b"x" * 200_000))
        await writer.commit()
    await writer.abort()
    await nothing(await world.reader(ReaderSpec((topic,))))


async def test_an_empty_transaction_commits_and_aborts(world: World) -> None:
    topic = await world.topic()
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await writer.commit()
    await writer.begin()
    await writer.abort()
    await writer.begin()
    assert await send(writer, topic, b"a") == 0
    await writer.commit()


async def test_misuse_is_a_bug_of_the_caller_and_says_so(world: World) -> None:
    topic = await world.topic()
    plain, writer = await world.writer(), await world.writer(world.name("id"))
    with pytest.raises(RuntimeError, match="without a transactional id"):
        await plain.begin()
    with pytest.raises(RuntimeError, match="begin"):
        await writer.send(Outgoing(topic, b"a"))
    with pytest.raises(RuntimeError, match="no transaction is open"):
        await writer.commit()
    await writer.begin()
    with pytest.raises(RuntimeError, match="still open"):
        await writer.begin()
    await writer.abort()


async def test_offsets_at_stop_at_the_last_stable_offset(world: World) -> None:
    topic = await world.topic()
    committed, uncommitted = await readers(world, topic)
    where = TopicPartition(topic, 0)
    await world.append(topic, b"before")
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await send(writer, topic, b"inside")
    await world.pass_ms(20)
    (behind,) = await world.append(topic, b"behind")
    assert (await committed.offsets_at(parts(topic, 0), behind.timestamp_ms))[where] == 1
    assert (await uncommitted.offsets_at(parts(topic, 0), behind.timestamp_ms))[where] == 2
