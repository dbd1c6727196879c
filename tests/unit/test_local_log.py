"""LocalLog beyond the contract: what the clock does to it, faults on demand, and that it repeats
exactly.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from comitia.errors import ComitiaError, ConfigError, Fenced, Poison, Retryable
from comitia.ports import Clock, Committed, Log, Outgoing, ReaderSpec, TopicPartition, TopicSpec
from comitia.testing import LocalLog, ManualClock
from comitia.topics import Names

TOPIC = "t"
ZERO = TopicPartition(TOPIC, 0)
GROUP = ReaderSpec((TOPIC,), "group")
STAMPED = {"message.timestamp.type": "LogAppendTime"}


async def opened(partitions: int = 2) -> LocalLog:
    log = LocalLog(ManualClock(1_000_000), session_timeout_ms=3_000, transaction_timeout_ms=2_000)
    await log.create([TopicSpec(TOPIC, partitions, config=STAMPED)])
    return log


async def append(log: LocalLog, value: bytes, partition: int = 0) -> None:
    await (await (await log.writer()).send(Outgoing(TOPIC, value, partition=partition)))


async def test_it_is_a_log_and_its_clock_a_clock() -> None:
    log: Log = await opened()
    clock: Clock = ManualClock()
    assert (await log.describe([TOPIC]))[TOPIC].partitions == 2
    assert clock.monotonic_ms() == 0


async def test_the_catalogue_can_be_created() -> None:
    log = await opened()
    specs = Names("x.").specs()
    await log.create(specs)
    found = await log.describe([spec.name for spec in specs])
    assert {s.name: {**found[s.name].config, **s.config} for s in specs} == {
        name: spec.config for name, spec in found.items()
    }


async def test_append_times_are_the_clocks() -> None:
    log = await opened()
    await append(log, b"a")
    log.clock.advance(70)
    await append(log, b"b")
    reader = await log.reader(ReaderSpec((TOPIC,)))
    assert [r.timestamp_ms for r in await reader.fetch(10, 0)] == [1_000_000, 1_000_070]


async def test_a_waiting_fetch_returns_with_the_first_record() -> None:
    log = await opened()
    reader = await log.reader(ReaderSpec((TOPIC,)))
    fetch = asyncio.create_task(reader.fetch(10, 3_600_000))
    await asyncio.sleep(0)
    await append(log, b"a")
    assert [r.value for r in await fetch] == [b"a"]


async def test_a_waiting_fetch_gives_up_when_the_clock_passes_its_timeout() -> None:
    log = await opened()
    reader = await log.reader(ReaderSpec((TOPIC,)))
    fetch = asyncio.create_task(reader.fetch(10, 3_600_000))
    for _ in range(3):
        await asyncio.sleep(0)
    log.clock.advance(3_599_999)
    await asyncio.sleep(0)
    assert not fetch.done()
    log.clock.advance(1)
    assert list(await fetch) == []


async def test_a_silent_member_is_dropped_after_the_session_timeout() -> None:
    log = await opened()
    one, two = await log.reader(GROUP), await log.reader(GROUP)
    await asyncio.sleep(0)
    assert len(one.assignment()) == len(two.assignment()) == 1
    log.silence(one)
    log.clock.advance(2_999)
    assert len(two.assignment()) == 1
    log.clock.advance(1)
    assert len(two.assignment()) == 2


async def test_a_zombie_still_believes_until_it_wakes_and_cannot_commit() -> None:
    log = await opened()
    told: list[str] = []
    one = await log.reader(
        ReaderSpec(
            (TOPIC,),
            "group",
            on_assigned=lambda p: told.append(f"assigned {len(p)}"),
            on_revoked=lambda p: told.append(f"revoked {len(p)}"),
        )
    )
    two = await log.reader(GROUP)
    await asyncio.sleep(0)
    (mine,) = one.assignment()
    log.silence(one)
    log.clock.advance(3_000)
    assert one.assignment() == {mine}
    with pytest.raises(Retryable, match="went on without"):
        await one.commit({mine: Committed(1)})
    told.clear()
    await one.fetch(1, 0)
    assert told == ["revoked 1", "assigned 1"]
    assert len(two.assignment()) == 1


async def test_a_silent_static_member_wakes_to_the_assignment_it_missed() -> None:
    log = await opened(partitions=3)
    one = await log.reader(ReaderSpec((TOPIC,), "group", instance_id="one"))
    await asyncio.sleep(0)
    log.silence(one)
    two = await log.reader(ReaderSpec((TOPIC,), "group", instance_id="two"))
    await asyncio.sleep(0)
    assert (len(one.assignment()), len(two.assignment())) == (3, 1)
    await one.fetch(1, 0)
    assert (len(one.assignment()), len(two.assignment())) == (2, 1)


async def test_who_falls_silent_while_its_fetch_waits_is_dropped_all_the_same() -> None:
    log = await opened()
    one, two = await log.reader(GROUP), await log.reader(GROUP)
    fetch = asyncio.create_task(one.fetch(10, 5_000))
    for _ in range(3):
        await asyncio.sleep(0)
    log.silence(one)
    await append(log, b"not served", min(one.assignment()).partition)
    for _ in range(3):
        await asyncio.sleep(0)
    log.clock.advance(3_000)
    assert len(two.assignment()) == 2
    log.clock.advance(2_000)
    assert list(await fetch) == []


async def test_who_falls_silent_just_as_its_fetch_begins_is_dropped_too() -> None:
    log = await opened()
    one, two = await log.reader(GROUP), await log.reader(GROUP)
    fetch = asyncio.create_task(one.fetch(10, 5_000))
    await asyncio.sleep(0)
    log.silence(one)
    await asyncio.sleep(0)
    log.clock.advance(3_000)
    assert len(two.assignment()) == 2
    fetch.cancel()


async def test_who_dies_while_it_joins_does_not_stay() -> None:
    log = await opened()
    one = await log.reader(GROUP)
    await asyncio.sleep(0)
    log.silence(await log.reader(ReaderSpec((TOPIC,), "group", instance_id="dying")))
    await asyncio.sleep(0)
    assert len(one.assignment()) == 1
    log.clock.advance(3_000)
    assert len(one.assignment()) == 2


async def test_a_commit_needs_the_generation_that_its_member_was_told_of() -> None:
    log = await opened()
    one = await log.reader(ReaderSpec((TOPIC,), "group", instance_id="one"))
    await asyncio.sleep(0)
    log.silence(one)
    two = await log.reader(ReaderSpec((TOPIC,), "group", instance_id="two"))
    await asyncio.sleep(0)
    (kept,) = one.assignment() - two.assignment()
    with pytest.raises(Retryable, match="went on without"):
        await one.commit({kept: Committed(1)})
    await one.fetch(10, 0)
    await one.commit({kept: Committed(1)})


async def test_a_static_member_whose_name_was_taken_over_is_told() -> None:
    log = await opened()
    spec = ReaderSpec((TOPIC,), "group", instance_id="one")
    former = await log.reader(spec)
    await asyncio.sleep(0)
    latter = await log.reader(spec)
    await asyncio.sleep(0)
    assert len(latter.assignment()) == 2
    with pytest.raises(Retryable, match="took over the membership one"):
        await former.fetch(1, 0)
    with pytest.raises(Retryable):
        await former.commit({ZERO: Committed(0)})


async def test_an_overdue_transaction_is_aborted_as_the_clock_passes() -> None:
    log = await opened()
    reader = await log.reader(ReaderSpec((TOPIC,)))
    writer = await log.writer("id")
    await writer.begin()
    await (await writer.send(Outgoing(TOPIC, b"a", partition=0)))
    log.clock.advance(1_999)
    assert (await reader.end_offsets(frozenset({ZERO})))[ZERO] == 0
    log.clock.advance(1)
    assert (await reader.end_offsets(frozenset({ZERO})))[ZERO] == 2
    with pytest.raises(Fenced):
        await writer.commit()


@pytest.mark.parametrize("operation", ["fetch", "commit", "committed", "end_offsets", "position"])
async def test_a_fault_fails_the_operation_that_it_names(operation: str) -> None:
    log = await opened()
    reader = await log.reader(GROUP)
    await reader.fetch(1, 0)
    log.fault = lambda asked, _: Retryable("broker away") if asked == operation else None
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "fetch": lambda: reader.fetch(1, 0),
        "commit": lambda: reader.commit({ZERO: Committed(0)}),
        "committed": lambda: reader.committed(ZERO),
        "end_offsets": lambda: reader.end_offsets(frozenset({ZERO})),
        "position": lambda: reader.position(ZERO),
    }
    for name, call in calls.items():
        if name == operation:
            with pytest.raises(Retryable, match="broker away"):
                await call()
        else:
            await call()


async def test_a_faulty_append_fails_its_acknowledgement_and_appends_nothing() -> None:
    log = await opened()
    writer = await log.writer()
    log.fault = lambda asked, topic: Poison("no") if (asked, topic) == ("append", TOPIC) else None
    ack = await writer.send(Outgoing(TOPIC, b"a"))
    with pytest.raises(Poison):
        await ack
    log.fault = lambda asked, topic: None
    assert list(await (await log.reader(ReaderSpec((TOPIC,)))).fetch(10, 0)) == []


async def test_a_closed_reader_reads_no_more() -> None:
    log = await opened()
    reader = await log.reader(GROUP)
    await reader.close()
    await reader.close()
    with pytest.raises(Retryable, match="closed"):
        await reader.fetch(1, 0)


async def test_closing_the_log_closes_its_readers() -> None:
    log = await opened()
    reader = await log.reader(GROUP)
    await log.close()
    with pytest.raises(ComitiaError):
        await reader.fetch(1, 0)


async def test_a_partition_that_is_not_there_is_named() -> None:
    log = await opened()
    reader = await log.reader(ReaderSpec((TOPIC,)))
    with pytest.raises(ConfigError, match="no partition 9"):
        await reader.end_offsets(frozenset({TopicPartition(TOPIC, 9)}))


async def test_the_same_calls_give_the_same_log() -> None:
    async def history() -> list[object]:
        log = await opened(partitions=3)
        one, two = await log.reader(GROUP), await log.reader(GROUP)
        writer = await log.writer("id")
        seen: list[object] = []
        for number in range(60):
            await writer.begin()
            await (await writer.send(Outgoing(TOPIC, b"%d" % number, b"k%d" % (number % 7))))
            await (writer.abort() if number % 5 == 0 else writer.commit())
            log.clock.advance(number)
            seen += await (one if number % 2 else two).fetch(2, 0)
            if number == 30:
                log.silence(one)
        return [*seen, sorted(two.assignment())]

    assert await history() == await history()
