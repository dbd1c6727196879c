"""The graph for ONNX Runtime before 1.32: several runs a step, and the same answers."""

import asyncio
from pathlib import Path

import onnxruntime
import pytest

from comitia.inference.decoder import OnnxDecoder
from comitia.inference.export.make import export
from comitia.inference.limits import Limits
from comitia.inference.load import load_model
from comitia.inference.placement import graph_of
from comitia.inference.runner import PLAIN, Feed, apart
from comitia.inference.session import Threads
from comitia.ports import Generation, Prompt, Sampling, Scores
from tests.unit.inference_models import card_of, decoder_config, write_decoder


def test_what_one_run_can_take() -> None:
    def feed(row: int, tokens: int) -> Feed:
        return Feed(row, 0, (1,) * tokens, (0,))

    feeds = [feed(4, 1), feed(0, 1), feed(1, 5), feed(5, 1), feed(3, 1), feed(2, 3)]
    assert apart(feeds) == [[2], [5], [1], [4, 0, 3]]


def test_the_installed_version_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, graph in (("1.32.0", "model.onnx"), ("1.31.1", PLAIN), ("2.0", "model.onnx")):
        monkeypatch.setattr(onnxruntime, "__version__", version)
        assert graph_of(tmp_path, "rows") == tmp_path / graph
        assert graph_of(tmp_path, "tokens") == tmp_path / "model.onnx"


async def answers(root: Path) -> list[Scores | Generation]:
    """Texts and scores side by side, with prefixes, in more pieces than one step takes."""
    limits = Limits(rows=5, shelves=2, chunk_tokens=9, mixed_tokens=5)
    model = load_model(card_of(root / "weights"), root, threads=Threads(1), limits=limits)
    assert isinstance(model, OnnxDecoder)
    texts = [
        model.generate(Prompt("begun alike ", f"then {number}"), Sampling(4 + 3 * number, temp, 7))
        for number, temp in enumerate((0.0, 0.9, 0.0, 0.5))
    ]
    scores = [
        model.score(Prompt("begun alike ", text), ["a", "bcd", "efghij"]) for text in ("k", "lmn")
    ]
    written, weighed = await asyncio.gather(asyncio.gather(*texts), asyncio.gather(*scores))
    await model.close()
    return [*written, *weighed]


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3"])
async def test_it_answers_as_the_graph_of_today(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_decoder(tmp_path / "weights", decoder_config(family))
    export(card_of(tmp_path / "weights"), tmp_path)
    today = await answers(tmp_path)
    monkeypatch.setattr(onnxruntime, "__version__", "1.31.1")
    before = await answers(tmp_path)
    for one, other in zip(today, before, strict=True):
        if isinstance(one, Generation) and isinstance(other, Generation):
            assert one.text == other.text
        else:
            assert isinstance(one, Scores) and isinstance(other, Scores)
            assert one.log_likelihoods == pytest.approx(other.log_likelihoods, abs=2e-4)
