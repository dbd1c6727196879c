"""The owner loop on LocalLog: crashes, take-overs, held effects, rebalances, drain."""

import asyncio

from comitia.errors import Retryable
from comitia.v1 import decision_pb2 as d
from tests.unit.owner_world import (
    DECISIONS,
    EVENTS,
    INBOX,
    Story,
    answer,
    panel,
)
from tests.unit.runtime_world import until


def test_effects_that_a_crash_left_undone_are_held_in_the_fold_and_then_emitted() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        s.world.log.fault = lambda operation, subject: (
            Retryable("away") if (operation, subject) == ("append", DECISIONS) else None
        )
        await s.write(panel("a"), answer("a", "1"), answer("a", "2"))
        await asyncio.sleep(5)
        await s.kill()
        assert s.decisions() == {}
        s.world.log.fault = lambda operation, subject: None
        await s.start()
        await until(lambda: "a" in s.decisions())
        assert s.decisions()["a"].explanation == "1,2"

    s.run(story)


def test_nothing_goes_out_before_the_fold_has_reached_the_asked_end() -> None:
    s = Story()

    async def story() -> None:
        await s.write(*(e for n in range(5_000) for e in (panel(f"t{n}"), answer(f"t{n}", "1"))))
        await s.write(*(answer(f"t{n}", "2") for n in range(5_000)))
        sent_while_behind = []

        def fault(operation: str, subject: str) -> Exception | None:
            if (operation, subject) == ("append", DECISIONS) and s.fold.steps < 15_000:
                sent_while_behind.append(s.fold.steps)
            return None

        s.world.log.fault = fault
        await s.start()
        await until(lambda: len(s.world.records(DECISIONS)) == 5_000)
        assert sent_while_behind == []
        await until(lambda: s.mark == 15_000)

    s.run(story)


def test_recorded_decisions_are_not_repeated_after_a_kill() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        # "open" holds the mark, so that a new owner meets the events of the decided ones again.
        await s.write(panel("open"))
        for n in range(20):
            await s.write(panel(f"t{n}"), answer(f"t{n}", "1"), answer(f"t{n}", "2"))
        await until(lambda: len(s.decisions()) == 20)
        await s.kill()
        await s.live()
        await s.write(answer("open", "1"), answer("open", "2"))
        await until(lambda: len(s.decisions()) == 21)

    s.run(story)


def test_a_fold_restores_timers() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await s.write(panel("a", s.world.clock.now_ms() + 5_000))
        await until(lambda: s.mark == 0)
        await s.kill()
        await s.live()
        assert s.decisions() == {}
        await until(lambda: "a" in s.decisions())
        assert s.decisions()["a"].status == d.DECISION_STATUS_EXPIRED

    s.run(story)


def test_a_round_that_the_log_records_is_not_opened_again() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await s.write(panel("two-rounds"), answer("two-rounds", "1"), answer("two-rounds", "2"))
        await until(lambda: len(s.world.records(EVENTS)) == 4)
        await s.kill()
        await s.live()
        await s.write(answer("two-rounds", "3"))
        await until(lambda: "two-rounds" in s.decisions())
        assert len(s.world.records(INBOX)) == 1
        assert len(s.world.records(EVENTS)) == 5

    s.run(story)


def test_ready_only_when_every_held_partition_is_folded() -> None:
    s = Story()

    async def story() -> None:
        await s.write(panel("a"))
        s.world.log.fault = lambda operation, _: Retryable("away") if operation == "fetch" else None
        await s.start()
        await asyncio.sleep(1)
        assert any(r.startswith("partitions: folding") for r in s.runtime.health.reasons())
        s.world.log.fault = lambda operation, _: None
        await until(lambda: s.runtime.health.ready)

    s.run(story)


def test_a_failed_take_over_is_tried_again_and_never_runs_on_half_a_fold() -> None:
    s = Story()

    async def story() -> None:
        await s.write(panel("a"), answer("a", "1"), answer("a", "2"))
        calls = 0

        def fault(operation: str, _: str) -> Exception | None:
            nonlocal calls
            calls += operation == "end_offsets"
            return Retryable("away") if operation == "end_offsets" and calls < 6 else None

        s.world.log.fault = fault
        await s.live()
        await until(lambda: "a" in s.decisions())

    s.run(story)


def test_a_partition_that_moves_is_folded_by_its_new_owner() -> None:
    s, other = Story(), Story()
    other.world = s.world

    async def story() -> None:
        await s.live()
        await s.write(*(panel(f"t{n}") for n in range(8)))
        for partition in (1, 2, 3):
            await s.write(panel(f"p{partition}"), partition=partition)
        await until(lambda: s.mark == 0)
        await other.live()
        await until(lambda: s.runtime.health.ready and other.runtime.health.ready)
        for partition in (1, 2, 3):
            name = f"p{partition}"
            await s.write(answer(name, "1"), answer(name, "2"), partition=partition)
        for n in range(8):
            await s.write(answer(f"t{n}", "1"), answer(f"t{n}", "2"))
        await until(lambda: len(s.decisions()) == 11)
        assert s.fold.steps
        assert other.fold.steps
        await other.stop()

    s.run(story)


def test_at_least_once_a_stop_delivers_what_is_due_and_commits() -> None:
    s = Story(exactly_once=False)

    async def story() -> None:
        await s.live()
        stuck = True
        s.world.log.fault = lambda operation, subject: (
            Retryable("away") if stuck and (operation, subject) == ("append", DECISIONS) else None
        )
        await s.write(panel("a"), answer("a", "1"), answer("a", "2"))
        await asyncio.sleep(1)
        s.runtime.stop.set()
        await asyncio.sleep(1)
        stuck = False
        await s.stop()
        assert list(s.decisions()) == ["a"]
        assert s.mark == 3

    s.run(story)
