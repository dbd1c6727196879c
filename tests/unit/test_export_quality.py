"""What a form costs is measured on a fixed text, kept in the manifest and held against the card."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard, Quality
from comitia.inference.export import blocks, quality
from comitia.inference.export.folder import FolderWeights
from comitia.inference.export.graph import MODEL
from comitia.inference.export.make import export
from comitia.inference.export.quality import Reading, compare, read_text, windows
from comitia.inference.export.reference import decoder_logits
from comitia.inference.export.remake import measure_build
from comitia.inference.store import sha256_of, verify
from tests.unit.inference_models import CONTEXT, card_of, decoder_config, write_decoder


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    monkeypatch.delenv("COMITIA_EXPORT_PYTHON", raising=False)
    monkeypatch.setattr(quality, "TOKENS_MAX", 6 * CONTEXT)
    write_decoder(tmp_path / "weights", decoder_config("llama"))
    return card_of(tmp_path / "weights", form="int8")


def quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def test_a_reading_is_the_plain_passs(card: ModelCard, tmp_path: Path) -> None:
    folder = export(replace(card, recipe=replace(card.recipe, form="fp32")), tmp_path).folder
    texts = windows(folder, CONTEXT)
    assert [len(text) for text in texts] == [CONTEXT] * 6
    weights = FolderWeights(tmp_path / "weights")
    found = read_text(folder / MODEL, (weights.shape, "fp32"), texts, quiet)
    surprise, likeliest = [], []
    for logits, text in zip(decoder_logits(weights, texts), texts, strict=True):
        shifted = (logits - logits.max(-1, keepdims=True)).astype(np.float64)
        logs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
        surprise += [-logs[place, token] for place, token in enumerate(text[1:])]
        likeliest += logits[:-1].argmax(-1).tolist()
    np.testing.assert_allclose(found.surprise, surprise, atol=1e-3)
    assert found.likeliest.tolist() == likeliest


def test_a_comparison_counts() -> None:
    exact = Reading(np.array([1.0, 2.0]), np.array([3, 4]))
    found = Reading(np.array([1.5, 2.5]), np.array([3, 5]))
    assert exact.perplexity == pytest.approx(math.exp(1.5))
    assert compare(found, exact) == Quality(round(math.exp(0.5), 4), 0.5)


def test_the_manifest_says_what_a_form_costs(card: ModelCard, tmp_path: Path) -> None:
    found = export(card, tmp_path).manifest.quality
    assert 0.9 < float(str(found["perplexity_ratio"])) < 1.1, "random weights exaggerate"
    assert 0.8 < float(str(found["agreement"])) < 1
    assert found["known_from"] == "a measurement"
    assert found["text_sha256"] == quality.text_digest()
    fp32 = replace(card, recipe=replace(card.recipe, form="fp32"))
    assert export(fp32, tmp_path).manifest.quality == {}
    stated = replace(card, quality=(("int8", Quality(1.01, 0.9)),))
    assert export(stated, tmp_path, force=True).manifest.quality == {
        "perplexity_ratio": 1.01,
        "agreement": 0.9,
        "known_from": "the card",
    }


def test_a_coarser_form_costs_more(
    card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = export(card, tmp_path).manifest.quality
    exact = blocks.to_int8

    def coarse(weight: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> blocks.Blocks:
        found = exact(weight)
        return replace(found, q=((found.q + 16) // 32 * 32).astype(np.uint8))

    monkeypatch.setattr("comitia.inference.export.formed.to_int8", coarse)
    rough = export(card, tmp_path, force=True).manifest.quality
    assert float(str(rough["agreement"])) < float(str(fine["agreement"])) - 0.05


def test_a_card_that_states_too_much_is_told(card: ModelCard, tmp_path: Path) -> None:
    stated = replace(card, quality=(("int8", Quality(1.0, 0.9999)),))
    built = export(stated, tmp_path)
    digest = built.manifest.digest
    modest = measure_build(replace(card, quality=(("int8", Quality(1.1, 0.7)),)), tmp_path, quiet)
    assert verify(card, tmp_path).manifest.quality == modest
    assert verify(card, tmp_path).manifest.digest == digest, "the files are as they were"
    assert sha256_of(built.folder / MODEL) == built.manifest.files[MODEL]
    bold = replace(card, quality=(("int8", Quality(0.5, 1.0)),), file="mine.yaml")
    with pytest.raises(ConfigError, match=r"costs .* its card states 0.5 and 1.0.*mine.yaml"):
        measure_build(bold, tmp_path, quiet)
    fp32 = replace(card, recipe=replace(card.recipe, form="fp32"))
    with pytest.raises(ConfigError, match="nothing to measure"):
        measure_build(fp32, tmp_path, quiet)
