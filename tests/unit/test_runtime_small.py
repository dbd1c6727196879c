"""The runtime's small parts: marks, codec, backoff, health, tables, heartbeats, topics."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.effects import DeadLetter, Publish, Recorded
from comitia.errors import ConfigError, Poison, Retryable
from comitia.ports import Record, TopicSpec
from comitia.runtime import catalogue, dead_letters
from comitia.runtime.codec import Codec
from comitia.runtime.health import Health
from comitia.runtime.heartbeat import run_heartbeats, send_once, service_beats
from comitia.runtime.offsets import Offsets
from comitia.runtime.retry import Backoff
from comitia.runtime.tables import Tables
from comitia.topics import TOPICS, Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.dead_letter_pb2 import DeadLetter as DeadLetterMessage
from comitia.v1.decision_pb2 import DeadLetterRef, Decision
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from tests.unit.runtime_world import World, simulate, until

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def record(value: bytes | None, *headers: tuple[str, bytes], key: bytes | None = b"t") -> Record:
    return Record("comitia.tasks.v1", 1, 7, 1_000, key, value, headers)


@given(st.permutations(range(8)), st.integers(0, 8))
def test_the_low_water_mark_is_the_first_unfinished_offset(order: list[int], done: int) -> None:
    offsets = Offsets()
    assert offsets.low_water is None
    for offset in range(8):
        offsets.begin(10 + offset)
    for offset in order[:done]:
        offsets.finish(10 + offset)
    unfinished = set(range(8)) - set(order[:done])
    assert offsets.low_water == 10 + min(unfinished, default=8)


def test_decode_says_where_a_message_stands() -> None:
    codec = Codec("router", "i")
    value = Task(id="t").SerializeToString()
    recorded = codec.decode(Task, record(value, ("traceparent", TRACEPARENT.encode())))
    assert recorded == Recorded(Task(id="t"), "comitia.tasks.v1", 1, 7, 1_000, TRACEPARENT)


@pytest.mark.parametrize("value", [None, b"", b"\xff\xff", b'{"id": "t"}', b"hello"])
def test_bytes_that_are_not_the_message_are_unreadable(value: bytes | None) -> None:
    with pytest.raises(Poison, match=r"comitia\.v1\.Task") as caught:
        Codec("router", "i").decode(Task, record(value))
    assert caught.value.reason == "UNREADABLE"


def test_unknown_fields_survive_the_way_through() -> None:
    codec = Codec("router", "i")
    # Field 1000, a string, of which this version of Task knows nothing.
    unknown = b"\xc2\x3e\x03new"
    task = codec.decode(Task, record(Task(id="t").SerializeToString() + unknown)).message
    event = PanelEvent(task_id="t")
    event.panel_opened.task.CopyFrom(task)
    sent = codec.encode(Publish("comitia.panel-events.v1", "t", event))
    again = PanelEvent.FromString(sent.value or b"")
    assert again.panel_opened.task.SerializeToString().endswith(unknown)


def test_every_record_has_an_id_of_its_own() -> None:
    codec = Codec("router", "i")
    publish = Publish("x", "t", Task(id="t"))
    ids = [dict(codec.encode(publish).headers)["ce_id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert "traceparent" not in dict(codec.encode(publish).headers)


@pytest.mark.parametrize("traceparent", [b"", b"00-abc", b"\xff" * 55, b"0" * 56])
def test_a_malformed_trace_context_is_not_passed_on(traceparent: bytes) -> None:
    value = Task(id="t").SerializeToString()
    headers = (("traceparent", traceparent), ("tracestate", b"a=b"))
    assert Codec("router", "i").decode(Task, record(value, *headers)).traceparent == ""


@pytest.mark.parametrize("key", [b"k", b"k" * 5_000_000])
def test_a_dead_letter_stays_within_the_limit_of_its_topic(key: bytes) -> None:
    headers = ((f"h{n}", b"y" * 10_000) for n in range(100))
    huge = record(b"x" * 20_000_000, *headers, key=key)
    why = DeadLetter("TOO_LARGE", "e" * 100_000, "t")
    sent = dead_letters.letter(World().runtime("r"), huge, why)
    size = len(sent.key or b"") + len(sent.value or b"")
    size += sum(len(k) + len(v) for k, v in sent.headers)
    assert size < TOPICS["dead-letters"].bytes_max
    letter = DeadLetterMessage.FromString(sent.value or b"")
    assert letter.key == key
    assert letter.value == b"x" * (dead_letters.ORIGINAL_BYTES_MAX - len(key))
    assert "cut to" not in letter.error  # the end of so long an error is cut, its beginning kept
    assert letter.error.startswith("eee")


def test_what_a_task_is_told_of_a_failure_is_short_whatever_the_error_says() -> None:
    why, kept = Poison("e" * 9_000_000, "HANDLER_FAILED"), DeadLetterRef()
    for (publish,) in (
        dead_letters.task_refused(Names(), 4)(record(b""), "t", why, kept),
        dead_letters.task_failed(Names(), 0)("t", why, kept),
    ):
        assert isinstance(publish, Publish)
        assert publish.message.ByteSize() < 10_000
    assert dead_letters.failed_decision(Decision(), why, kept).ByteSize() < 10_000


@pytest.mark.parametrize(
    ("key", "task_id"), [(b"t-1", "t-1"), (b"", ""), (None, ""), (b"a b", ""), (b"x" * 129, "")]
)
def test_the_task_id_of_an_unreadable_record_is_its_key_if_it_can_be_one(
    key: bytes | None, task_id: str
) -> None:
    assert dead_letters.readable_task_id(record(b"", key=key)) == task_id


def test_pauses_grow_to_a_bound_and_begin_anew_after_success() -> None:
    backoff = Backoff("seed", 100, 1_000)
    pauses = [backoff.next_ms() for _ in range(8)]
    assert all(50 <= p <= 1_000 for p in pauses)
    assert all(500 <= p <= 1_000 for p in pauses[4:])
    backoff.reset()
    assert backoff.next_ms() <= 100


def test_one_line_per_change_of_a_condition(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "comitia.health")
    health = Health()
    for reason in ("no broker", "still no broker", "no broker"):
        health.set("broker", reason)
    assert health.reasons() == ["broker: no broker"]
    health.set("broker", None)
    health.set("broker", None)
    assert health.ready
    assert [r.message for r in caplog.records] == [
        "not ready: broker: no broker",
        "broker: ready",
    ]


def test_tables_are_ready_when_all_that_was_there_is_applied() -> None:
    world = World()
    cards: dict[str, int] = {}
    beats: list[str] = []

    def on_card(key: str, recorded: Recorded[AgentCard] | None) -> None:
        if recorded is None:
            cards.pop(key, None)
        else:
            cards[key] = recorded.message.version

    def on_beat(key: str, recorded: Recorded[Heartbeat] | None) -> None:
        beats.append(key)

    async def story() -> None:
        await world.create()
        agents, heartbeats = world.names.topic("agents"), world.names.topic("heartbeats")
        for n in range(3_000):
            await world.write(agents, f"a{n}", AgentCard(name=f"a{n}", version=n))
        await world.write(agents, "a0", None)
        await world.write(agents, "bad", b"\xff")
        await world.write(heartbeats, "old", Heartbeat(agent="old"))
        await asyncio.sleep(60)
        await world.write(heartbeats, "new", Heartbeat(agent="new"))
        runtime = world.runtime()
        tables = Tables(runtime)
        tables.add("agents", AgentCard, on_card)
        tables.add("heartbeats", Heartbeat, on_beat, back_ms=6_000)
        assert runtime.health.reasons() == ["tables: being read"]
        reading = asyncio.create_task(tables.run())
        await tables.ready()
        assert runtime.health.ready
        assert len(cards) == 2_999
        assert beats == ["new"]
        await world.write(agents, "late", AgentCard(name="late", version=9))
        await until(lambda: cards.get("late") == 9)
        runtime.stop.set()
        await reading

    simulate(world, story())


def test_heartbeats_feed_the_clock_and_say_goodbye() -> None:
    world = World()
    seen: list[int] = []

    async def story() -> None:
        await world.create()
        runtime = world.runtime("router", observe=seen.append)
        await send_once(runtime, service_beats(runtime))
        assert seen == [world.clock.now_ms()]
        loop = asyncio.create_task(run_heartbeats(runtime, service_beats(runtime)))
        await asyncio.sleep(9)
        runtime.stop.set()
        await loop
        beats = world.messages(world.names.topic("heartbeats"), Heartbeat)
        assert len(beats) == 1 + 5 + 1
        assert [b.leaving for b in beats] == [False] * 6 + [True]
        assert {(b.service, b.instance, b.interval_ms) for b in beats} == {
            ("router", "router-1", 2_000)
        }
        assert len(seen) == 7

    simulate(world, story())


def test_a_heartbeat_that_is_not_acknowledged_makes_the_service_unready() -> None:
    world = World()

    async def story() -> None:
        await world.create()
        runtime = world.runtime("router")
        loop = asyncio.create_task(run_heartbeats(runtime, service_beats(runtime)))
        await asyncio.sleep(1)
        assert runtime.health.ready
        world.log.fault = lambda operation, _: (
            Retryable("no broker answers") if operation == "append" else None
        )
        await until(lambda: not runtime.health.ready)
        assert runtime.health.reasons() == ["heartbeats: no broker answers"]
        world.log.fault = lambda operation, _: None
        await until(lambda: runtime.health.ready)
        runtime.stop.set()
        await loop

    simulate(world, story())


def test_missing_topics_are_made_and_what_differs_is_listed() -> None:
    world = World()
    names = world.names

    async def story() -> None:
        specs = catalogue.wanted(names, ["tasks", "panel-events", "decisions"], ["anna"], -1)
        with pytest.raises(ConfigError, match=r"comitia\.tasks\.v1 does not exist"):
            await catalogue.ensure(world.log, names, specs, create=False)
        found = await catalogue.ensure(world.log, names, specs, create=True)
        assert set(found) == {
            names.topic("tasks"),
            names.topic("panel-events"),
            names.topic("decisions"),
            names.inbox("anna"),
        }
        assert await catalogue.ensure(world.log, names, specs, create=False) == found

    simulate(world, story())


@pytest.mark.parametrize(
    ("entity", "change", "message"),
    [
        ("tasks", {"message.timestamp.type": "CreateTime"}, "set LogAppendTime"),
        ("tasks", {"max.message.bytes": "1000"}, "set at least 1048576"),
        ("decisions", {"partitions": 3}, "give both the same number"),
        ("panel-events", {"cleanup.policy": "compact"}, "set delete"),
    ],
)
def test_a_difference_says_what_to_change(
    entity: str, change: dict[str, Any], message: str
) -> None:
    names = Names()
    specs = catalogue.wanted(names, ["tasks", "panel-events", "decisions"], [], -1)
    found = {spec.name: spec for spec in specs}
    spec = found[names.topic(entity)]
    partitions = change.pop("partitions", spec.partitions)
    found[spec.name] = TopicSpec(spec.name, partitions, 1, {**spec.config, **change})
    (problem,) = catalogue.differences(names, specs, found)
    assert message in problem
    assert spec.name in problem
