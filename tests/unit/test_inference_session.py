"""Which ONNX Runtime and which device is checked, and a serving process stays light."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from comitia.errors import ConfigError
from comitia.inference import session
from comitia.inference.cache import CpuCache
from comitia.inference.export.make import export
from comitia.inference.runner import CHUNK_TOKENS_MAX, Feed, RowRunner
from comitia.inference.session import Threads, open_session
from tests.unit.inference_models import card_of, decoder_config, write_decoder

HEAVY = ("torch", "transformers", "optimum", "onnx", "gguf")


@pytest.mark.parametrize(
    ("installed", "message"),
    [
        (set(), "not installed: run `make setup`"),
        ({"onnxruntime", "onnxruntime-gpu"}, "both installed.*pip uninstall -y"),
    ],
)
def test_exactly_one_onnxruntime(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: set[str], message: str
) -> None:
    monkeypatch.setattr(session, "_installed", lambda name: name in installed)
    with pytest.raises(ConfigError, match=message):
        open_session(tmp_path / "model.onnx", Threads(1), "cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CPU", ""])
def test_unknown_devices(tmp_path: Path, device: str) -> None:
    with pytest.raises(ConfigError, match="say cpu, cuda or cuda:<number>"):
        open_session(tmp_path / "model.onnx", Threads(1), device)


def test_a_device_that_is_not_there_or_not_active_is_no_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ConfigError, match="needs CUDAExecutionProvider"):
        open_session(tmp_path / "model.onnx", Threads(1), "cuda:0")


class Quiet:
    """A session that took the processor, as ONNX Runtime does where CUDA cannot be loaded."""

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_a_session_that_fell_back_is_no_session_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loggers: list[Any] = []

    def fall_back(*_: object, **__: object) -> Quiet:
        for message in ("first", "Require cuDNN 9.* and CUDA 13.*\n  at stack"):
            loggers[-1](3, "onnxruntime", "", "place", message)
        return Quiet()

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", fall_back)
    monkeypatch.setattr(
        onnxruntime, "set_default_logger_callback", lambda call, *_: loggers.append(call)
    )
    with pytest.raises(ConfigError, match=r"took CPU.*\(Require cuDNN 9.* CUDA 13.\*\); check"):
        open_session(tmp_path / "model.onnx", Threads(1), "cuda")
    assert loggers[-1] is None

    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: Quiet())
    monkeypatch.delattr(onnxruntime, "set_default_logger_callback")
    with pytest.raises(ConfigError, match=r"'cuda' was asked for, but .*it gave no reason"):
        open_session(tmp_path / "model.onnx", Threads(1), "cuda")


def test_what_onnxruntime_says_of_an_error_is_heard(tmp_path: Path) -> None:
    """The real library, where it logs an error: at a token that is not in the vocabulary."""
    write_decoder(tmp_path / "weights", decoder_config("llama"))
    built = export(card_of(tmp_path / "weights"), tmp_path)
    opened = open_session(built.folder / "model.onnx", Threads(1), "cpu")
    runner = RowRunner(opened, CpuCache(built.manifest.shape, 1, CHUNK_TOKENS_MAX))
    with session._last_error() as last, pytest.raises(session.runtime_errors()):
        runner.run([Feed(0, 0, [10**6], [0])], logits=True)
    assert "while running Gather node" in last.pop()
    with pytest.raises(session.runtime_errors()):
        runner.run([Feed(0, 0, [10**6], [0])], logits=True)
    assert not last


@pytest.mark.parametrize(("device", "loaded"), [("cpu", 0), ("cuda:0", 1)])
def test_the_libraries_of_cuda_are_loaded_for_cuda_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str, loaded: int
) -> None:
    calls: list[str] = []

    class Willing:
        def __init__(
            self, *_: object, providers: list[tuple[str, object]], enable_fallback: int
        ) -> None:
            calls.append("session")
            self._asked = [name for name, _ in providers]

        def get_providers(self) -> list[str]:
            return self._asked

    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: calls.append("load"))
    monkeypatch.setattr(onnxruntime, "InferenceSession", Willing)
    open_session(tmp_path / "model.onnx", Threads(1), device)
    assert calls == ["load"] * loaded + ["session"]


def test_a_file_that_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ConfigError, match="cannot open"):
        open_session(tmp_path / "model.onnx", Threads(1), "cpu")


def test_serving_imports_nothing_heavy(tmp_path: Path) -> None:
    """A process of its own loads a model, scores and writes, then looks at what came along."""
    write_decoder(tmp_path / "weights", decoder_config("llama"))
    export(card_of(tmp_path / "weights"), tmp_path)
    program = f"""
import asyncio, sys
from pathlib import Path
from comitia.inference.cards import ModelCard, PathSource, Recipe
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Prompt, Sampling

source, recipe = PathSource({str(tmp_path / "weights")!r}), Recipe("direct", "fp32", 96)
card = ModelCard("tiny", "decoder", "none", "random weights", source, recipe)

async def main():
    model = load_model(card, Path({str(tmp_path)!r}), threads=Threads(1))
    await model.score(Prompt("a", "b"), ["c"])
    await model.generate(Prompt("a", "b"), Sampling(3))
    await model.close()

asyncio.run(main())
print(sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
