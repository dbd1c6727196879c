"""The workers loop on LocalLog: completion in any order, bounds, deadlines, stops, retries."""

import asyncio

import pytest

from comitia.errors import Overloaded, Poison, Retryable
from comitia.ports import ReaderSpec, TopicPartition
from comitia.runtime.stopped_tasks import StoppedTasks
from comitia.runtime.tables import Tables
from comitia.v1 import answer_pb2
from comitia.v1.answer_pb2 import AbstentionReason
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.control_pb2 import Control
from comitia.v1.dead_letter_pb2 import DeadLetter
from tests.unit.runtime_world import until
from tests.unit.workers_world import CONTROL, EVENTS, FAR, GROUP, INBOX, LETTERS, Story, work


def test_answers_leave_in_any_order_and_the_mark_waits_for_the_oldest() -> None:
    s = Story()

    async def story() -> None:
        s.agent.let("a0")
        await s.write(*(work(f"a{n}") for n in range(4)))
        await s.start()
        await until(lambda: sorted(s.answered()) == ["a1", "a2", "a3"])
        await asyncio.sleep(1)
        assert not s.mark
        assert {r.partition for r in s.world.records(EVENTS)} == {1}
        s.agent.let("a0").set()
        await until(lambda: s.mark == 4)

    s.run(story)


def test_a_restart_repeats_only_what_was_unfinished() -> None:
    s = Story()

    async def story() -> None:
        s.agent.let("a1")
        await s.write(*(work(f"a{n}") for n in range(3)))
        await s.start()
        await until(lambda: s.mark == 1)
        await s.kill()
        s.agent.free.clear()
        s.agent.begun.clear()
        await s.start()
        await until(lambda: s.mark == 3)
        assert s.agent.begun == ["a1"]

    s.run(story)


def test_the_inbox_is_paused_at_the_bound_and_resumed_below() -> None:
    s = Story(in_flight_max=2)

    async def story() -> None:
        for n in range(50):
            s.agent.let(f"a{n}")
        await s.write(*(work(f"a{n}") for n in range(50)))
        await s.start()
        await until(lambda: s.workers.in_flight == 2)
        await asyncio.sleep(5)
        assert s.workers.in_flight == 2
        assert s.workers.waiting <= 2
        for event in s.agent.free.values():
            event.set()
        await until(lambda: s.mark == 50)
        assert s.agent.most <= 2
        assert s.agent.begun == [f"a{n}" for n in range(50)]

    s.run(story)


def test_expired_assignments_are_not_begun() -> None:
    s = Story(in_flight_max=1)

    async def story() -> None:
        s.agent.let("slow")
        now_ms = s.world.clock.now_ms()
        await s.write(work("past", now_ms - 1), work("slow"), work("short", now_ms + 1_000))
        await s.start()
        await until(lambda: s.agent.begun == ["slow"])
        await asyncio.sleep(2)
        s.agent.let("slow").set()
        await until(lambda: s.mark == 3)
        assert s.agent.begun == ["slow"]
        metrics = s.runtime.telemetry.exposition().decode()
        assert 'comitia_assignments_dropped_total{comitia_agent="anna",' in metrics
        assert 'comitia_reason="EXPIRED"} 2.0' in metrics

    s.run(story)


def test_work_for_a_stopped_task_is_dropped_from_the_queue() -> None:
    s = Story(in_flight_max=1)

    async def story() -> None:
        stopped = StoppedTasks(s.world.clock)
        s.stopped = stopped
        s.agent.let("first")
        await s.write(work("first"), work("second"), work("third"))
        await s.start()
        tables = Tables(s.runtime)
        tables.add("control", Control, stopped.apply, back_ms=3_600_000)
        reading = asyncio.create_task(tables.run())
        await tables.ready()
        await until(lambda: s.workers.waiting == 1)
        await s.world.write(CONTROL, "x", Control(task_id="task-second", deadline_ms=FAR))
        await until(lambda: stopped("task-second"))
        s.agent.let("first").set()
        await until(lambda: s.mark == 3)
        assert s.agent.begun == ["first", "third"]
        s.runtime.stop.set()
        await reading

    s.run(story)


def test_passing_faults_are_tried_again_inside_the_deadline() -> None:
    s = Story()

    async def story() -> None:
        s.agent.failing = {"a": [Retryable("busy"), Overloaded("full")]}
        await s.write(work("a"))
        await s.start()
        await until(lambda: s.answered() == ["a"])
        assert s.agent.begun == ["a", "a", "a"]
        assert s.world.records(LETTERS) == []

    s.run(story)


@pytest.mark.parametrize(
    ("error", "reason", "kept"),
    [
        (Retryable("busy"), answer_pb2.ABSTENTION_REASON_FAILED, "RETRIES_EXHAUSTED"),
        (Overloaded("full"), answer_pb2.ABSTENTION_REASON_OVERLOADED, "OVERLOADED"),
        (Poison("9 of 8", "TOO_LONG"), answer_pb2.ABSTENTION_REASON_TOO_LONG, "TOO_LONG"),
        (Poison("no"), answer_pb2.ABSTENTION_REASON_FAILED, "POISON"),
        (ZeroDivisionError("bug"), answer_pb2.ABSTENTION_REASON_FAILED, "HANDLER_FAILED"),
    ],
)
def test_what_fails_for_good_abstains_and_is_kept(
    error: Exception, reason: AbstentionReason, kept: str
) -> None:
    s = Story()

    async def story() -> None:
        s.agent.failing = {"a": [error] * 100}
        await s.write(work("a", s.world.clock.now_ms() + 3_000), work("b"))
        await s.start()
        await until(lambda: s.mark == 2)
        found = {a.assignment_id: a for a in s.answers()}
        assert found["a"].abstention.reason == reason
        assert found["a"].agent == "anna"
        assert found["b"].WhichOneof("outcome") is None
        (letter,) = s.world.messages(LETTERS, DeadLetter)
        assert (letter.reason, letter.task_id) == (kept, "task-a")
        assert Assignment.FromString(letter.value).id == "a"

    s.run(story)


def test_an_unreadable_assignment_is_kept_and_work_goes_on() -> None:
    s = Story()

    async def story() -> None:
        await s.world.write(INBOX, "t", b"\xff", partition=0)
        await s.write(work("b"))
        await s.start()
        await until(lambda: s.mark == 2)
        assert s.answered() == ["b"]
        (letter,) = s.world.messages(LETTERS, DeadLetter)
        assert (letter.reason, letter.value) == ("UNREADABLE", b"\xff")

    s.run(story)


@pytest.mark.parametrize("field", ["reply_topic", "reply_partition"])
def test_an_assignment_that_names_no_place_for_its_answer_is_kept_and_work_goes_on(
    field: str,
) -> None:
    s = Story()

    async def story() -> None:
        lost = work("lost")
        setattr(lost, field, "elsewhere" if field == "reply_topic" else 99)
        await s.write(lost, work("a"))
        await s.start()
        await until(lambda: s.mark == 2)
        assert s.answered() == ["a"]
        (letter,) = s.world.messages(LETTERS, DeadLetter)
        assert letter.reason in ("WRONG_REPLY_TOPIC", "NO_PARTITION")
        assert letter.task_id == "task-lost"

    s.run(story)


def test_an_answer_too_large_becomes_an_abstention() -> None:
    s = Story()

    async def story() -> None:
        await s.write(work("huge"))
        await s.start()
        await until(lambda: s.mark == 1)
        (answer,) = s.answers()
        assert answer.abstention.detail.startswith("TOO_LARGE")

    s.run(story)


def test_stop_finishes_what_has_begun_and_leaves_the_rest() -> None:
    s = Story(in_flight_max=1)

    async def story() -> None:
        s.agent.let("a0")
        await s.write(*(work(f"a{n}") for n in range(3)))
        await s.start()
        await until(lambda: s.workers.waiting == 1)
        s.runtime.stop.set()
        await asyncio.sleep(1)
        assert s.loop is not None
        assert not s.loop.done()
        await s.stop()
        assert s.answered() == ["a0"]
        assert s.mark == 1

    s.run(story)


def test_work_in_flight_survives_a_rebalance_that_brings_its_partition_back() -> None:
    s = Story()

    async def story() -> None:
        s.agent.let("a0")
        await s.write(work("a0"))
        await s.start()
        await until(lambda: s.agent.begun == ["a0"])
        # Another member comes and goes: every partition is taken away and given back.
        rival = await s.world.log.reader(ReaderSpec(topics=(INBOX,), group=GROUP))
        await asyncio.sleep(1)
        await rival.close()
        await asyncio.sleep(1)
        s.agent.let("a0").set()
        await until(lambda: s.mark == 1)
        assert s.agent.begun == ["a0"]
        assert s.answered() == ["a0"]

    s.run(story)


def test_work_whose_partition_is_lost_may_answer_but_not_commit() -> None:
    s = Story()

    async def story() -> None:
        s.agent.let("a0")
        await s.write(work("a0"))
        await s.start()
        await until(lambda: s.agent.begun == ["a0"])
        rivals = [
            await s.world.log.reader(ReaderSpec(topics=(INBOX,), group=GROUP, instance_id=f"0-{n}"))
            for n in range(4)
        ]
        for rival in rivals:
            await rival.fetch(1, 0)
        held = {tp for rival in rivals for tp in rival.assignment()}
        assert TopicPartition(INBOX, 0) in held
        s.agent.let("a0").set()
        await until(lambda: s.answered() == ["a0"])
        await asyncio.sleep(1)
        assert not s.mark

    s.run(story)


def test_not_ready_before_its_partitions_are_there() -> None:
    s = Story()

    async def story() -> None:
        s.world.log.fault = lambda operation, _: (
            Retryable("away") if operation == "reader" else None
        )
        await s.start()
        await asyncio.sleep(1)
        assert "inbox anna: waiting for its partitions" in s.runtime.health.reasons()
        s.world.log.fault = lambda operation, _: None
        await until(lambda: s.runtime.health.ready)

    s.run(story)
