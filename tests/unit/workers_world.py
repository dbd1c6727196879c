"""A world with one agent on LocalLog that answers when it is told to."""

import asyncio
from collections.abc import Sequence
from typing import Any

from comitia.effects import Effect, Publish, Recorded
from comitia.runtime.workers import Workers, WorkersSpec
from comitia.v1 import answer_pb2
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.panel_event_pb2 import PanelEvent
from tests.unit.runtime_world import World, simulate

INBOX = "comitia.inbox.anna.v1"
HIGH = "comitia.inbox.anna.high.v1"
EVENTS = "comitia.panel-events.v1"
LETTERS = "comitia.dead-letters.v1"
CONTROL = "comitia.control.v1"
GROUP = "comitia.agent.anna"
FAR = 2**50


class Agent:
    """Answers when told to; counts what it began."""

    def __init__(self, world: World, *free: str) -> None:
        self.world = world
        self.begun: list[str] = []
        self.most = 0
        self.now = 0
        self.free: dict[str, asyncio.Event] = {}
        self.cancelled: list[str] = []
        self.failing: dict[str, list[Exception]] = {}
        self.answer_all = not free

    def let(self, name: str) -> asyncio.Event:
        return self.free.setdefault(name, asyncio.Event())

    async def answer(self, recorded: Recorded[Assignment]) -> Sequence[Effect]:
        assignment = recorded.message
        self.begun.append(assignment.id)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.failing.get(assignment.id):
                raise self.failing[assignment.id].pop(0)
            if assignment.id in self.free:
                await self.free[assignment.id].wait()
        except asyncio.CancelledError:
            self.cancelled.append(assignment.id)
            raise
        finally:
            self.now -= 1
        event = PanelEvent(task_id=assignment.task.id)
        event.answer.assignment_id = assignment.id
        if assignment.id == "huge":
            event.answer.rationale = "x" * 5_000_000
        return (
            Publish(assignment.reply_topic, assignment.task.id, event, assignment.reply_partition),
        )


def work(name: str, deadline_ms: int = FAR) -> Assignment:
    made = Assignment(id=name, deadline_ms=deadline_ms, reply_topic=EVENTS, reply_partition=1)
    made.task.id = f"task-{name}"
    return made


class Story:
    def __init__(
        self,
        in_flight_max: int = 4,
        stopped: Any = None,
        priority_lane: bool = False,
        name: str = "anna",
        **more: Any,
    ) -> None:
        self.world = World()
        self.name, self.more = name, more
        self.agent = Agent(self.world)
        self.in_flight_max = in_flight_max
        self.stopped = stopped
        self.priority_lane = priority_lane
        self.runtime: Any = None
        self.workers: Workers
        self.loop: asyncio.Task[None] | None = None

    def run(self, story: Any) -> None:
        async def whole() -> None:
            await self.world.create("anna")
            await self.world.log.create([self.world.names.inbox_spec("anna", high=True)])
            await story()
            if self.loop is not None:
                await self.stop()

        simulate(self.world, whole())

    async def start(self, **changes: Any) -> None:
        self.runtime = self.world.runtime("agent", **changes)
        more = {"stopped": self.stopped} if self.stopped is not None else {}
        more |= self.more
        if self.priority_lane:
            more["priority_lane"] = True
        spec = WorkersSpec(self.name, self.in_flight_max, self.agent.answer, **more)
        self.workers = Workers(self.runtime, spec)
        self.loop = asyncio.create_task(self.workers.run())

    async def stop(self) -> None:
        assert self.loop is not None
        self.runtime.stop.set()
        for event in self.agent.free.values():
            event.set()
        await self.loop
        self.loop = None

    async def kill(self) -> None:
        assert self.loop is not None
        self.loop.cancel()
        await asyncio.wait({self.loop})
        self.loop = None

    async def write(self, *assignments: Assignment, topic: str = INBOX) -> None:
        for assignment in assignments:
            await self.world.write(topic, assignment.task.id, assignment, partition=0)

    def answers(self) -> list[answer_pb2.Answer]:
        return [e.answer for e in self.world.messages(EVENTS, PanelEvent)]

    def answered(self) -> list[str]:
        return [a.assignment_id for a in self.answers()]

    @property
    def mark(self) -> int | None:
        return self.world.committed(GROUP, INBOX, 0)
