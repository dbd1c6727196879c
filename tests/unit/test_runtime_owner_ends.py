"""The owner loop at its edges: a timer behind a transaction of its own, whose marker may be late,
and a stop before there is a broker.
"""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from comitia.errors import Retryable
from comitia.ports import Ack, TopicPartition
from comitia.runtime.held import Held
from comitia.testing.writer import LocalWriter
from comitia.v1 import decision_pb2 as d
from tests.unit.owner_world import EVENTS, Story, answer, panel


def test_a_timer_waits_for_what_stands_behind_a_transaction_of_our_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story()
    free, commit = asyncio.Event(), LocalWriter.commit

    async def held(writer: LocalWriter) -> None:
        if writer.transaction is not None:
            await free.wait()
        await commit(writer)

    async def whole() -> None:
        await story.live()
        monkeypatch.setattr(LocalWriter, "commit", held)
        await story.write(panel("t", story.world.clock.now_ms() + 1_000))
        # Its task fails in this very log, in a transaction that stays open for now.
        await story.world.write(EVENTS, "other", b"\xff poison", partition=0)
        await asyncio.sleep(0.5)
        assert story.world.log.topic(EVENTS).partitions[0].last_stable == 2
        await story.write(answer("t", "one"), answer("t", "two"))
        await asyncio.sleep(1)
        free.set()
        await asyncio.sleep(1)
        decision = story.decisions()["t"]
        assert (decision.status, decision.explanation) == (d.DECISION_STATUS_DECIDED, "one,two")

    story.run(whole)


def test_an_owner_that_never_reached_a_broker_stops_without_an_error() -> None:
    story = Story()

    def away(operation: str, _: str) -> Exception | None:
        return Retryable("the broker is away") if operation == "reader" else None

    async def whole() -> None:
        story.world.log.fault = away
        await story.start()
        await asyncio.sleep(1)
        await story.stop()

    story.run(whole)


def test_an_end_before_what_we_wrote_ourselves_is_asked_for_again() -> None:
    fired: list[int] = []
    state: Any = SimpleNamespace(next=8, fire=fired.append)
    held = Held(TopicPartition(EVENTS, 0), state)
    ack = Ack(EVENTS, 0, 8, 1)
    elsewhere = Ack("comitia.decisions.v1", 0, 99, 1)
    pending: Any = SimpleNamespace(job=SimpleNamespace(acks=[(None, ack), (None, elsewhere)]))
    held.flushing = True
    held.note([pending])
    assert not held.flushing
    held.told_end(1_000, 8)
    assert (fired, held.asked) == ([], None)
    held.told_end(2_000, 10)
    assert (fired, held.asked) == ([], (2_000, 10))
    state.next = 10
    held.told_end(3_000, 10)
    assert fired == [3_000]
