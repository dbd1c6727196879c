"""Faults around a whole model: its thread, its queue, its files. Nobody waits in vain, and what is
refused is told why.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comitia.errors import ConfigError, Overloaded, Poison, Retryable
from comitia.inference.decoder import OnnxDecoder
from comitia.inference.engine import Engine
from comitia.inference.export.make import export
from comitia.inference.jobs import GenerateJob
from comitia.inference.limits import Limits
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.inference.store import MANIFEST, built_folder, sha256_of
from comitia.ports import Prompt, Sampling
from tests.unit.inference_models import card_of, decoder_config, write_decoder
from tests.unit.runtime_world import until
from tests.unit.test_inference_cancel import gate
from tests.unit.test_inference_engine import FailingCore

SENTENCE = Prompt("the ", "quick brown fox")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faults")
    write_decoder(root / "weights", decoder_config("llama"))
    export(card_of(root / "weights"), root)
    return root


def load(folder: Path, limits: Limits | None = None) -> OnnxDecoder:
    loaded = load_model(card_of(folder / "weights"), folder, threads=Threads(1), limits=limits)
    assert isinstance(loaded, OnnxDecoder)
    return loaded


@pytest.fixture
async def model(folder: Path) -> AsyncIterator[OnnxDecoder]:
    loaded = load(folder, Limits(rows=2, shelves=1, jobs=6))
    yield loaded
    await loaded.close()


def inner(model: OnnxDecoder) -> Any:
    """The core that the model's thread drives."""
    return model._engine._core


async def breaking(model: OnnxDecoder, name: str, errors: list[BaseException]) -> None:
    """Let the core's `name` raise each of the errors, once."""
    call = getattr(inner(model), name)

    def breaks(*arguments: Any) -> Any:
        if errors:
            raise errors.pop(0)
        return call(*arguments)

    setattr(inner(model), name, breaks)


async def test_a_step_that_raises_costs_its_jobs_and_the_model_goes_on(model: OnnxDecoder) -> None:
    fine = await model.generate(SENTENCE, Sampling(8))
    await breaking(model, "_pieces", [MemoryError("no memory for this step")])
    with pytest.raises(Retryable, match="no memory for this step"):
        await model.generate(SENTENCE, Sampling(8))
    assert (await model.generate(SENTENCE, Sampling(8))).text == fine.text


@pytest.mark.parametrize("error", [ValueError("a slip"), SystemExit("away")])
async def test_after_three_steps_that_raise_the_engine_ends_and_says_so(
    folder: Path, error: BaseException
) -> None:
    model = load(folder, Limits(rows=1, shelves=0))
    await breaking(model, "_pieces", [error] * 3)
    watching = asyncio.create_task(model.ended())
    calls = [model.generate(SENTENCE, Sampling(8)) for _ in range(5)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [Retryable] * 5, "one row: two never began"
    with pytest.raises(Retryable, match=r"engine of model 'tiny' has ended.*(a slip|away)"):
        await asyncio.wait_for(watching, 30)
    with pytest.raises(Retryable, match="has ended"):
        await model.generate(SENTENCE, Sampling(8))
    await model.close()
    assert not inner(model).held()


class Unforgiving(FailingCore):
    """A core whose recovery breaks as well."""

    def recover(self, error: BaseException) -> None:
        raise LookupError("nothing is where it was")


async def test_a_recovery_that_breaks_ends_the_engine_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    engine = Engine(Unforgiving(1, 2, 3), "tiny", 4)
    engine.submit(GenerateJob(prompt=SENTENCE, sampling=Sampling(1)))
    with pytest.raises(Retryable, match="nothing is where it was"):
        await asyncio.wait_for(engine.ended(), 30)
    engine.close()


class Last(FailingCore):
    """A core whose third step takes until it is let go on."""

    def __init__(self, *breaks: int) -> None:
        super().__init__(*breaks)
        self.begun, self.free = threading.Event(), threading.Event()

    def step(self) -> None:
        if self.steps == 2:
            self.begun.set()
            assert self.free.wait(60)
        super().step()


@pytest.mark.parametrize("breaks", [(1, 2, 3), ()], ids=["ended", "closed"])
async def test_who_arrives_in_the_last_step_is_told_too(breaks: tuple[int, ...]) -> None:
    core = Last(*breaks)
    engine = Engine(core, "tiny", 9)
    jobs = [GenerateJob(prompt=SENTENCE, sampling=Sampling(1)) for _ in range(4)]
    for job in jobs[:2]:
        engine.submit(job)
        await asyncio.wait({asyncio.wrap_future(job.future)}, timeout=30)
    engine.submit(jobs[2])
    assert await asyncio.to_thread(core.begun.wait, 60)
    engine.submit(jobs[3])
    closing = asyncio.create_task(asyncio.to_thread(engine.close))
    if not breaks:
        await until(lambda: engine._closing is not None)
    core.free.set()
    with pytest.raises(Retryable, match="has ended"):
        await asyncio.wait_for(asyncio.wrap_future(jobs[3].future), 30)
    await closing


async def test_the_queue_is_full_and_then_it_is_not(model: OnnxDecoder) -> None:
    free = threading.Event()
    run = inner(model)._runner.run

    def gate(*arguments: Any, **options: Any) -> Any:
        assert free.wait(60)
        return run(*arguments, **options)

    inner(model)._runner.run = gate
    calls = [asyncio.create_task(model.generate(SENTENCE, Sampling(4))) for _ in range(6)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="has 6 requests at work"):
        await asyncio.wait_for(model.score(SENTENCE, ["a"]), 30)
    free.set()
    texts = {result.text for result in await asyncio.gather(*calls)}
    assert len(texts) == 1
    await model.score(SENTENCE, ["a"])


async def test_a_stream_that_nobody_reads_on_leaves(model: OnnxDecoder) -> None:
    steps, sizes, run = gate(model), [], inner(model)._runner.run

    def note(feeds: Any, **options: Any) -> Any:
        sizes.append(len(feeds))
        return run(feeds, **options)

    inner(model)._runner.run = note
    stream = model.stream(SENTENCE, Sampling(60, 1.0, 3))
    listening = asyncio.ensure_future(anext(stream))
    for _ in range(9):
        await steps.arrival()
        steps.let(1)
    assert (await listening).text
    await stream.aclose()  # type: ignore[attr-defined]
    steps.let()
    await model.generate(SENTENCE, Sampling(4))
    assert sizes[-4:] == [1] * 4, "whoever comes then is alone"


async def test_many_callers_who_come_and_go_at_any_moment(folder: Path) -> None:
    """The thread at its own pace: whoever stays gets what it gets alone, and no place is lost."""
    model = load(folder, Limits(rows=3, shelves=2, chunk_tokens=16, mixed_tokens=8))
    chance, calls = np.random.default_rng(11), []
    alone = [(await model.generate(Prompt("the ", "x" * n), Sampling(9))).text for n in range(9)]

    async def listen(prompt: Prompt) -> str:
        return "".join([piece.text async for piece in model.stream(prompt, Sampling(9))])

    async def write(prompt: Prompt) -> str:
        return (await model.generate(prompt, Sampling(9))).text

    for number in range(120):
        call = (listen, write)[number % 2](Prompt("the ", "x" * (number % 9)))
        calls.append(asyncio.create_task(call))
        for _ in range(chance.integers(40)):
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            calls[chance.integers(len(calls))].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    kept = [(n, r) for n, r in enumerate(results) if not isinstance(r, asyncio.CancelledError)]
    assert 40 < len(kept) < 120
    assert all(result == alone[number % 9] for number, result in kept)
    await model.close()
    assert not inner(model).held() and inner(model)._space.free_rows == 3


async def test_numbers_that_are_none_in_one_row_fail_its_job_alone(model: OnnxDecoder) -> None:
    """The memory of one running text is spoilt; its neighbour in the same batch is not."""
    alone = await model.generate(SENTENCE, Sampling(40))
    run, cells = inner(model)._runner.run, inner(model)._runner._cache._array
    spoilt: list[int] = []

    def spoil(feeds: Any, **options: Any) -> Any:
        if len(feeds) == 2 and not spoilt:
            spoilt.append(feeds[1].row)
            cells[1, 1, feeds[1].row, 0, 2] = np.nan
        return run(feeds, **options)

    inner(model)._runner.run = spoil
    calls = [model.generate(SENTENCE, Sampling(40)) for _ in range(2)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert len(spoilt) == 1
    (broken,) = [result for result in results if isinstance(result, BaseException)]
    assert isinstance(broken, Poison) and broken.reason == "NOT_FINITE"
    assert [result.text for result in results if result is not broken] == [alone.text]  # type: ignore[union-attr]
    assert (await model.generate(SENTENCE, Sampling(40))).text == alone.text, "and in its row too"


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data", "tokenizer.json", "text.json"])
def test_a_built_file_that_was_cut_off_is_no_model(tmp_path: Path, name: str) -> None:
    write_decoder(tmp_path / "weights", decoder_config("llama"))
    card = card_of(tmp_path / "weights")
    export(card, tmp_path)
    place = built_folder(card, tmp_path)
    (place / name).write_bytes((place / name).read_bytes()[:-40])
    with pytest.raises(ConfigError, match=f"{name} has sha256 .* cut off; run: comitia model"):
        load_model(card, tmp_path)
    if name.startswith("model"):
        # A build whose manifest agrees with it: ONNX Runtime is the one to say so.
        manifest = json.loads((place / MANIFEST).read_text())
        manifest["files"][name] = sha256_of(place / name)
        (place / MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(ConfigError, match="ONNX Runtime cannot open"):
            load_model(card, tmp_path)
