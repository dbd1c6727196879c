"""Contract of appending and reading back: order, acknowledgements, partitions, contents, limits."""

import pytest

from comitia.errors import ConfigError, Poison
from comitia.ports import Outgoing, ReaderSpec, TopicPartition
from tests.contract.world import World, read, values

# Kafka's own vectors (UtilsTest.testMurmur2): key, murmur2 as Java prints it.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


async def test_a_partition_keeps_the_order_of_sending(world: World) -> None:
    topic = await world.topic()
    sent = [b"%d" % n for n in range(500)]
    await world.append(topic, *sent)
    reader = await world.reader(ReaderSpec((topic,)))
    assert values(await read(reader, 500)) == sent


async def test_acknowledgements_say_partition_and_offset(world: World) -> None:
    topic = await world.topic(partitions=2)
    acks = await world.append(topic, b"a", b"b", b"c", partition=1)
    assert [(ack.topic, ack.partition, ack.offset) for ack in acks] == [
        (topic, 1, 0), (topic, 1, 1), (topic, 1, 2),
    ]  # fmt: skip


async def test_the_acknowledged_append_time_is_the_records_time(world: World) -> None:
    topic = await world.topic()
    (ack,) = await world.append(topic, b"a")
    reader = await world.reader(ReaderSpec((topic,)))
    (record,) = await read(reader, 1)
    assert ack.timestamp_ms == record.timestamp_ms > 1_600_000_000_000


async def test_no_append_time_is_acknowledged_where_producers_time_is_kept(world: World) -> None:
    topic = await world.topic(message_timestamp_type="CreateTime")
    (ack,) = await world.append(topic, b"a")
    assert ack.timestamp_ms == -1


async def test_keys_choose_partitions_as_the_java_client_does(world: World) -> None:
    topic = await world.topic(partitions=7)
    writer = await world.writer()
    for key, hashed in JAVA.items():
        ack = await (await writer.send(Outgoing(topic, b"v", key)))
        assert ack.partition == (hashed & 0x7FFFFFFF) % 7, key


async def test_a_named_partition_wins_over_the_key(world: World) -> None:
    topic = await world.topic(partitions=7)
    writer = await world.writer()
    for partition in range(7):
        ack = await (await writer.send(Outgoing(topic, b"v", b"abc", partition=partition)))
        assert ack.partition == partition


async def test_a_record_for_a_partition_that_is_not_there_is_poison(world: World) -> None:
    topic = await world.topic(partitions=2)
    writer = await world.writer()
    with pytest.raises(Poison, match=f"{topic} has no partition 2"):
        await (await writer.send(Outgoing(topic, b"v", partition=2)))


async def test_headers_and_nulls_come_back_as_they_were(world: World) -> None:
    topic = await world.topic()
    writer = await world.writer()
    headers = (("traceparent", b"00-1"), ("empty", b""), ("twice", b"1"), ("twice", b"2"))
    for record in (
        Outgoing(topic, b"value", b"key", headers),
        Outgoing(topic, b"", b""),
        Outgoing(topic, None, b"tombstone"),
        Outgoing(topic, b"no key"),
    ):
        await (await writer.send(record))
    found = await read(await world.reader(ReaderSpec((topic,))), 4)
    assert [(r.key, r.value, r.headers) for r in found] == [
        (b"key", b"value", headers),
        (b"", b"", ()),
        (b"tombstone", None, ()),
        (None, b"no key", ()),
    ]


async def test_a_record_needs_a_key_or_a_value(world: World) -> None:
    writer = await world.writer()
    with pytest.raises(ValueError, match="key or a value"):
        await writer.send(Outgoing(await world.topic(), None))


async def test_a_record_above_the_topics_limit_is_poison(world: World) -> None:
    topic = await world.topic(max_message_bytes="100000")
    writer = await world.writer()
    with pytest.raises(Poison, match=f"{topic} takes up to 100000") as caught:
        await (await writer.send(Outgoing(topic, b"x" * 100_001)))
    assert caught.value.reason == "TOO_LARGE"


async def test_a_writer_goes_on_after_a_record_that_was_too_large(world: World) -> None:
    topic = await world.topic(max_message_bytes="100000")
    writer = await world.writer()
    await (await writer.send(Outgoing(topic, b"before")))
    with pytest.raises(Poison):
        await (await writer.send(Outgoing(topic, b"x" * 200_000)))
    await (await writer.send(Outgoing(topic, b"after")))
    found = await read(await world.reader(ReaderSpec((topic,))), 2)
    assert values(found) == [b"before", b"after"]


async def test_a_record_just_below_the_topics_limit_passes(world: World) -> None:
    topic = await world.topic(max_message_bytes="2000000")
    await world.append(topic, b"x" * 1_999_800)
    (record,) = await read(await world.reader(ReaderSpec((topic,))), 1)
    assert len(record.value or b"") == 1_999_800


async def test_reading_a_missing_topic_names_it_and_the_command(world: World) -> None:
    with pytest.raises(ConfigError, match=r"topic absent does not exist.*comitia topics --apply"):
        await world.log.reader(ReaderSpec(("absent",)))


async def test_writing_to_a_missing_topic_names_it_and_the_command(world: World) -> None:
    writer = await world.writer()
    with pytest.raises(ConfigError, match=r"topic absent does not exist.*comitia topics --apply"):
        await writer.send(Outgoing("absent", b"v"))
    assert await world.log.describe(["absent"]) == {}


async def test_a_topic_that_was_missing_is_found_once_it_exists(world: World) -> None:
    name = world.name("late")
    writer = await world.writer()
    with pytest.raises(ConfigError):
        await writer.send(Outgoing(name, b"v"))
    late = await world.topic()
    ack = await (await writer.send(Outgoing(late, b"v")))
    assert TopicPartition(ack.topic, ack.partition) == TopicPartition(late, 0)
