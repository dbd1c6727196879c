"""A call that is cancelled leaves the engine before its next piece of work, in whatever phase."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comitia.errors import Overloaded
from comitia.inference.decoder import OnnxDecoder
from comitia.inference.encoder import OnnxEncoder
from comitia.inference.export.make import export
from comitia.inference.limits import Limits
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Prompt, Sampling
from tests.unit.inference_models import (
    card_of,
    decoder_config,
    encoder_config,
    write_decoder,
    write_encoder,
)


class Gate:
    """Stands before every run of the graph: counts them, and lets pass as many as it is told to."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._passes = threading.Semaphore(0)
        self._arrivals = threading.Semaphore(0)
        self.runs = 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.runs += 1
        self._arrivals.release()
        assert self._passes.acquire(timeout=60)
        return self._run(*arguments, **options)

    def let(self, count: int = 1_000) -> None:
        self._passes.release(count)

    async def arrival(self) -> None:
        """Wait until the engine stands before the next run."""
        assert await asyncio.to_thread(self._arrivals.acquire, timeout=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cancel")
    write_decoder(root / "decoder", decoder_config("llama"))
    write_encoder(root / "encoder", encoder_config())
    export(card_of(root / "decoder"), root)
    return root


@pytest.fixture
def model(folder: Path) -> Iterator[OnnxDecoder]:
    """One row, three jobs: whoever stays too long is in everybody's way."""
    limits = Limits(rows=1, shelves=2, chunk_tokens=4, jobs=3)
    loaded = load_model(card_of(folder / "decoder"), folder, threads=Threads(1), limits=limits)
    assert isinstance(loaded, OnnxDecoder)
    yield loaded
    loaded._engine.close()


def gate(model: OnnxDecoder) -> Gate:
    runner = model._engine._core._runner  # type: ignore[attr-defined]
    made = Gate(runner.run)
    runner.run = made
    return made


def begin(model: OnnxDecoder, text: str, tokens_max: int) -> asyncio.Task[Any]:
    return asyncio.create_task(model.generate(Prompt("", text), Sampling(tokens_max)))


async def gone(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_a_running_generation_stops_between_two_tokens_and_frees_its_row(
    model: OnnxDecoder,
) -> None:
    steps = gate(model)
    long = begin(model, "x", 80)
    await steps.arrival()
    steps.let(1)
    await steps.arrival()
    waiting = begin(model, "y", 1)
    await gone(long)
    steps.let()
    assert (await waiting).usage.completion_tokens == 1
    assert steps.runs == 3, "its prompt, one token, and not one more for nobody"


async def test_a_prompt_stops_between_two_pieces(model: OnnxDecoder) -> None:
    pieces = gate(model)
    long = begin(model, "x" * 60, 1)
    await pieces.arrival()
    await gone(long)
    pieces.let()
    await model.generate(Prompt("", "ok"), Sampling(1))
    assert pieces.runs == 2, "one piece of the long prompt, the whole of the short one"


async def test_what_waits_leaves_its_place_while_the_rows_are_taken(model: OnnxDecoder) -> None:
    tokens = gate(model)
    running = begin(model, "x", 40)
    await tokens.arrival()
    waiting = [begin(model, "y", 1) for _ in range(2)]
    await asyncio.sleep(0)
    # One step more: the engine has taken both.
    tokens.let(1)
    await tokens.arrival()
    with pytest.raises(Overloaded):
        await model.generate(Prompt("", "z"), Sampling(1))
    await gone(*waiting)
    # The engine takes one more step, with the row still taken, and stands at the gate again.
    tokens.let(1)
    await tokens.arrival()
    again = begin(model, "z", 1)
    await asyncio.sleep(0)
    assert not again.done(), "there is room again"
    another = begin(model, "z", 1)
    await asyncio.sleep(0)
    assert not another.done(), "for both"
    tokens.let()
    await asyncio.gather(running, again, another)


async def test_an_embedding_stops_between_two_batches(folder: Path) -> None:
    card = card_of(folder / "encoder", "encoder")
    export(card, folder)
    model = load_model(card, folder, threads=Threads(1))
    assert isinstance(model, OnnxEncoder)
    core: Any = model._engine._core
    core._states = batches = Gate(core._states)
    long = asyncio.create_task(model.embed(["a text of some length"] * 2_000))
    await batches.arrival()
    await gone(long)
    batches.let()
    assert (await model.embed(["short"])).vectors.shape[0] == 1
    assert batches.runs == 2
    await model.close()
