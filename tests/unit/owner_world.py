"""A world with one owner loop on LocalLog, and a small fold for it: two answers decide a task."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from comitia.effects import (
    AnswerDropped,
    DeadLetter,
    DecidedTask,
    Effect,
    Publish,
    Recorded,
    StopWork,
    Timer,
)
from comitia.errors import Poison
from comitia.runtime.owner import OwnerSpec, run_owner
from comitia.v1 import decision_pb2 as d
from comitia.v1.assignment_pb2 import Assignment
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
        if event.message.WhichOneof("event") == "answer":
            return (AnswerDropped("AFTER_DECISION"),)
        if event.message.WhichOneof("event") == "panel_opened":
            return (DeadLetter("DUPLICATE_ID", "another content", decided.task_id),)
        return ()

    def _decide(self, state: Count, task_id: str, status: d.DecisionStatus) -> tuple[Effect, ...]:
        state.decided, state.timer_ms = True, None
        decision = Decision(
            task_id=task_id,
            status=status,
            explanation=",".join(state.answers),
            task_digest=state.digest,
        )
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


def panel(task_id: str, deadline_ms: int = 2**50, appended_ms: int = 0) -> PanelEvent:
    event = PanelEvent(task_id=task_id)
    event.panel_opened.deadline_ms = deadline_ms
    event.panel_opened.task_appended_ms = appended_ms
    return event


def answer(task_id: str, name: str) -> PanelEvent:
    event = PanelEvent(task_id=task_id)
    event.answer.assignment_id = name
    return event


class Story:
    """A world with one owner that can be stopped, killed and started again."""

    def __init__(self, *, exactly_once: bool = True, **bounds: int) -> None:
        self.exactly_once = exactly_once
        self.world = World()
        self.fold = Counting()
        self.bounds: dict[str, Any] = {
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
        spec = OwnerSpec(GROUP, self.fold, self.exactly_once, **self.bounds)
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
