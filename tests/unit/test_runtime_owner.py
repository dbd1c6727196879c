"""The owner loop on LocalLog: marks, memory of decisions, deadlines, load, poison."""

import asyncio

from comitia.errors import Retryable
from comitia.v1 import decision_pb2 as d
from comitia.v1.control_pb2 import Control
from comitia.v1.dead_letter_pb2 import DeadLetter as DeadLetterMessage
from comitia.v1.decision_pb2 import Decision
from tests.unit.owner_world import (
    CONTROL,
    DECISIONS,
    EVENTS,
    GROUP,
    LETTERS,
    Story,
    answer,
    panel,
)
from tests.unit.runtime_world import until


def test_tasks_are_decided_in_their_own_partition_and_the_mark_follows_the_oldest_open() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await s.write(panel("a"), panel("b"), answer("b", "1"), answer("b", "2"), partition=3)
        await until(lambda: "b" in s.decisions())
        (record,) = s.world.records(DECISIONS)
        assert record.partition == 3
        await until(lambda: s.world.committed(GROUP, EVENTS, 3) == 0)
        await s.write(answer("a", "1"), answer("a", "2"), partition=3)
        await until(lambda: s.world.committed(GROUP, EVENTS, 3) == 6)
        assert [m.task_id for m in s.world.messages(CONTROL, Control)] == ["b", "a"]

    s.run(story)


def test_a_decided_task_is_remembered_with_its_digest_and_meets_after() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await s.write(panel("a"), answer("a", "1"), answer("a", "2"), panel("hold"))
        await until(lambda: "a" in s.decisions())
        await s.write(panel("a"), answer("a", "3"))
        await until(lambda: len(s.world.records(LETTERS)) == 1)
        assert s.fold.after_seen == [("a", b"digest"), ("a", b"digest")]
        letter = DeadLetterMessage.FromString(s.world.records(LETTERS)[0].value or b"")
        assert (letter.topic, letter.offset, letter.reason) == (EVENTS, 4, "DUPLICATE_ID")
        await asyncio.sleep(1)
        metrics = s.runtime.telemetry.exposition().decode()
        assert 'comitia_answers_dropped_total{comitia_reason="AFTER_DECISION"} 1.0' in metrics
        await s.kill()
        await s.live()
        # Read back from the decisions, with the content that was decided.
        assert set(s.fold.after_seen) == {("a", b"digest")}
        assert len(s.decisions()) == 1

    s.run(story)


def test_memory_of_decided_tasks_ends_with_the_window_but_not_above_the_mark() -> None:
    s = Story(duplicate_window_ms=1_000)

    async def story() -> None:
        await s.live()
        await s.write(panel("hold"), panel("a"), answer("a", "1"), answer("a", "2"))
        await until(lambda: "a" in s.decisions())
        await asyncio.sleep(10)
        await s.write(answer("a", "late"))
        await until(lambda: len(s.fold.after_seen) == 1)
        await s.write(answer("hold", "1"), answer("hold", "2"))
        await until(lambda: "hold" in s.decisions())
        await asyncio.sleep(10)
        await s.write(answer("a", "later"))
        # Forgotten: for the fold it is a new, open task, and not one that was decided.
        await until(lambda: (s.mark or 0) >= 7)
        assert len(s.fold.after_seen) == 1

    s.run(story)


def test_a_deadline_fires_and_only_once_the_log_was_read_to_an_end_asked_for_after_it() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        deadline_ms = s.world.clock.now_ms() + 1_000
        await s.write(panel("a", deadline_ms), panel("b", deadline_ms))
        await asyncio.sleep(0.5)
        # The answers are in the log in time, but the owner cannot read them yet.
        stuck = True
        s.world.log.fault = lambda operation, _: (
            Retryable("slow") if stuck and operation == "fetch" else None
        )
        await asyncio.sleep(0.3)
        await s.write(answer("a", "1"), answer("a", "2"))
        await asyncio.sleep(30)
        assert s.decisions() == {}
        stuck = False
        await until(lambda: len(s.decisions()) == 2)
        assert s.decisions()["a"].status == d.DECISION_STATUS_DECIDED
        assert s.decisions()["b"].status == d.DECISION_STATUS_EXPIRED

    s.run(story)


def test_beyond_the_bound_new_panels_are_decided_overloaded_and_reading_goes_on() -> None:
    s = Story(open_tasks_max=3)

    async def story() -> None:
        await s.live()
        await s.write(*(panel(f"t{n}") for n in range(5)))
        await until(lambda: len(s.decisions()) >= 2)
        assert {x.status for x in s.decisions().values()} == {d.DECISION_STATUS_OVERLOADED}
        assert set(s.decisions()) == {"t3", "t4"} or len(s.decisions()) == 3
        await s.write(answer("t0", "1"), answer("t0", "2"), panel("later"))
        await until(lambda: "t0" in s.decisions())
        await s.write(answer("later", "1"), answer("later", "2"))
        await until(lambda: "later" in s.decisions())
        assert s.decisions()["later"].status == d.DECISION_STATUS_DECIDED

    s.run(story)


def test_poison_is_kept_and_its_task_fails_in_its_log() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await s.world.write(EVENTS, "unread", b"\xff\xff", partition=0)
        await s.write(panel("poison"), panel("a"), answer("a", "1"), answer("a", "2"))
        await until(lambda: len(s.decisions()) == 3)
        letters = s.world.messages(LETTERS, DeadLetterMessage)
        assert [(x.task_id, x.reason) for x in letters] == [
            ("unread", "UNREADABLE"),
            ("poison", "BAD_PANEL"),
        ]
        assert s.decisions()["unread"].status == d.DECISION_STATUS_FAILED
        assert s.decisions()["poison"].status == d.DECISION_STATUS_FAILED
        assert s.decisions()["a"].status == d.DECISION_STATUS_DECIDED
        await until(lambda: (s.mark or 0) >= 7)

    s.run(story)


def test_a_decision_too_large_is_kept_and_replaced_by_a_small_one() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await s.write(panel("huge"), answer("huge", "1"), answer("huge", "2"))
        await until(lambda: "huge" in s.decisions())
        decision = s.decisions()["huge"]
        assert decision.status == d.DECISION_STATUS_FAILED
        assert "max.message.bytes" in decision.explanation
        (letter,) = s.world.messages(LETTERS, DeadLetterMessage)
        assert Decision.FromString(letter.value).explanation == "x" * 5_000_000
        assert decision.dead_letter.topic == LETTERS

    s.run(story)


def test_a_task_with_nothing_to_remember_does_not_hold_the_mark() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await s.write(panel("nothing"))
        await until(lambda: s.mark == 1)

    s.run(story)
