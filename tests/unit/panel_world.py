"""A whole panel on LocalLog: the real router, aggregator and workers, with agents that answer at
once. In come records written to topics; out come decisions and dead letters.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from comitia.effects import Effect, Publish, Recorded
from comitia.runtime.context import Runtime
from comitia.runtime.dead_letters import task_refused
from comitia.runtime.owner import OwnerSpec, run_owner
from comitia.runtime.partitioner import partition_of
from comitia.runtime.stage_letters import stage_refused
from comitia.runtime.stream import Source, StreamSpec, run_stream
from comitia.runtime.workers import Workers, WorkersSpec
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.command_pb2 import Command
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_aggregator.main import TaskFold
from comitia_aggregator.measures import Measures
from comitia_aggregator.state import Rules
from comitia_router.handler import Router
from comitia_router.limits import Limits
from tests.unit.runtime_world import World, simulate, until

TASKS = "comitia.tasks.v1"
COMMANDS = "comitia.commands.v1"
STAGES = "comitia.stages.v1"
EVENTS = "comitia.panel-events.v1"
DECISIONS = "comitia.decisions.v1"
LETTERS = "comitia.dead-letters.v1"
AGENTS = "comitia.agents.v1"
NAMES = ("anna", "ben", "cleo")
PARTITIONS = 4
Answer = Callable[[Recorded[Assignment]], Awaitable[Sequence[Effect]]]


def a_task(task_id: str, timeout_ms: int = 2_000) -> Task:
    task = Task(id=task_id, skill="answer", timeout_ms=timeout_ms)
    task.input.text = "yes or no?"
    for option in ("yes", "no"):
        task.format.choice.options.add(id=option)
    task.policy.wait_for_all = True
    return task


def answer_to(assignment: Assignment) -> PanelEvent:
    """An answer for the first option, as every agent of this world gives it."""
    event = PanelEvent(task_id=assignment.task.id)
    event.answer.assignment_id = assignment.id
    event.answer.agent = assignment.agent
    event.answer.value.option_id = "yes"
    event.answer.deadline_ms = assignment.deadline_ms
    return event


async def answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
    assignment = recorded.message
    event = answer_to(assignment)
    return (Publish(assignment.reply_topic, assignment.task.id, event, assignment.reply_partition),)


def saying(length: int) -> Answer:
    """An agent that answers at such length."""

    async def answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
        assignment = recorded.message
        event = answer_to(assignment)
        event.answer.rationale = "x" * length
        topic, partition = assignment.reply_topic, assignment.reply_partition
        return (Publish(topic, assignment.task.id, event, partition),)

    return answer


class Panel:
    """`limits`, `rules`: of the router and the aggregator. `answers`: agent -> how it answers."""

    def __init__(
        self, limits: Limits | None = None, rules: Rules | None = None, **changes: Any
    ) -> None:
        self.world = World()
        self.limits = limits or Limits()
        self.rules = rules or Rules(DECISIONS)
        self.changes = changes
        self.answers: dict[str, Answer] = {}
        self.runtimes: list[Runtime] = []

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            await self.world.create(*NAMES)
            loops = [asyncio.create_task(loop) for loop in self._loops()]
            await until(lambda: all(runtime.health.ready for runtime in self.runtimes))
            await story()
            for runtime in self.runtimes:
                runtime.stop.set()
            await asyncio.gather(*loops)

        simulate(self.world, whole())

    def _loops(self) -> list[Any]:
        names = self.world.names
        router = Router(names, self.limits, lambda key: partition_of(key, PARTITIONS), "r")
        for name in NAMES:
            card = AgentCard(name=name, version=1, skills=["answer"], no_heartbeat=True)
            router.agents.learn(card)
            router.agents.open_inbox(name)
        sources = (
            Source(TASKS, Task, router.on_task, task_refused(names, PARTITIONS), stage="route"),
            Source(STAGES, Task, router.on_stage, stage_refused(names, PARTITIONS), stage="route"),
            Source(COMMANDS, Command, router.on_command),
            Source(AGENTS, AgentCard, router.on_card, removed=router.agents.remove),
        )
        routing, deciding = self._runtime("router"), self._runtime("aggregator")
        owner = OwnerSpec(
            group=names.group("aggregator"),
            fold=TaskFold(self.rules),
            exactly_once=True,
            duplicate_window_ms=3_600_000,
            decided_max=1_000,
            open_tasks_max=1_000,
            open_bytes_max=100_000_000,
            told=Measures(deciding.telemetry).decided,
        )
        loops: list[Any] = [
            run_stream(routing, StreamSpec(names.group("router"), sources)),
            run_owner(deciding, owner),
        ]
        for name in NAMES:
            spec = WorkersSpec(name, 4, self.answers.get(name, answer))
            loops.append(Workers(self._runtime("agent"), spec).run())
        return loops

    def _runtime(self, service: str) -> Runtime:
        self.runtimes.append(self.world.runtime(service, **self.changes))
        return self.runtimes[-1]

    async def publish(self, task: Task | bytes, key: str, **more: Any) -> None:
        await self.world.write(TASKS, key, task, **more)

    async def decided(self, task_id: str) -> Decision:
        await until(lambda: task_id in self.decisions())
        return self.decisions()[task_id]

    def decisions(self) -> dict[str, Decision]:
        """Of each task the last revision."""
        found = self.world.messages(DECISIONS, Decision)
        revisions = {(one.task_id, one.revision) for one in found}
        assert len(revisions) == len(found), "a task was decided twice"
        return {one.task_id: one for one in found}

    def verdict(self, task_id: str, option: str) -> Command:
        """A person's word on what the task was decided to be."""
        command = Command()
        said = command.verdict
        said.task_id, said.by, said.because = task_id, "ann", "I looked"
        for record in self.world.records(DECISIONS):
            decision = Decision.FromString(record.value or b"")
            if decision.task_id == task_id:
                said.revision, said.decision_offset = decision.revision, record.offset
        said.value.option_id = option
        return command

    def letters(self) -> list[DeadLetter]:
        return self.world.messages(LETTERS, DeadLetter)

    def events(self) -> list[PanelEvent]:
        return self.world.messages(EVENTS, PanelEvent)
