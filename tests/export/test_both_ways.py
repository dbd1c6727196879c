"""Our graphs against optimum's exports of the same weights: embeddings, scores and texts.

Runs under `make test-export`, which names a Python with optimum in COMITIA_EXPORT_PYTHON.
Tolerances are those of float32 sums in another order: 1e-5 on unit vectors, 2e-4 on summed
log-likelihoods of random decoders.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from comitia.config import DirectorySettings
from comitia.inference.cards import ModelCard, find_card
from comitia.inference.decoder import OnnxDecoder
from comitia.inference.encoder import OnnxEncoder
from comitia.inference.export.make import ensure, export
from comitia.inference.load import load_model
from comitia.inference.pull import pull
from comitia.inference.session import Threads
from comitia.inference.store import source_folder
from comitia.ports import Prompt, Sampling
from tests.unit.inference_models import card_of, decoder_config, write_decoder

MODELS = Path(__file__).parents[2] / "models"
SENTENCES = [
    "The film is a quiet triumph.",
    "It rained all week, and the tent leaked.",
    "Stock markets fell sharply on Tuesday after the central bank raised interest rates again.",
    "ok",
    "Die Brücke über den Fluss ist gesperrt; naïve café 東京 🙂",
    " ".join(["word"] * 200),
]

pytestmark = pytest.mark.skipif(
    "COMITIA_EXPORT_PYTHON" not in os.environ,
    reason="needs the export environment: make test-export",
)


def through_optimum(card: ModelCard) -> ModelCard:
    return replace(card, built=(), recipe=replace(card.recipe, builder="optimum"))


async def test_minilm(tmp_path: Path) -> None:
    card = find_card(MODELS, "minilm-l6-v2")
    kept = DirectorySettings().cache_dir
    direct = load_model(card, ensure(card, kept).folder.parents[2], threads=Threads(2))
    pull(card, kept)
    place = source_folder(card, tmp_path)
    place.parent.mkdir(parents=True)
    place.symlink_to(source_folder(card, kept))
    built = export(through_optimum(card), tmp_path)
    assert built.manifest.attention_nodes == 6, "the optimizer fuses what optimum writes out"
    generic = load_model(through_optimum(card), tmp_path, threads=Threads(2))
    assert isinstance(direct, OnnxEncoder) and isinstance(generic, OnnxEncoder)
    ours = (await direct.embed(SENTENCES)).vectors
    theirs = (await generic.embed(SENTENCES)).vectors
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.linalg.norm(ours, axis=1) == pytest.approx(1.0, abs=1e-5)
    await direct.close()
    await generic.close()


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
async def test_small_decoders(tmp_path: Path, family: str) -> None:
    write_decoder(tmp_path / "weights", decoder_config(family), seed=7)
    card = card_of(tmp_path / "weights")
    models = []
    for name, variant in (("direct", card), ("optimum", through_optimum(card))):
        export(variant, tmp_path / name)
        models.append(load_model(variant, tmp_path / name, threads=Threads(1)))
    prompts = [Prompt("the quick brown fox ", "jumps"), Prompt("", "a"), Prompt("", "lorem " * 9)]
    answers = []
    for model in models:
        assert isinstance(model, OnnxDecoder)
        scores = [await model.score(prompt, ["x", " yes", " several tokens"]) for prompt in prompts]
        texts = [await model.generate(prompt, Sampling(16)) for prompt in prompts]
        answers.append(([score.log_likelihoods for score in scores], [t.text for t in texts]))
        await model.close()
    np.testing.assert_allclose(answers[0][0], answers[1][0], atol=2e-4)
    assert answers[0][1] == answers[1][1]
