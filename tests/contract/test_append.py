"""Contract of append: many records at once, one result for each, every error a value."""

import pytest

from comitia.errors import ComitiaError, ConfigError, Fenced, Poison, Retryable
from comitia.ports import Ack, Outgoing, ReaderSpec
from tests.contract.world import World, nothing, read, values


def places(results: list[Ack | ComitiaError]) -> list[tuple[str, int, int]]:
    """Where acknowledged records stand; fails when one was refused."""
    acks = [result for result in results if isinstance(result, Ack)]
    assert len(acks) == len(results), results
    return [(ack.topic, ack.partition, ack.offset) for ack in acks]


async def test_every_partition_keeps_the_order_of_what_is_appended(world: World) -> None:
    one, two = await world.topic(partitions=3), await world.topic()
    places_to_go = ((one, 0), (one, 1), (one, 2), (two, 0))
    writer = await world.writer()
    # Several batches of a partition, and two appends one after the other.
    sent = [
        Outgoing(topic, b"%d" % n + b"x" * 1_400, partition=partition)
        for n in range(500)
        for topic, partition in places_to_go
    ]
    results = await writer.append(sent[:1_500])
    results += await writer.append(sent[1_500:])
    found = await read(await world.reader(ReaderSpec((one, two))), 2_000)
    stands = {(r.topic, r.partition, r.offset): r.value for r in found}
    assert [stands[place] for place in places(results)] == [record.value for record in sent]
    for topic, partition in places_to_go:
        offsets = [o for t, p, o in places(results) if (t, p) == (topic, partition)]
        assert offsets == list(range(500))


async def test_an_appended_record_is_as_one_that_was_sent(world: World) -> None:
    topic = await world.topic()
    writer = await world.writer()
    headers = (("traceparent", b"00-1"), ("empty", b""), ("twice", b"1"), ("twice", b"2"))
    sent = [
        Outgoing(topic, b"value", b"key", headers),
        Outgoing(topic, b"", b""),
        Outgoing(topic, None, b"tombstone"),
        Outgoing(topic, b"no key"),
    ]
    acks = await writer.append(sent)
    found = await read(await world.reader(ReaderSpec((topic,))), 4)
    assert [(r.key, r.value, r.headers) for r in found] == [
        (record.key, record.value, record.headers) for record in sent
    ]
    assert [r.timestamp_ms for r in found] == [
        ack.timestamp_ms for ack in acks if isinstance(ack, Ack)
    ]


async def test_append_chooses_partitions_as_send_does(world: World) -> None:
    topic = await world.topic(partitions=7)
    writer = await world.writer()
    keys = [b"key-%d" % n for n in range(50)]
    sent = [await (await writer.send(Outgoing(topic, b"v", key))) for key in keys]
    appended = await writer.append([Outgoing(topic, b"v", key) for key in keys])
    assert [p for _, p, _ in places(appended)] == [ack.partition for ack in sent]
    (named,) = await writer.append([Outgoing(topic, b"v", keys[0], partition=6)])
    assert isinstance(named, Ack) and named.partition == 6


async def test_no_append_time_is_acknowledged_where_producers_time_is_kept(world: World) -> None:
    topic = await world.topic(message_timestamp_type="CreateTime")
    (ack,) = await (await world.writer()).append([Outgoing(topic, b"a")])
    assert isinstance(ack, Ack) and ack.timestamp_ms == -1


async def test_what_is_refused_says_nothing_about_the_others(world: World) -> None:
    topic = await world.topic(partitions=2, max_message_bytes="100000")
    writer = await world.writer()
    results = await writer.append(
        [
            Outgoing(topic, b"a", partition=0),
            Outgoing(topic, b"x" * 200_000, partition=0),
            Outgoing(topic, b"b", partition=1),
            Outgoing(topic, b"nowhere", partition=2),
            Outgoing("absent", b"no topic"),
            Outgoing(topic, b"c", partition=0),
        ]
    )
    fits, large, other, nowhere, absent, after = results
    assert places([fits, other, after]) == [(topic, 0, 0), (topic, 1, 0), (topic, 0, 1)]
    assert isinstance(large, Poison) and large.reason == "TOO_LARGE"
    assert isinstance(nowhere, Poison) and nowhere.reason == "NO_PARTITION"
    assert isinstance(absent, ConfigError) and "topic absent does not exist" in str(absent)
    assert places(await writer.append([Outgoing(topic, b"d", partition=0)])) == [(topic, 0, 2)]
    found = await read(await world.reader(ReaderSpec((topic,))), 4)
    assert sorted(values(found), key=str) == [b"a", b"b", b"c", b"d"]


async def test_a_record_larger_than_a_batch_is_appended(world: World) -> None:
    topic = await world.topic(max_message_bytes="2000000")
    sizes = (10, 1_999_800, 70_000, 10)
    writer = await world.writer()
    await writer.append([Outgoing(topic, b"x" * size, partition=0) for size in sizes])
    found = await read(await world.reader(ReaderSpec((topic,))), 4)
    assert tuple(len(value or b"") for value in values(found)) == sizes


async def test_nothing_appended_is_nothing(world: World) -> None:
    assert await (await world.writer()).append([]) == []


async def test_a_record_needs_a_key_or_a_value(world: World) -> None:
    writer = await world.writer()
    with pytest.raises(ValueError, match="key or a value"):
        await writer.append([Outgoing(await world.topic(), None)])


async def test_a_transaction_covers_what_is_appended(world: World) -> None:
    topic = await world.topic(partitions=2)
    reader = await world.reader(ReaderSpec((topic,)))
    writer = await world.writer(world.name("id"))
    await writer.begin()
    await writer.append([Outgoing(topic, b"aborted", partition=p) for p in (0, 1)])
    await writer.abort()
    await writer.begin()
    results = await writer.append([Outgoing(topic, b"%d" % p, partition=p) for p in (0, 1)])
    results += [await (await writer.send(Outgoing(topic, b"2", partition=0)))]
    await nothing(reader)
    await writer.commit()
    assert [offset for _, _, offset in places(results)] == [2, 2, 3]
    assert sorted(values(await read(reader, 3)), key=str) == [b"0", b"1", b"2"]


async def test_what_was_refused_before_it_was_sent_leaves_the_rest_to_be_committed(
    world: World,
) -> None:
    topic = await world.topic(max_message_bytes="100000")
    writer = await world.writer(world.name("id"))
    await writer.begin()
    fits, large, absent = await writer.append(
        [Outgoing(topic, b"fits"), Outgoing(topic, b"x" * 200_000), Outgoing("absent", b"a")]
    )
    assert (type(large), type(absent)) == (Poison, ConfigError)
    assert places([fits, *await writer.append([Outgoing(topic, b"too")])]) == [
        (topic, 0, 0), (topic, 0, 1),
    ]  # fmt: skip
    await writer.commit()
    found = await read(await world.reader(ReaderSpec((topic,))), 2)
    assert values(found) == [b"fits", b"too"]


async def test_a_fenced_writer_answers_each_record_with_fenced(world: World) -> None:
    topic, name = await world.topic(partitions=2), world.name("id")
    former = await world.writer(name)
    await former.begin()
    await former.append([Outgoing(topic, b"former", partition=0)])
    await world.writer(name)
    zombies = [Outgoing(topic, b"zombie", partition=p) for p in (0, 1, 0)]
    for _ in range(2):
        results = await former.append(zombies)
        assert [type(result) for result in results] == [Fenced] * 3
    with pytest.raises(Fenced):
        await former.commit()
    await nothing(await world.reader(ReaderSpec((topic,))))


async def test_a_closed_writer_answers_with_errors(world: World) -> None:
    topic = await world.topic()
    writer = await world.writer()
    await writer.close()
    (result,) = await writer.append([Outgoing(topic, b"a")])
    assert isinstance(result, Retryable)


async def test_appending_outside_a_transaction_is_a_bug_and_says_so(world: World) -> None:
    writer = await world.writer(world.name("id"))
    with pytest.raises(RuntimeError, match="begin"):
        await writer.append([Outgoing(await world.topic(), b"a")])
