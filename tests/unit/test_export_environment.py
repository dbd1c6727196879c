"""The large download is asked for, never taken; what stands in its way is said in a sentence."""

import sys
from pathlib import Path

import pytest

from comitia.errors import ConfigError
from comitia.inference.cards import silent
from comitia.inference.export import environment
from comitia.inference.export.environment import export_python
from comitia.inference.export.make import export
from tests.unit.inference_models import card_of, encoder_config, write_encoder


def test_no_answer_means_no_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMITIA_EXPORT_PYTHON", raising=False)
    write_encoder(tmp_path / "weights", encoder_config())
    card = card_of(tmp_path / "weights", "encoder", builder="optimum")
    with pytest.raises(ConfigError, match=r"2\.5 GB to download.*--yes"):
        export(card, tmp_path)
    asked: list[str] = []

    def no(text: str) -> bool:
        asked.append(text)
        return False

    with pytest.raises(ConfigError, match="was not agreed to"):
        export(card, tmp_path, confirm=no)
    assert len(asked) == 1 and "2.5 GB" in asked[0] and str(tmp_path) in asked[0]
    assert not list(tmp_path.glob("export-env*"))


def test_yes_makes_the_environment_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's commands are taken down here, not run; a failed one is begun anew."""
    monkeypatch.delenv("COMITIA_EXPORT_PYTHON", raising=False)
    commands: list[str] = []

    def fail(command: list[str], failure: str) -> str:
        raise ConfigError(f"{failure}: no network")

    def note(command: list[str], failure: str) -> str:
        commands.append(" ".join(command))
        if "venv" in command:
            Path(command[-1]).mkdir()
        return ""

    monkeypatch.setattr(environment, "run_checked", fail)
    with pytest.raises(ConfigError, match="no network"):
        export_python(tmp_path, silent, lambda text: True)
    monkeypatch.setattr(environment, "run_checked", note)
    with pytest.raises(ConfigError, match="not agreed"):
        export_python(tmp_path, silent, lambda text: False)
    python = export_python(tmp_path, silent, lambda text: True)
    (folder,) = environments(tmp_path)
    assert python == folder / "bin/python"
    assert "venv" in commands[0] and str(folder) in commands[0]
    assert "--no-deps --require-hashes" in commands[1] and "export.lock" in commands[1]
    assert export_python(tmp_path, silent, lambda text: False) == python, "made once"


def environments(cache_dir: Path) -> list[Path]:
    return list(cache_dir.glob("export-env-*"))


def test_a_python_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_EXPORT_PYTHON", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"COMITIA_EXPORT_PYTHON names .*nowhere"):
        export_python(tmp_path, silent, lambda text: True)
    monkeypatch.setenv("COMITIA_EXPORT_PYTHON", sys.executable)
    write_encoder(tmp_path / "weights", encoder_config())
    card = card_of(tmp_path / "weights", "encoder", builder="optimum")
    with pytest.raises(ConfigError, match=r"optimum cannot export 'tiny': .*No module named 'opt"):
        export(card, tmp_path)
    assert not list((tmp_path / "models/tiny").iterdir()), "nothing half-made is left"
    (tmp_path / "model.gguf").touch()
    with pytest.raises(ConfigError, match="exports Hugging Face folders"):
        export(card_of(tmp_path / "model.gguf", "encoder", builder="optimum"), tmp_path)
