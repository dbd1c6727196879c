"""Contract of topics: creating and describing them."""

from comitia.ports import TopicSpec
from tests.contract.world import World


async def test_describe_finds_partitions_and_settings(world: World) -> None:
    name = world.name("topic")
    config = {"retention.ms": "123456", "message.timestamp.type": "LogAppendTime"}
    await world.log.create([TopicSpec(name, 3, config=config)])
    found = (await world.log.describe([name]))[name]
    assert (found.name, found.partitions, found.replication) == (name, 3, 1)
    assert {key: found.config[key] for key in config} == config


async def test_describe_tells_the_brokers_defaults_too(world: World) -> None:
    name = world.name("topic")
    await world.log.create([TopicSpec(name, 1)])
    found = (await world.log.describe([name]))[name]
    assert found.config["cleanup.policy"] == "delete"
    assert found.config["message.timestamp.type"] == "CreateTime"
    assert int(found.config["max.message.bytes"]) > 1_000_000


async def test_describe_leaves_out_what_is_not_there(world: World) -> None:
    name = world.name("topic")
    await world.log.create([TopicSpec(name, 1)])
    assert set(await world.log.describe([name, world.name("absent")])) == {name}
    assert await world.log.describe([]) == {}


async def test_create_leaves_existing_topics_as_they_are(world: World) -> None:
    old, new = world.name("old"), world.name("new")
    await world.log.create([TopicSpec(old, 2)])
    await world.append(old, b"kept", partition=1)
    await world.log.create([TopicSpec(old, 5, config={"retention.ms": "1"}), TopicSpec(new, 1)])
    found = await world.log.describe([old, new])
    assert found[old].partitions == 2
    assert found[old].config["retention.ms"] != "1"
    assert found[new].partitions == 1
