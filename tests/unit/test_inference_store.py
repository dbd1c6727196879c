"""What is kept is what was built: an altered byte, another recipe or digest ends the start."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard, PathSource
from comitia.inference.export.make import ensure, export
from comitia.inference.load import load_model
from comitia.inference.store import replacing, sha256_of, verify
from tests.unit.inference_models import card_of, decoder_config, write_decoder


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    write_decoder(tmp_path / "weights", decoder_config("llama"))
    card = card_of(tmp_path / "weights")
    export(card, tmp_path)
    return card


def test_the_manifest_tells_what_was_built(card: ModelCard, tmp_path: Path) -> None:
    built = verify(card, tmp_path)
    assert built.manifest.attention_nodes == built.manifest.nodes["GroupQueryAttention"] == 3
    assert set(built.manifest.files) == {
        "attention.onnx",
        "model.onnx",
        "model.onnx.data",
        "plain.onnx",
        "text.json",
        "tokenizer.json",
    }
    assert built.manifest.source["model.safetensors"] == sha256_of(
        tmp_path / "weights/model.safetensors"
    )
    again = export(card, tmp_path, force=True)
    assert again.manifest == built.manifest, "a build is reproducible"
    assert (
        json.loads((built.folder / "manifest.json").read_text())["digest"] == built.manifest.digest
    )


@pytest.mark.parametrize("name", ["model.onnx.data", "model.onnx", "tokenizer.json", "text.json"])
def test_one_altered_byte_is_found_and_named(card: ModelCard, tmp_path: Path, name: str) -> None:
    built = verify(card, tmp_path)
    path, expected = built.folder / name, built.manifest.files[name]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_model(card, tmp_path)
    for part in (str(path), sha256_of(path), expected, "comitia model export tiny --force"):
        assert part in str(caught.value)
    with pytest.raises(ConfigError, match="altered"):
        ensure(card, tmp_path)
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        verify(card, tmp_path)


def test_a_missing_a_damaged_and_an_older_build(card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'tiny' is not built.*comitia model pull tiny"):
        load_model(card, tmp_path / "elsewhere")
    longer = replace(card, recipe=replace(card.recipe, context_tokens=64))
    with pytest.raises(ConfigError, match="before its card changed"):
        verify(longer, tmp_path)
    assert ensure(longer, tmp_path).manifest.digest != "", "ensure builds anew"
    manifest = tmp_path / "models/tiny/built/manifest.json"
    manifest.write_text(manifest.read_text()[:-40])
    with pytest.raises(ConfigError, match=r"manifest\.json is damaged"):
        verify(longer, tmp_path)


def test_a_build_of_another_version_is_refused_and_built_anew(
    card: ModelCard, tmp_path: Path
) -> None:
    manifest = tmp_path / "models/tiny/built/manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows"', '"slots"'))
    with pytest.raises(
        ConfigError, match=r"another version of Comitia \(contract 'slots'.*--force"
    ):
        load_model(card, tmp_path)
    assert ensure(card, tmp_path).manifest.contract == "rows"


def test_a_pinned_digest_holds(card: ModelCard, tmp_path: Path) -> None:
    data = verify(card, tmp_path).manifest.files["model.onnx.data"]
    assert verify(replace(card, built=(("model.onnx.data", data),)), tmp_path)
    with pytest.raises(ConfigError, match=f"built as sha256 {data}, but .* pins {'0' * 64}"):
        verify(replace(card, built=(("model.onnx.data", "0" * 64),)), tmp_path)


def test_an_altered_source_is_not_built(card: ModelCard, tmp_path: Path) -> None:
    assert isinstance(card.source, PathSource)
    pinned = replace(card.source, sha256=(("model.safetensors", "0" * 64),))
    with pytest.raises(ConfigError, match=r"model.safetensors has sha256 .*, expected 0000"):
        export(replace(card, source=pinned), tmp_path, force=True)


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with replacing(place) as draft:
        (draft / "first").touch()
    with pytest.raises(KeyError), replacing(place) as draft:
        (draft / "second").touch()
        raise KeyError
    with replacing(place) as draft:
        (draft / "third").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert [path.name for path in place.iterdir()] == ["third"]
