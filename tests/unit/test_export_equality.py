"""A graph that does not answer like its weights is refused, whatever it differs by, and not kept.

The plain forward pass of the package is itself held against the one of the tests, which was written
apart.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comitia.errors import ConfigError
from comitia.inference.cards import Form
from comitia.inference.export import decoder, encoder, equality, quality
from comitia.inference.export.answers import Answer, Answers, read_answers, write_answers
from comitia.inference.export.folder import FolderWeights
from comitia.inference.export.make import export
from comitia.inference.export.reference import decoder_logits, encoder_states
from comitia.inference.export.safetensors import Safetensors
from comitia.inference.export.shape import Shape
from comitia.inference.export.theirs import can_be_told
from tests.unit.inference_models import (
    card_of,
    decoder_config,
    encoder_config,
    write_decoder,
    write_encoder,
)
from tests.unit.inference_reference import decoder_logits as apart
from tests.unit.inference_reference import encoder_states as states_apart

TOKENS = [5, 70, 33, 8, 120, 61, 7, 7, 200, 3, 90, 14]
FORMS: list[Form] = ["fp32", "fp16", "bf16", "int8"]


@pytest.fixture(autouse=True)
def short_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a form costs is measured in other tests, and transformers is asked in others."""
    monkeypatch.delenv("COMITIA_EXPORT_PYTHON", raising=False)
    monkeypatch.setattr(quality, "TOKENS_MAX", 192)


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_two_forward_passes_agree(tmp_path: Path, family: str) -> None:
    config = decoder_config(family)
    tensors = write_decoder(tmp_path, config)
    found = decoder_logits(FolderWeights(tmp_path), [TOKENS, TOKENS[3:]])
    for logits, tokens in zip(found, (TOKENS, TOKENS[3:]), strict=True):
        np.testing.assert_allclose(logits, apart(config, tensors, tokens), atol=1e-4)


def test_two_encoders_agree(tmp_path: Path) -> None:
    config = encoder_config()
    tensors = write_encoder(tmp_path, config)
    found = encoder_states(Safetensors(tmp_path), config, TOKENS)
    np.testing.assert_allclose(found, states_apart(config, tensors, TOKENS), atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_every_family_in_every_form_is_built(tmp_path: Path, family: str, form: Form) -> None:
    write_decoder(tmp_path / "weights", decoder_config(family), seed=3)
    built = export(card_of(tmp_path / "weights", form=form), tmp_path)
    assert built.manifest.attention_nodes == 3
    files = {file.name for file in built.folder.iterdir()}
    assert files == {*built.manifest.files, "manifest.json"}, "nothing of the check is left behind"


def wrong_epsilon(shape: Shape) -> Shape:
    return replace(shape, epsilon=0.1)


def wrong_positions(shape: Shape) -> Shape:
    return replace(shape, inverse_frequency=shape.inverse_frequency * np.float32(0.95))


def no_windows(shape: Shape) -> Shape:
    return replace(shape, windows=(None,) * shape.layers)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("slip", [wrong_epsilon, wrong_positions, no_windows])
def test_a_graph_with_a_slip_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slip: Any, form: Form
) -> None:
    write_decoder(tmp_path / "weights", decoder_config("mistral"))
    builder = decoder._Decoder

    class Slipping(builder):  # type: ignore[misc, valid-type]
        def __init__(self, graph: Any, weights: Any, *others: Any) -> None:
            super().__init__(graph, weights, *others)
            self.__dict__["_shape"] = slip(weights.shape)

    monkeypatch.setattr(decoder, "_Decoder", Slipping)
    with pytest.raises(ConfigError, match=rf"'tiny' \({form}\): .*not answer like a plain forward"):
        export(card_of(tmp_path / "weights", form=form), tmp_path)
    assert not list((tmp_path / "models/tiny").iterdir()), "no build, and no draft of one"


def test_two_swapped_weights_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_decoder(tmp_path / "weights", decoder_config("llama", num_key_value_heads=4))
    linear = decoder._Decoder._linear

    def swapped(self: Any, x: str, stems: Any, y: str) -> str:
        return linear(self, x, stems[::-1] if y == "blk.2.attn_qkv" else stems, y)

    monkeypatch.setattr(decoder._Decoder, "_linear", swapped)
    with pytest.raises(ConfigError, match="It is not kept"):
        export(card_of(tmp_path / "weights", form="int8"), tmp_path)


def test_an_encoder_with_a_slip_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_encoder(tmp_path / "weights", encoder_config())
    monkeypatch.setattr(encoder._Encoder, "_skip_norm", encoder_without_residual)
    with pytest.raises(ConfigError, match="plain forward pass"):
        export(card_of(tmp_path / "weights", "encoder"), tmp_path)


def encoder_without_residual(self: Any, added: str, state: str, stem: str, y: str) -> str:
    names = [f"{stem}.LayerNorm.weight", f"{stem}.LayerNorm.bias", f"{stem}.dense.bias"]
    inputs = [added, added, *map(self._weight, names)]
    return str(self._graph.op("SkipLayerNormalization", inputs, y, epsilon=1e-12))


def known_answers(folder: Path, place: Path) -> Path:
    """What the plain pass of the tests makes of a folder's decoder, as a file."""
    weights = FolderWeights(folder)
    tokens = list(TOKENS)
    for _ in range(3):
        tokens.append(int(decoder_logits(weights, [tokens])[0][-1].argmax()))
    logits = decoder_logits(weights, [tokens])[0]
    values = logits[[2, 9]][:, [0, 7, 100]].tolist()
    answer = Answer(tokens, [2, 9], [0, 7, 100], values, written=3)
    write_answers(place, Answers({"torch": "0"}, {}, [answer]))
    return place


@pytest.mark.parametrize("form", FORMS)
def test_known_answers_hold_a_build(tmp_path: Path, form: Form) -> None:
    folder = tmp_path / "weights"
    write_decoder(folder, decoder_config("qwen2"))
    path = known_answers(folder, tmp_path / "answers.json")
    card = replace(card_of(folder, form=form), reference=str(path))
    assert export(card, tmp_path)
    answers = read_answers(path)
    other = [[value + 9 * (row + column) for column, value in enumerate(values)]
             for row, values in enumerate(answers.texts[0].values)]  # fmt: skip
    write_answers(path, replace(answers, texts=[replace(answers.texts[0], values=other)]))
    with pytest.raises(ConfigError, match="does not answer like known answer 1"):
        export(card, tmp_path, force=True)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="does not hold the answers of a model"):
        export(card, tmp_path, force=True)


def test_in_fp32_the_tokens_written_are_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    write_decoder(folder, decoder_config("llama"))
    path = known_answers(folder, tmp_path / "answers.json")
    answers = read_answers(path)
    first = answers.texts[0]
    written = replace(first, tokens=[*first.tokens[:-1], (first.tokens[-1] + 1) % 200])
    write_answers(path, replace(answers, texts=[written]))
    card = replace(card_of(folder), reference=str(path))
    with pytest.raises(ConfigError, match="graph writes tokens"):
        export(card, tmp_path)


def test_only_plain_positions_can_be_told_to_transformers(tmp_path: Path) -> None:
    write_decoder(tmp_path, decoder_config("llama", rope_theta=1e6))
    shape = FolderWeights(tmp_path).shape
    assert can_be_told(shape)
    slower = np.where(np.arange(8) > 3, 0.25, 1).astype(np.float32)
    assert not can_be_told(replace(shape, inverse_frequency=shape.inverse_frequency * slower))


def test_no_number_is_far_from_every_number() -> None:
    exact = np.eye(3, dtype=np.float32)
    assert equality.distance(exact, exact) == 0
    assert equality.distance(np.full_like(exact, np.nan), exact) == float("inf")
    assert equality.distance(exact + np.float32(1), exact) > 1
