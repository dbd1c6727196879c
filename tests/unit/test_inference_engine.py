"""The engine by steps: who joins when, whose fault is whose, what is left when the thread dies."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from comitia.errors import Poison, Retryable
from comitia.inference.decoder_core import DecoderCore
from comitia.inference.engine import Engine
from comitia.inference.jobs import GenerateJob, Job, ScoreJob
from comitia.inference.limits import Limits
from comitia.inference.runner import Feed, Outcome
from comitia.inference.space import Space
from comitia.inference.text import Text
from comitia.ports import Prompt, Sampling, Watch
from tests.unit.inference_models import END, byte_tokenizer

FAULT, NOISE = "~", "^"


class FakeRunner:
    """The next token is the last one plus 1; a "~" breaks the runtime and a "^" the numbers."""

    def __init__(self) -> None:
        self.adapters: Mapping[str, int] = {}
        # Of each step the tokens of each row, and what is in the cache.
        self.calls: list[dict[int, int]] = []
        self.rows: dict[int, list[int]] = {}
        encode = byte_tokenizer().encode
        self._fault, self._noise = encode(FAULT).ids[0], encode(NOISE).ids[0]

    def run(self, feeds: Sequence[Feed], *, logits: bool) -> Outcome:
        self.calls.append({feed.row: len(feed.tokens) for feed in feeds})
        assert len(self.calls[-1]) == len(feeds), "a row stands once in a step"
        found = np.concatenate([self._logits(feed) for feed in feeds])
        finite = np.isfinite(found.sum(-1))
        return Outcome(found.argmax(-1), finite, found if logits else None)

    def copy(self, source: int, target: int, tokens: int) -> None:
        assert 0 < tokens <= len(self.rows[source])
        self.rows[target] = self.rows[source][:tokens]

    def release(self, row: int, kept: int) -> None:
        self.rows[row] = self.rows.get(row, [])[:kept]

    def _logits(self, feed: Feed) -> NDArray[np.float32]:
        if self._fault in feed.tokens:
            raise RuntimeError("the device is gone")
        held = self.rows.get(feed.row, [])
        assert len(held) >= feed.past, "what a piece stands behind is there"
        self.rows[feed.row] = [*held[: feed.past], *feed.tokens]
        logits = np.zeros((len(feed.wanted), 300), np.float32)
        for number, place in enumerate(feed.wanted):
            token = feed.tokens[place]
            logits[number, (token + 1) % 300] = np.nan if token == self._noise else 50.0
        return logits


@pytest.fixture
def core(tmp_path: Path) -> tuple[DecoderCore, FakeRunner]:
    byte_tokenizer().save(str(tmp_path / "tokenizer.json"))
    facts = {"bos": None, "ends": [END], "template": None, "context_tokens": 64}
    (tmp_path / "text.json").write_text(json.dumps(facts))
    runner = FakeRunner()
    limits = Limits(rows=2, shelves=2, chunk_tokens=8, mixed_tokens=8)
    space = Space(runner, limits.rows, limits.shelves, 4 * 64)
    return DecoderCore(Text(tmp_path, "tiny"), runner, space, limits, (RuntimeError,)), runner


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
    assert {0: 1, 1: 1} in core[1].calls, "two rows in one step"


def test_a_long_prompt_does_not_stop_the_others(core: tuple[DecoderCore, FakeRunner]) -> None:
    core[0].add(generation("a", 40))
    core[0].step()
    core[0].add(ScoreJob(prompt=Prompt("", "x" * 40), options=("y",)))
    core[1].calls.clear()
    for _ in range(5):
        core[0].step()
    assert core[1].calls == [{0: 1, 1: 8}] * 5


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


class FailingCore:
    """Breaks at the steps that are named; a job is done in the step after."""

    def __init__(self, *breaks: int) -> None:
        self.jobs: list[Job[Any]] = []
        self.breaks, self.steps = breaks, 0

    def add(self, job: Job[Any]) -> None:
        self.jobs.append(job)

    def let_go(self) -> None:
        """Nothing was cancelled."""

    def step(self) -> None:
        self.steps += 1
        if self.steps in self.breaks:
            raise ZeroDivisionError("a slip in the engine")
        self.jobs.pop().settle("done")

    def held(self) -> int:
        return len(self.jobs)

    def recover(self, error: BaseException) -> None:
        self.abandon(error)

    def abandon(self, error: BaseException) -> None:
        while self.jobs:
            self.jobs.pop().fail(error)

    def watched(self, watch: Watch) -> None:
        """Nobody looks."""


def test_a_step_that_breaks_costs_its_own_jobs_and_the_engine_goes_on() -> None:
    engine = Engine(FailingCore(1, 2, 4, 5), "tiny", 4)
    for broken in (True, True, False, True, True, False):
        job = generation("a")
        engine.submit(job)
        error = job.future.exception(timeout=30)
        assert (error is not None) == broken
        assert error is None or (isinstance(error, Retryable) and "a slip in" in str(error))
    engine.close()


async def test_an_engine_that_only_breaks_ends_and_leaves_nobody_waiting() -> None:
    engine = Engine(FailingCore(1, 2, 3), "tiny", 4)
    watching = asyncio.create_task(engine.ended())
    for _ in range(3):
        job = generation("a")
        engine.submit(job)
        assert isinstance(job.future.exception(timeout=30), Retryable)
    with pytest.raises(Retryable, match="a slip in the engine"):
        await watching
    with pytest.raises(Retryable, match="a slip in the engine"):
        engine.submit(generation("b"))
    engine.close()


async def test_a_closed_engine_has_ended_in_peace() -> None:
    engine = Engine(FailingCore(), "tiny", 4)
    watching = asyncio.create_task(engine.ended())
    await asyncio.to_thread(engine.close)
    await watching
