"""The engine by steps: who joins when, whose fault is whose, what is left when the thread dies."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from comitia.errors import Poison, Retryable
from comitia.inference.decoder_core import DecoderCore, Limits
from comitia.inference.engine import Engine
from comitia.inference.jobs import GenerateJob, Job, ScoreJob
from comitia.inference.text import Text
from comitia.ports import Prompt, Sampling, Watch
from tests.unit.inference_models import END, byte_tokenizer

FAULT, NOISE = "~", "^"


class FakeRunner:
    """The next token is the last one plus 1; a "~" breaks the runtime and a "^" the numbers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        encode = byte_tokenizer().encode
        self._fault, self._noise = encode(FAULT).ids[0], encode(NOISE).ids[0]

    def extend(
        self, slot: int, past: int, tokens: Sequence[int], wanted: Sequence[int]
    ) -> NDArray[np.float32]:
        self.calls.append(("extend", len(tokens)))
        return self._logits([tokens[place] for place in wanted])

    def decode(self, lengths: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float32]:
        self.calls.append(("decode", len(tokens)))
        return self._logits(tokens)

    def copy(self, source: int, target: int, tokens: int) -> None:
        assert tokens

    def _logits(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        if self._fault in tokens:
            raise RuntimeError("the device is gone")
        logits = np.zeros((len(tokens), 300), np.float32)
        for row, token in enumerate(tokens):
            logits[row, (token + 1) % 300] = np.nan if token == self._noise else 50.0
        return logits


@pytest.fixture
def core(tmp_path: Path) -> tuple[DecoderCore, FakeRunner]:
    byte_tokenizer().save(str(tmp_path / "tokenizer.json"))
    facts = {"bos": None, "ends": [END], "template": None, "context_tokens": 64}
    (tmp_path / "text.json").write_text(json.dumps(facts))
    runner = FakeRunner()
    limits = Limits(rows=2, shelves=2, chunk_tokens=8)
    return DecoderCore(Text(tmp_path, "tiny"), runner, limits, (RuntimeError,)), runner


def generation(text: str, tokens_max: int = 20) -> GenerateJob:
    return GenerateJob(prompt=Prompt("", text), sampling=Sampling(tokens_max))


def test_who_comes_later_joins_the_running_batch(core: tuple[DecoderCore, FakeRunner]) -> None:
    first, second, third = generation("a", 30), generation("b", 2), generation("c", 2)
    core[0].add(first)
    for _ in range(5):
        core[0].step()
    core[0].add(second)
    core[0].add(third)
    while not third.future.done():
        core[0].step()
    assert second.future.done() and not first.future.done()
    assert ("decode", 2) in core[1].calls, "two rows in one step"


def test_a_long_prompt_does_not_stop_the_others(core: tuple[DecoderCore, FakeRunner]) -> None:
    core[0].add(generation("a", 40))
    core[0].step()
    core[0].add(ScoreJob(prompt=Prompt("", "x" * 40), options=("y",)))
    core[1].calls.clear()
    for _ in range(5):
        core[0].step()
    assert core[1].calls == [("extend", 8), ("decode", 1)] * 5


def test_a_fault_fails_its_own_job_alone(core: tuple[DecoderCore, FakeRunner]) -> None:
    broken, odd, fine = generation(FAULT), generation(NOISE), generation("k", 3)
    score = ScoreJob(prompt=Prompt("shared ", FAULT), options=("y",))
    again = ScoreJob(prompt=Prompt("shared ", "x"), options=("y",))
    for job in (broken, odd, score, fine, again):
        core[0].add(job)
    while core[0].held():
        core[0].step()
    assert isinstance(broken.future.exception(), Retryable)
    assert isinstance(odd.future.exception(), Poison)
    assert isinstance(score.future.exception(), Retryable)
    assert fine.future.result().text == "lmn"
    assert np.isfinite(again.future.result().log_likelihoods).all()


def test_cancelled_in_every_phase(core: tuple[DecoderCore, FakeRunner]) -> None:
    running, filling, waiting = generation("a", 40), generation("x" * 40), generation("b")
    for job in (running, filling, waiting):
        core[0].add(job)
    core[0].step()
    core[0].step()
    for job in (running, filling, waiting):
        assert job.future.cancel()
    core[0].let_go()
    assert not core[0].held()
    last = generation("k", 3)
    core[0].add(last)
    while core[0].held():
        core[0].step()
    assert last.future.result().text == "lmn"


class DyingCore:
    """Breaks at the first step."""

    def __init__(self) -> None:
        self.jobs: list[Job[Any]] = []

    def add(self, job: Job[Any]) -> None:
        self.jobs.append(job)

    def let_go(self) -> None:
        """Nothing was cancelled."""

    def step(self) -> None:
        raise ZeroDivisionError("a slip in the engine")

    def held(self) -> int:
        return len(self.jobs)

    def abandon(self, error: BaseException) -> None:
        for job in self.jobs:
            job.fail(error)

    def watched(self, watch: Watch) -> None:
        """Nobody looks."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_leaves_nobody_waiting() -> None:
    engine = Engine(DyingCore(), "tiny", 4)
    job = generation("a")
    engine.submit(job)
    error = job.future.exception(timeout=30)
    assert isinstance(error, Retryable) and "a slip in the engine" in str(error)
    engine.close()
    with pytest.raises(Retryable, match="a slip in the engine"):
        engine.submit(generation("b"))
