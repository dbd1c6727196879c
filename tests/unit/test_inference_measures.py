"""What an engine tells of its work: the sequences of each step, and how fast texts are written."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from comitia.errors import Poison
from comitia.inference.decoder_core import DecoderCore
from comitia.inference.encoder_core import EncoderCore, EncoderLimits
from comitia.inference.jobs import EmbedJob, ScoreJob
from comitia.inference.text import Text
from comitia.ports import Prompt, Step
from comitia.telemetry.metrics import READY
from comitia.telemetry.setup import setup
from comitia_agent.engine import EngineMeasures
from tests.unit.measured import scrape
from tests.unit.test_inference_engine import FakeRunner, core, generation

__all__ = ["core"]


class Notes:
    """A watch that writes down what it is told."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.prompts: list[tuple[int, int]] = []
        self.texts: list[tuple[float, float, int]] = []

    def ran(self, step: Step) -> None:
        self.steps.append(step)

    def read(self, prompt_tokens: int, cached_tokens: int) -> None:
        self.prompts.append((prompt_tokens, cached_tokens))

    def wrote(self, first_s: float, rest_s: float, rest_tokens: int) -> None:
        self.texts.append((first_s, rest_s, rest_tokens))


def test_each_step_tells_its_batch_and_each_text_its_pace(
    core: tuple[DecoderCore, FakeRunner],
) -> None:
    notes = Notes()
    core[0].watched(notes)
    jobs = [generation("a", 4), generation("b", 1), generation("c", 3)]
    for job in jobs:
        core[0].add(job)
    while core[0].held():
        core[0].step()
    assert [step.sequences for step in notes.steps] == [len(call) for call in core[1].calls]
    assert sum(step.read_tokens for step in notes.steps) == 3
    # The first token comes with the prompt.
    assert sum(step.written_tokens for step in notes.steps) == 3 + 0 + 2
    assert sorted(tokens for _, _, tokens in notes.texts) == [0, 2, 3]
    assert all(first > 0 and rest >= 0 for first, rest, _ in notes.texts)
    assert {(step.sequences_max, step.cache_tokens_max) for step in notes.steps} == {(2, 256)}
    assert max(step.cache_tokens for step in notes.steps) == 2 * 64


def test_a_prompt_tells_what_of_it_was_there(core: tuple[DecoderCore, FakeRunner]) -> None:
    notes = Notes()
    core[0].watched(notes)
    for text in ("x", "zz"):
        core[0].add(ScoreJob(prompt=Prompt("shared", text), options=("b",)))
    while core[0].held():
        core[0].step()
    assert notes.prompts == [(7, 0), (8, 6)]


def test_what_fails_or_only_scores_has_no_pace(
    core: tuple[DecoderCore, FakeRunner],
) -> None:
    notes = Notes()
    core[0].watched(notes)
    core[0].add(generation("a~", 4))
    core[0].add(ScoreJob(prompt=Prompt("", "a"), options=("b",)))
    while core[0].held():
        core[0].step()
    assert notes.texts == []
    assert [step.written_tokens for step in notes.steps] == [0], "the score's alone"
    # Its numbers break once it is under way: "\\" is followed by "]" and "^".
    broken = generation("\\", 9)
    core[0].add(broken)
    while core[0].held():
        core[0].step()
    assert isinstance(broken.future.exception(), Poison)
    assert notes.steps[-1].written_tokens
    assert notes.texts == []


def test_an_encoder_tells_the_texts_of_each_batch(tmp_path: Path, text: Text) -> None:
    def states(tokens: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.ones((*tokens.shape, 2), np.float32)

    encoder, notes = EncoderCore(text, states, "mean", EncoderLimits(batch_tokens=8)), Notes()
    encoder.watched(notes)
    job = EmbedJob(texts=("ab", "cd", "ef"))
    encoder.add(job)
    while encoder.held():
        encoder.step()
    assert [step.sequences for step in notes.steps] == [3]
    assert notes.steps[0].read_tokens == 5, "a and b are one token"
    assert len(job.future.result().vectors) == 3


@pytest.fixture
def text(core: tuple[DecoderCore, FakeRunner]) -> Text:
    return core[0]._text


def test_an_engines_words_become_metrics_of_its_model() -> None:
    telemetry = setup("agent", "i", {})
    telemetry.observe(READY, lambda: [(1, {})])
    measures = EngineMeasures(telemetry, "tiny")
    measures.ran(Step(4, 16, 64, 3, 1024, 8192, 0.25))
    measures.ran(Step(2, 16, 0, 2, 512, 8192, 0.05))
    measures.read(100, 80)
    measures.read(50, 0)
    measures.wrote(0.5, 2.0, 4)
    measures.wrote(0.1, 0.0, 0)
    found, whose = scrape(telemetry), ("chat", "onnxruntime", "tiny")
    assert found["comitia_model_batch_size_sum"] == {("tiny",): 6}
    assert found["comitia_model_batch_tokens_sum"] == {("tiny", "input"): 64, ("tiny", "output"): 5}
    assert found["comitia_model_batch_tokens_count"][("tiny", "input")] == 1
    assert found["comitia_model_step_duration_seconds_sum"] == {("tiny",): 0.3}
    occupied = found["comitia_model_occupancy_sum"]
    assert occupied == {("sequences", "tiny"): 0.375, ("cache", "tiny"): 0.1875}
    assert found["comitia_model_prompt_tokens_total"] == {
        ("cache", "tiny"): 80,
        ("read", "tiny"): 70,
    }
    assert found["gen_ai_server_time_to_first_token_seconds_count"] == {whose: 2}
    assert found["gen_ai_server_time_per_output_token_seconds_count"] == {whose: 1}
    assert found["gen_ai_server_time_per_output_token_seconds_sum"] == {whose: 0.5}


def test_an_encoder_has_no_cache_that_could_be_full() -> None:
    telemetry = setup("agent", "i", {})
    telemetry.observe(READY, lambda: [(1, {})])
    EngineMeasures(telemetry, "tiny").ran(Step(3, 64, 12, 0, 0, 0, 0.1))
    found = scrape(telemetry)
    assert found["comitia_model_occupancy_count"][("sequences", "tiny")] == 1
    assert found["comitia_model_occupancy_count"].get(("cache", "tiny"), 0) == 0
