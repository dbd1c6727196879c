"""The owner loop on LocalLog: fold, held effects, timers after the asked end, take-over, load."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from comitia.effects import DeadLetter, DecidedTask, Effect, Publish, Recorded, StopWork, Timer
from comitia.errors import Poison, Retryable
from comitia.runtime.owner import OwnerSpec, run_owner
from comitia.v1 import decision_pb2 as d
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.control_pb2 import Control
from comitia.v1.dead_letter_pb2 import DeadLetter as DeadLetterMessage
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from tests.unit.runtime_world import World, simulate, until

GROUP = "comitia.aggregator"
EVENTS = "comitia.panel-events.v1"
DECISIONS = "comitia.decisions.v1"
LETTERS = "comitia.dead-letters.v1"
INBOX = "comitia.inbox.anna.v1"
CONTROL = "comitia.control.v1"


@dataclass
class Count:
    timer_ms: int | None = None
    size_bytes: int = 100
    digest: bytes = b""
    opened: bool = False
    round: int = 1
    answers: list[str] = field(default_factory=list)
    decided: bool = False


class Counting:
    """Two answers decide, in a second round three; the deadline decides with what there is."""

    def __init__(self) -> None:
        self.steps = 0
        self.after_seen: list[tuple[str, bytes]] = []

    def step(
        self,
        state: Count | None,
        event: Recorded[PanelEvent] | Timer,
        now_ms: int,
        overloaded: bool,
    ) -> tuple[Count | None, Sequence[Effect]]:
        self.steps += 1
        state = state or Count()
        if isinstance(event, Timer):
            return state, self._decide(state, event.task_id, d.DECISION_STATUS_EXPIRED)
        task_id, kind = event.message.task_id, event.message.WhichOneof("event")
        if state.decided:
            return state, ()
        if kind == "panel_opened":
            if task_id == "nothing":
                return None, ()
            if task_id == "poison":
                raise Poison("cannot fold", "BAD_PANEL")
            state.opened, state.digest = True, b"digest"
            if overloaded:
                return state, self._decide(state, task_id, d.DECISION_STATUS_OVERLOADED)
            state.timer_ms = event.message.panel_opened.deadline_ms
        elif kind == "answer":
            state.answers.append(event.message.answer.assignment_id)
        elif kind == "round_opened":
            state.round = event.message.round_opened.round
        elif kind == "task_failed":
            return state, self._decide(state, task_id, d.DECISION_STATUS_FAILED)
        if state.opened and len(state.answers) > state.round:
            if task_id == "two-rounds" and state.round == 1:
                return state, self._second_round(task_id)
            return state, self._decide(state, task_id, d.DECISION_STATUS_DECIDED)
        return state, ()

    def after(self, decided: DecidedTask, event: Recorded[PanelEvent]) -> Sequence[Effect]:
        self.after_seen.append((decided.task_id, decided.digest))
        if event.message.WhichOneof("event") == "panel_opened":
            return (DeadLetter("DUPLICATE_ID", "another content", decided.task_id),)
        return ()

    def _decide(self, state: Count, task_id: str, status: d.DecisionStatus) -> tuple[Effect, ...]:
        state.decided, state.timer_ms = True, None
        decision = Decision(task_id=task_id, status=status, explanation=",".join(state.answers))
        if task_id == "huge":
            decision.explanation = "x" * 5_000_000
        return (Publish(DECISIONS, task_id, decision), StopWork(task_id, "", "decided", 1))

    def _second_round(self, task_id: str) -> tuple[Effect, ...]:
        opened = PanelEvent(task_id=task_id)
        opened.round_opened.round = 2
        return (
            Publish(INBOX, task_id, Assignment(id="second"), partition=0),
            Publish(EVENTS, task_id, opened, order=1),
        )


def panel(task_id: str, deadline_ms: int = 2**50) -> PanelEvent:
    event = PanelEvent(task_id=task_id)
    event.panel_opened.deadline_ms = deadline_ms
    return event


def answer(task_id: str, name: str) -> PanelEvent:
    event = PanelEvent(task_id=task_id)
    event.answer.assignment_id = name
    return event


class Story:
    """A world with one owner that can be stopped, killed and started again."""

    def __init__(self, **bounds: int) -> None:
        self.world = World()
        self.fold = Counting()
        self.bounds = {
            "duplicate_window_ms": 3_600_000,
            "decided_max": 1_000,
            "open_tasks_max": 1_000,
            "open_bytes_max": 1_000_000,
        } | bounds
        self.runtime: Any = None
        self.loop: asyncio.Task[None] | None = None

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            await self.world.create("anna")
            await story()
            if self.loop is not None:
                await self.stop()

        simulate(self.world, whole())

    async def start(self) -> None:
        self.fold = Counting()
        self.runtime = self.world.runtime("aggregator")
        spec = OwnerSpec(GROUP, self.fold, **self.bounds)
        self.loop = asyncio.create_task(run_owner(self.runtime, spec))
        await asyncio.sleep(0)

    async def live(self) -> None:
        await self.start()
        await until(lambda: self.runtime.health.ready)

    async def stop(self) -> None:
        assert self.loop is not None
        self.runtime.stop.set()
        await self.loop
        self.loop = None

    async def kill(self) -> None:
        assert self.loop is not None
        self.loop.cancel()
        await asyncio.wait({self.loop})
        self.loop = None

    async def write(self, *events: PanelEvent, partition: int = 0) -> None:
        for event in events:
            await self.world.write(EVENTS, event.task_id, event, partition=partition)

    def decisions(self) -> dict[str, Decision]:
        found = self.world.messages(DECISIONS, Decision)
        assert len({x.task_id for x in found}) == len(found), "a task was decided twice"
        return {x.task_id: x for x in found}

    @property
    def mark(self) -> int | None:
        return self.world.committed(GROUP, EVENTS, 0)


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
        assert {name for name, _ in s.fold.after_seen} == {"a"}
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
        await until(lambda: s.mark == 7)
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
        await until(lambda: s.mark == 7)

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


def test_stop_delivers_what_is_due_and_commits() -> None:
    s = Story()

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
