"""Where transformers is at hand, a build is held against it: right graphs pass, wrong ones do not.

Runs under `make test-export`.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from comitia.errors import ConfigError
from comitia.inference.cards import Form
from comitia.inference.export import folder
from comitia.inference.export.answers import read_answers
from comitia.inference.export.make import export
from comitia.inference.export.remake import make_reference
from comitia.inference.export.shape import inverse_frequencies
from tests.unit.inference_models import (
    card_of,
    decoder_config,
    encoder_config,
    write_decoder,
    write_encoder,
)
from tests.unit.test_export_decoder import write_gguf

pytestmark = pytest.mark.skipif(
    "COMITIA_EXPORT_PYTHON" not in os.environ,
    reason="needs the export environment: make test-export",
)


def quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_transformers_agrees_with_every_family(tmp_path: Path, family: str) -> None:
    write_decoder(tmp_path / "weights", decoder_config(family), seed=5)
    assert export(card_of(tmp_path / "weights"), tmp_path)


@pytest.mark.parametrize("form", ["bf16", "int8"])
def test_transformers_agrees_within_what_a_form_rounds(tmp_path: Path, form: Form) -> None:
    write_decoder(tmp_path / "weights", decoder_config("qwen3"), seed=6)
    assert export(card_of(tmp_path / "weights", form=form), tmp_path)


def test_what_both_forward_passes_of_ours_mistake_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that is read wrong goes into graph and plain pass alike; transformers reads it
    apart.
    """
    write_decoder(tmp_path / "weights", decoder_config("llama"))
    read = misread(monkeypatch)
    with pytest.raises(ConfigError, match="does not answer like known answer 1"):
        export(card_of(tmp_path / "weights"), tmp_path)
    assert read, "the settings were read wrong"


def misread(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make rotary positions too slow wherever this package reads them."""
    read = []
    right = inverse_frequencies

    def slow(dimensions: int, theta: float, scaling: Any) -> Any:
        read.append("slow")
        return right(dimensions, theta * 2, scaling)

    monkeypatch.setattr(folder, "inverse_frequencies", slow)
    return read


def test_a_reference_is_made_and_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a GGUF file, which transformers gets as a folder."""
    config = decoder_config("qwen2")
    write_gguf(tmp_path / "model.gguf", config, write_decoder(tmp_path / "hf", config), "F32")
    card = replace(card_of(tmp_path / "model.gguf"), file=str(tmp_path / "cards/tiny.yaml"))
    path = make_reference(card, tmp_path, quiet, lambda _: False)
    assert path == tmp_path / "cards/references/tiny.json"
    answers = read_answers(path)
    assert set(answers.made_with) == {"torch", "transformers"}
    assert {text.written for text in answers.texts} == {12}
    monkeypatch.delenv("COMITIA_EXPORT_PYTHON")
    assert export(replace(card, reference=str(path)), tmp_path, force=True)


def test_an_encoder_too(tmp_path: Path) -> None:
    write_encoder(tmp_path / "weights", encoder_config())
    assert export(card_of(tmp_path / "weights", "encoder"), tmp_path)
