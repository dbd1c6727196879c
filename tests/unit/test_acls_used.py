"""The services touch what comitia.acls allows them, all of it and nothing else: their own
compositions run on LocalLog, through a log that writes down what they ask of it.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from comitia import acls
from comitia.acls import Acl
from comitia.config import (
    AggregatorSettings,
    LearnerSettings,
    RouterSettings,
    ServiceSettings,
    load,
)
from comitia.errors import ComitiaError
from comitia.ports import Ack, Outgoing, Reader, ReaderSpec, TopicSpec, Writer
from comitia.runtime.service import Service
from comitia.testing import LocalLog
from comitia.topics import Names
from comitia.v1.command_pb2 import Command
from comitia.v1.decision_pb2 import DECISION_STATUS_NO_AGENT, Decision
from comitia.v1.task_pb2 import Task
from comitia_aggregator import main as aggregator_main
from comitia_learner import main as learner_main
from comitia_router import main as router_main
from tests.unit import test_agent_main as agents
from tests.unit.learner_world import decision_on, feedback_on
from tests.unit.runtime_world import World, simulate, until

AGENT = "anna"
Touched = set[tuple[str, str, str]]


@dataclass
class Watched:
    """A log that notes (resource, name, operation) of what Kafka would check."""

    log: LocalLog
    touched: Touched = field(default_factory=set)

    async def reader(self, spec: ReaderSpec) -> Reader:
        for topic in {*spec.topics, *(tp.topic for tp in spec.partitions)}:
            self.touched |= {("topic", topic, "Read"), ("topic", topic, "DescribeConfigs")}
        if spec.group is not None:
            self.touched.add(("group", spec.group, "Read"))
        return await self.log.reader(spec)

    async def writer(self, transactional_id: str | None = None) -> Writer:
        if transactional_id is not None:
            self.touched.add(("transactional-id", transactional_id, "Write"))
        return WatchedWriter(await self.log.writer(transactional_id), self.touched)

    async def describe(self, topics: Sequence[str]) -> Any:
        for topic in topics:
            self.touched |= {("topic", topic, "Describe"), ("topic", topic, "DescribeConfigs")}
        return await self.log.describe(topics)

    async def create(self, topics: Sequence[TopicSpec]) -> None:
        raise AssertionError("services make no topics")

    async def close(self) -> None:
        await self.log.close()


class WatchedWriter:
    """Passes on all that it does not note."""

    def __init__(self, writer: Writer, touched: Touched) -> None:
        self._writer, self._touched = writer, touched

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def _note(self, topic: str) -> None:
        self._touched |= {("topic", topic, "Write"), ("topic", topic, "DescribeConfigs")}

    async def send(self, record: Outgoing) -> Awaitable[Ack]:
        self._note(record.topic)
        return await self._writer.send(record)

    async def append(self, records: Sequence[Outgoing]) -> list[Ack | ComitiaError]:
        for record in records:
            self._note(record.topic)
        return await self._writer.append(records)


def check(touched: Touched, allowed: Sequence[Acl]) -> None:
    """Every right is used, and nothing is done without one."""
    rights = {(acl, operation) for acl in allowed for operation in acl.operations}
    used = {right for right in rights for touch in touched if covers(*right, *touch)}
    assert used == rights
    assert {t for t in touched if not any(covers(*right, *t) for right in rights)} == set()


def covers(acl: Acl, allowed: str, resource: str, name: str, operation: str) -> bool:
    named = name == acl.name or (acl.pattern == "prefixed" and name.startswith(acl.name))
    implied = operation == "Describe" and allowed in ("Read", "Write")
    return acl.resource == resource and named and (operation == allowed or implied)


def settings(kind: type[ServiceSettings]) -> Any:
    return load(kind, {"bootstrap": "unused:1", "create_topics": False, "grace_ms": 1_000})


async def serve(runtime: Any, compose: Any, configured: Any) -> None:
    async with asyncio.TaskGroup() as group:
        await compose(Service(configured, runtime, group))


def a_task(task_id: str) -> Task:
    task = Task(id=task_id, skill="s", timeout_ms=50_000)
    task.input.text = "It."
    task.format.choice.options.add(id="yes")
    task.format.choice.options.add(id="no")
    return task


def of_a_stage() -> Task:
    task = a_task("t4")
    task.policy.stages.add(name="only")
    return task


def left_to_a_person(task_id: str) -> Task:
    task = a_task(task_id)
    again, person = task.policy.steps.add(), task.policy.steps.add()
    again.when.always = person.when.always = True
    again.deliberation.rounds = 1
    person.person.expires_ms = 1_000_000
    return task


async def settle(world: World) -> None:
    """A person's word on a task; the first that is asked once the router knows who is alive."""
    names, status = world.names, DECISION_STATUS_NO_AGENT
    made: dict[str, Decision] = {}
    while status == DECISION_STATUS_NO_AGENT:
        task = left_to_a_person(f"asked-{len(made)}")
        await world.write(names.topic("tasks"), task.id, task)
        await until(lambda wanted=task.id: wanted in decided(world))  # type: ignore[misc]
        made = decided(world)
        status = made[task.id].status
    command = Command()
    command.verdict.task_id, command.verdict.by = task.id, "ann"
    command.verdict.value.option_id, command.verdict.because = "yes", "it is"
    (record,) = [r for r in world.records(names.topic("decisions")) if r.key == task.id.encode()]
    command.verdict.decision_offset = record.offset
    await world.write(names.topic("commands"), task.id, command)
    await until(lambda: decided(world)[task.id].revision == 1)


def decided(world: World) -> dict[str, Decision]:
    found = world.messages(world.names.topic("decisions"), Decision)
    return {one.task_id: one for one in found}


async def story(world: World) -> None:
    """A task that an agent waits for and that is cancelled, one of a stage, one that is left to a
    person after a second round, and a record that nobody can read on each way.
    """
    names = world.names
    await until(lambda: len(world.records(names.topic("agents"))) == 1)
    task = a_task("t1")
    # More than there are: so it stays open.
    task.policy.quorum, task.policy.wait_for_all = 1, True
    await world.write(names.topic("tasks"), task.id, task)
    cancel = Command()
    cancel.cancel.task_id, cancel.cancel.reason = "t1", "no more"
    await world.write(names.topic("commands"), "t1", cancel)
    await world.write(names.topic("tasks"), "t4", of_a_stage())
    await settle(world)
    unreadable = (
        names.topic("tasks"), names.topic("panel-events"), names.topic("feedback"),
        names.inbox(AGENT),
    )  # fmt: skip
    for topic in unreadable:
        await world.write(topic, "t2", b"\xff", partition=0)
    letters = names.topic("dead-letters")
    await until(lambda: len(world.records(letters)) >= len(unreadable))
    await until(lambda: len(world.records(names.topic("decisions"))) >= 1)
    await until(lambda: len(world.records(names.topic("stages"))) == 1)
    decided = decision_on("t3", {"ann": "yes"})
    await world.write(names.topic("decisions"), "t3", decided, partition=1)
    await world.write(names.topic("feedback"), "t3", feedback_on("t3", "yes", 0, partition=1))
    await until(lambda: len(world.records(names.topic("weights"))) >= 1)


def test_each_service_uses_all_its_rights_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(names=Names("staging."))
    names = world.names
    watched = {name: Watched(world.log) for name in ("router", "aggregator", "learner", "agent")}
    card = agents.cards(tmp_path, AGENT)
    card[0].write_text(card[0].read_text() + "priority_lane: true\n")
    process = agents.Process(world, card, monkeypatch)
    process.runtime = replace(process.runtime, log=watched["agent"])
    process.settings = process.settings.model_copy(update={"create_topics": False})

    async def whole() -> None:
        await world.create(AGENT)
        await world.log.create([names.inbox_spec(AGENT, high=True)])
        others = {
            name: world.runtime(name, log=watched[name])
            for name in ("router", "aggregator", "learner")
        }
        running = [
            asyncio.create_task(
                serve(others["router"], router_main.compose, settings(RouterSettings))
            ),
            asyncio.create_task(
                serve(others["aggregator"], aggregator_main.compose, settings(AggregatorSettings))
            ),
            asyncio.create_task(
                serve(others["learner"], learner_main.compose, settings(LearnerSettings))
            ),
        ]
        await process.run(story(world))
        for runtime in others.values():
            runtime.stop.set()
        await asyncio.gather(*running)

    simulate(world, whole())
    check(watched["router"].touched, acls.router(names))
    check(watched["aggregator"].touched, acls.aggregator(names))
    check(watched["learner"].touched, acls.learner(names))
    check(watched["agent"].touched, acls.agent(names, AGENT, priority_lane=True))
