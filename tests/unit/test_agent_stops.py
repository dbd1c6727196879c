"""The agent's process: orders to stop reach work that runs, also those from before it started; and
its second inbox is read where its card asks for one.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from comitia.config import AgentSettings
from comitia.ports import Prompt, Scores
from comitia.testing import ScriptedModel
from comitia.topics import TOPICS
from comitia.v1.control_pb2 import Control
from comitia.v1.panel_event_pb2 import PanelEvent
from tests.unit.runtime_world import World, simulate, until
from tests.unit.test_agent_main import EVENTS, Process, assignment, cards

CONTROL = "comitia.control.v1"


class SlowModel(ScriptedModel):
    """Scores when it is let to."""

    def __init__(self) -> None:
        super().__init__(scores=[(0.0, -1.0)])
        self.free = asyncio.Event()
        self.begun: list[str] = []
        self.cancelled: list[str] = []

    async def score(self, prompt: Prompt, options: Sequence[str]) -> Scores:
        if "It." in prompt.text:
            self.begun.append(prompt.text)
            try:
                await self.free.wait()
            except asyncio.CancelledError:
                self.cancelled.append(prompt.text)
                raise
        return await super().score(prompt, options)


def answered(world: World) -> list[str]:
    return [event.answer.assignment_id for event in world.messages(EVENTS, PanelEvent)]


def test_an_order_to_stop_cancels_the_models_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    process = Process(world, cards(tmp_path, "anna", "bert"), monkeypatch)
    process.model = model = SlowModel()

    async def story() -> None:
        for name in ("anna", "bert"):
            await world.write(world.names.inbox(name), "t1", assignment(name))
        other = assignment("anna")
        other.id, other.task.id = "p.other", "t2"
        await world.write(world.names.inbox("anna"), "t2", other)
        await until(lambda: len(model.begun) == 3)
        await world.write(CONTROL, "t1", Control(task_id="t1", deadline_ms=2**50))
        await until(lambda: len(model.cancelled) == 2)
        model.free.set()
        await until(lambda: answered(world) == ["p.other"])

    async def whole() -> None:
        await world.create()
        await process.run(story())

    simulate(world, whole())
    assert answered(world) == ["p.other"]


def test_an_agent_that_starts_knows_what_was_stopped_within_the_longest_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    process = Process(world, cards(tmp_path, "anna"), monkeypatch)
    process.settings = process.settings.model_copy(update={"timeout_ms_max": 60_000})

    async def whole() -> None:
        await world.create("anna")
        for age_s, task_id in ((90, "forgotten"), (30, "stopped")):
            await world.write(CONTROL, task_id, Control(task_id=task_id, deadline_ms=2**50))
            await asyncio.sleep(60 if age_s == 90 else 30)
            made = assignment("anna")
            made.id, made.task.id = task_id, task_id
            await world.write(world.names.inbox("anna"), task_id, made, partition=0)
        await process.run(until_answered())

    async def until_answered() -> None:
        await until(lambda: bool(answered(world)))
        await until(lambda: world.committed("comitia.agent.anna", "comitia.inbox.anna.v1", 0) == 2)

    simulate(world, whole())
    assert answered(world) == ["forgotten"]


def test_orders_to_stop_are_kept_for_the_longest_timeout() -> None:
    longest = AgentSettings.model_fields["timeout_ms_max"].default
    assert TOPICS["control"].retention_ms >= longest


def test_a_retention_that_is_too_short_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    process = Process(world, cards(tmp_path, "anna"), monkeypatch)
    process.settings = process.settings.model_copy(update={"timeout_ms_max": 86_400_000})

    async def nothing() -> None:
        return

    async def whole() -> None:
        await world.create()
        await process.run(nothing())

    with caplog.at_level(logging.WARNING, "comitia.agent"):
        simulate(world, whole())
    assert "raise its retention.ms" in caplog.text


def test_the_second_inbox_is_made_and_read_where_the_card_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    paths = cards(tmp_path, "anna", "bert")
    paths[0].write_text(paths[0].read_text() + "priority_lane: true\n", encoding="utf-8")
    process = Process(world, paths, monkeypatch)
    high = world.names.inbox("anna", high=True)

    async def story() -> None:
        await world.write(high, "t1", assignment("anna"))
        await until(lambda: answered(world) == ["p.anna"])

    async def whole() -> Any:
        await world.create()
        await process.run(story())
        return await world.log.describe([high, world.names.inbox("bert", high=True)])

    async def check() -> None:
        assert set(await whole()) == {high}

    simulate(world, check())
