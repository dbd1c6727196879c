"""The agent's composition on LocalLog: cards published once, several agents on one model, work
answered, spans connected.
"""

import asyncio
import math
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from comitia.config import AgentSettings, load
from comitia.errors import ConfigError, Retryable
from comitia.inference.limits import Limits
from comitia.inference.session import Threads
from comitia.ports import Prompt, Scores
from comitia.runtime.service import Service
from comitia.telemetry.setup import setup, tracers
from comitia.testing import ScriptedModel
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.format_pb2 import AnswerFormat, ChoiceFormat, Option
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.input_pb2 import Input
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_agent import main
from tests.unit.runtime_world import World, simulate, until
from tests.unit.test_agent_embedding import Encoder

EVENTS = "comitia.panel-events.v1"
PARENT = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
CARD = """
name: {name}
version: 1
description: A test.
model: scripted
skills:
  s:
    choice:
      item: "{name} reads: {{input}}"
"""


def cards(folder: Path, *names: str) -> list[Path]:
    paths = [folder / f"{name}.yaml" for name in names]
    for path, name in zip(paths, names, strict=True):
        path.write_text(CARD.format(name=name), encoding="utf-8")
    return paths


def settings(paths: list[Path], **more: int) -> AgentSettings:
    listed = ":".join(map(str, paths))
    given = {"bootstrap": "unused:1", "agent_cards": listed, "grace_ms": 1_000, **more}
    return load(AgentSettings, given)


def assignment(agent: str) -> Assignment:
    choice = ChoiceFormat(options=[Option(id="yes"), Option(id="no")])
    task = Task(id="t1", skill="s", input=Input(text="It."), format=AnswerFormat(choice=choice))
    return Assignment(
        id=f"p.{agent}", agent=agent, task=task, deadline_ms=2**50,
        reply_topic=EVENTS, reply_partition=2,
    )  # fmt: skip


class Process:
    """One agent process on the world's log."""

    def __init__(self, world: World, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        self.model = ScriptedModel(scores=[(math.log(0.9), math.log(0.1))])
        self.runtime = world.runtime("agent")
        self.settings = settings(paths)
        monkeypatch.setattr(main, "find_card", lambda folder, name: name)
        monkeypatch.setattr(main, "load_model", self._load)
        monkeypatch.setattr(asyncio, "to_thread", _at_once)

    def _load(
        self, card: str, cache: Path, threads: Threads, device: str, limits: Limits
    ) -> ScriptedModel:
        self.limits, self.threads = limits, threads
        return self.model

    async def run(self, story: Coroutine[Any, Any, None]) -> None:
        """Start, let the story happen, stop."""
        try:
            async with asyncio.TaskGroup() as group:
                service = Service(self.settings, self.runtime, group)
                try:
                    await main.compose(service)
                    await story
                finally:
                    story.close()
                    self.runtime.stop.set()
            await service.close()
        except ExceptionGroup as several:
            raise several.exceptions[0] from several


async def _at_once(call: Any, *arguments: Any, **named: Any) -> Any:
    return call(*arguments, **named)


async def _nothing() -> None:
    return


def test_two_agents_on_one_model_publish_cards_and_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    process = Process(world, cards(tmp_path, "anna", "bert"), monkeypatch)

    async def story() -> None:
        for name in ("anna", "bert"):
            await world.write(world.names.inbox(name), "t1", assignment(name))
        await until(lambda: len(world.records(EVENTS)) == 2)

    async def whole() -> None:
        await world.create()
        await process.run(story())

    simulate(world, whole())
    published = world.messages("comitia.agents.v1", AgentCard)
    assert sorted(card.name for card in published) == ["anna", "bert"]
    assert all(card.model.digest == process.model.digest for card in published)
    events = world.messages(EVENTS, PanelEvent)
    assert sorted(event.answer.assignment_id for event in events) == ["p.anna", "p.bert"]
    assert {event.answer.value.option_id for event in events} == {"yes"}
    assert {record.partition for record in world.records(EVENTS)} == {2}
    beats = world.messages("comitia.heartbeats.v1", Heartbeat)
    assert {beat.agent for beat in beats if beat.leaving} == {"anna", "bert"}
    assert process.model.closed
    assert process.limits.shelves == 4, "each agent's prompt keeps its places in the prefix cache"


def test_an_embedder_runs_beside_the_model_and_its_vectors_go_with_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    paths = cards(tmp_path, "anna")
    paths[0].write_text(CARD.format(name="anna") + "embedder: minilm\n", encoding="utf-8")
    process = Process(world, paths, monkeypatch)
    encoder = Encoder(name="minilm")
    loaded = {"scripted": process.model, "minilm": encoder}
    monkeypatch.setattr(main, "load_model", lambda card, *rest: loaded[card])

    async def story() -> None:
        await world.write(world.names.inbox("anna"), "t1", assignment("anna"))
        await until(lambda: bool(world.records(EVENTS)))

    async def whole() -> None:
        await world.create()
        await process.run(story())

    simulate(world, whole())
    (event,) = world.messages(EVENTS, PanelEvent)
    assert event.answer.input_embedding.embedder == "minilm"
    assert process.model.closed and encoder.closed


class Held(ScriptedModel):
    """Answers nothing before it is let."""

    def __init__(self, capacity: int) -> None:
        super().__init__(scores=[(-0.1, -2.0)], capacity=capacity)
        self.let = asyncio.Event()
        self.at_work = self.most = 0

    async def score(self, prompt: Prompt, options: Sequence[str]) -> Scores:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        if "It." in prompt.text:
            await self.let.wait()
        self.at_work -= 1
        return await ScriptedModel.score(self, prompt, options)


def test_all_agents_together_work_on_what_the_model_can_and_a_quarter_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    process = Process(world, cards(tmp_path, "anna", "bert", "cleo"), monkeypatch)
    process.model = model = Held(capacity=4)
    engine = {"engine_rows": 4, "engine_spin_us": 250, "threads": 3}
    process.settings = settings(cards(tmp_path, "anna", "bert", "cleo"), **engine)

    async def story() -> None:
        for name in ("anna", "bert", "cleo") * 20:
            await world.write(world.names.inbox(name), "t1", assignment(name))
        for _ in range(200):
            await asyncio.sleep(0.01)
        assert model.at_work == 5
        model.let.set()
        await until(lambda: len(world.records(EVENTS)) == 60)
        assert model.most == 5

    async def whole() -> None:
        await world.create()
        await process.run(story())

    simulate(world, whole())
    assert process.limits.rows == 4
    assert process.threads == Threads(3, spin_us=250)


def test_an_engine_that_ends_by_itself_ends_the_process_and_its_work_is_left_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    paths = cards(tmp_path, "anna")
    process = Process(world, paths, monkeypatch)

    async def story() -> None:
        process.model.fail("out of luck")
        await world.write(world.names.inbox("anna"), "t1", assignment("anna"))
        # In virtual time: long after the process should have ended.
        await asyncio.sleep(60)

    async def whole() -> None:
        await world.create()
        with pytest.raises(Retryable, match="has ended: out of luck"):
            await process.run(story())
        assert not world.records(EVENTS)
        successor = Process(world, paths, monkeypatch)
        await successor.run(until(lambda: len(world.records(EVENTS)) == 1))

    simulate(world, whole())


def test_a_second_start_publishes_nothing_and_a_changed_card_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    paths = cards(tmp_path, "anna")

    async def whole() -> None:
        await world.create()
        await Process(world, paths, monkeypatch).run(_nothing())
        await Process(world, paths, monkeypatch).run(_nothing())
        paths[0].write_text(paths[0].read_text().replace("reads", "sees"), encoding="utf-8")
        with pytest.raises(ConfigError, match="Raise 'version'"):
            await Process(world, paths, monkeypatch).run(_nothing())

    simulate(world, whole())
    assert len(world.records("comitia.agents.v1")) == 1


def test_spans_of_agent_and_model_hang_under_the_assignments_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    spans = InMemorySpanExporter()
    telemetry = setup("agent", "i", {})
    telemetry.trace(tracers(Resource.create({}), SimpleSpanProcessor(spans)))
    process = Process(world, cards(tmp_path, "anna"), monkeypatch)
    process.runtime = replace(process.runtime, telemetry=telemetry)

    async def story() -> None:
        traced = (("traceparent", PARENT.encode()),)
        await world.write(world.names.inbox("anna"), "t1", assignment("anna"), headers=traced)
        await until(lambda: len(world.records(EVENTS)) == 1)

    async def whole() -> None:
        await world.create()
        await process.run(story())

    simulate(world, whole())
    of_trace = [s for s in spans.get_finished_spans() if f"{s.context.trace_id:032x}" in PARENT]
    by_name = {span.name: span for span in of_trace}
    invoked, chat = by_name["invoke_agent anna"], by_name["chat scripted"]
    assert chat.parent is not None and chat.parent.span_id == invoked.context.span_id
    process_span = by_name["process comitia.inbox.anna.v1"]
    assert invoked.parent is not None and invoked.parent.span_id == process_span.context.span_id
    assert (chat.attributes or {})["gen_ai.usage.input_tokens"] == 3
    for span in (process_span, invoked):
        assert (span.attributes or {})["comitia.task.id"] == "t1"
        assert (span.attributes or {})["comitia.assignment.id"] == "p.anna"
