"""A whole agent over an engine that breaks: each task gets its answer, or the abstention that says
why, and the tasks beside it theirs.

The agent is composed as its process is, on LocalLog and virtual time; the engine's core takes its
steps on the event loop instead of a thread.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from comitia.errors import Overloaded, Retryable
from comitia.inference.decoder import OnnxDecoder
from comitia.inference.decoder_core import DecoderCore
from comitia.inference.limits import Limits
from comitia.inference.space import Space
from comitia.ports import Watch
from comitia.v1.answer_pb2 import AbstentionReason, Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.control_pb2 import Control
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.format_pb2 import AnswerFormat, TextFormat
from comitia.v1.panel_event_pb2 import PanelEvent
from tests.unit.inference_trials import DeviceGone, StrictRunner, tiny_text
from tests.unit.runtime_world import World, simulate, until
from tests.unit.test_agent_main import EVENTS, Process, assignment, cards

INBOX, CONTROL = "comitia.inbox.anna.v1", "comitia.control.v1"
WRITES = "  w:\n    text:\n      item: 'On {input}:'\n      tokens_max: 60\n"


class LoopEngine:
    """engine.Engine, but that the event loop takes the steps."""

    def __init__(self, core: DecoderCore, jobs_max: int) -> None:
        self.core, self._jobs_max = core, jobs_max
        self._turning = False

    def submit(self, job: Any) -> None:
        if self.core.held() >= self._jobs_max:
            raise Overloaded("no room")
        self.core.add(job)
        if not self._turning:
            self._turning = True
            # A step takes its time.
            asyncio.get_running_loop().call_later(0.02, self._turn)

    def watch(self, watch: Watch) -> None:
        self.core.watched(watch)

    async def ended(self) -> None:
        await asyncio.Event().wait()

    def close(self) -> None:
        self.core.abandon(Retryable("closed"))

    def _turn(self) -> None:
        self.core.let_go()
        self._turning = bool(self.core.held())
        if self._turning:
            try:
                self.core.step()
            except ZeroDivisionError as error:
                self.core.recover(Retryable(str(error)))
            # A step takes its time.
            asyncio.get_running_loop().call_later(0.02, self._turn)


class Scene:
    """One agent, its tasks and what is published of them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, jobs_max: int = 32) -> None:
        self.world = World()
        paths = cards(folder, "anna")
        paths[0].write_text(paths[0].read_text() + WRITES, encoding="utf-8")
        self._process = Process(self.world, paths, monkeypatch)
        text, limits = tiny_text(folder), Limits(rows=3, shelves=2, chunk_tokens=16)
        self.runner = StrictRunner(5)
        self.space = Space(self.runner, 3, 2, 1024)
        self.core = DecoderCore(text, self.runner, self.space, limits, (DeviceGone,))
        engine: Any = LoopEngine(self.core, jobs_max)
        model: Any = OnnxDecoder("scripted", "sha256:0", text, engine, 3)
        self._process.model = model

    def run(self, *made: Assignment, prepare: Any = lambda: None, stopped: str = "") -> None:
        async def story() -> None:
            prepare()
            for one in made:
                await self.world.write(INBOX, one.task.id, one)
            if stopped:
                await until(lambda: len(self.core._writers) == len(made))
                await self.world.write(
                    CONTROL, stopped, Control(task_id=stopped, deadline_ms=2**50)
                )
            await until(lambda: len(self.answers()) == len(made) - bool(stopped))

        async def whole() -> None:
            await self.world.create()
            await self._process.run(story())

        simulate(self.world, whole())
        assert not self.core.held() and self.space.free_rows == 3

    def answers(self) -> dict[str, Answer]:
        """By task."""
        events = self.world.messages(EVENTS, PanelEvent)
        return {event.task_id: event.answer for event in events}


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


def task(number: int, text: str, deadline_ms: int = 2**50) -> Assignment:
    made = assignment("anna")
    made.id, made.task.id, made.deadline_ms = f"p.{number}", f"t{number}", deadline_ms
    made.task.input.text = text
    return made


def writes(number: int) -> Assignment:
    made = task(number, "rain")
    made.task.skill = "w"
    made.task.format.CopyFrom(AnswerFormat(text=TextFormat()))
    return made


def reason(answer: Answer) -> str:
    assert answer.WhichOneof("outcome") == "abstention", answer
    return AbstentionReason.Name(answer.abstention.reason).removeprefix("ABSTENTION_REASON_")


@pytest.mark.parametrize(
    ("text", "expected", "detail"),
    [
        ("too long " * 40, "TOO_LONG", "reads 160"),
        ("a ^ b", "FAILED", "not finite"),
    ],
)
def test_what_a_model_cannot_do_is_an_abstention_and_others_get_answers(
    scene: Scene, text: str, expected: str, detail: str
) -> None:
    scene.run(task(1, "fine"), task(2, text), task(3, "good"))
    answers = scene.answers()
    assert reason(answers["t2"]) == expected and detail in answers["t2"].abstention.detail
    assert answers["t1"].value.option_id and answers["t3"].value.option_id


def test_a_device_that_is_away_for_a_moment_costs_a_retry(scene: Scene) -> None:
    def away() -> None:
        scene.runner.faults = [DeviceGone("away")] * 9

    scene.run(task(1, "fine"), task(2, "good"), prepare=away)
    assert all(answer.value.option_id for answer in scene.answers().values())


def test_a_step_that_breaks_costs_a_retry(scene: Scene) -> None:
    def slip() -> None:
        scene.runner.faults = [ZeroDivisionError("a slip")] * 2

    scene.run(task(1, "fine"), task(2, "good"), task(3, "so so"), writes(4), prepare=slip)
    answers = scene.answers()
    assert all(answers[f"t{n}"].value.option_id for n in (1, 2, 3)) and answers["t4"].value.text


def test_what_breaks_the_device_each_time_is_given_up_at_its_deadline(scene: Scene) -> None:
    soon = scene.world.clock.now_ms() + 8_000
    scene.run(task(1, "fine"), task(2, "a ~ b", soon), task(3, "good"))
    answers = scene.answers()
    assert reason(answers["t2"]) == "FAILED"
    assert "ONNX Runtime failed" in answers["t2"].abstention.detail
    assert answers["t1"].value.option_id and answers["t3"].value.option_id
    (letter,) = scene.world.messages("comitia.dead-letters.v1", DeadLetter)
    assert "RETRIES_EXHAUSTED" in json.dumps(str(letter))


def test_a_full_engine_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path, monkeypatch, jobs_max=2)
    scene.run(*(task(number, "fine") for number in range(9)))
    assert all(answer.value.option_id for answer in scene.answers().values())


def test_a_task_that_is_stopped_leaves_the_batch_and_the_others_write_on(scene: Scene) -> None:
    scene.run(writes(1), writes(2), stopped="t1")
    (answer,) = scene.answers().items()
    assert answer[0] == "t2" and answer[1].value.text
