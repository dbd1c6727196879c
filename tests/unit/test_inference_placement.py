"""A model runs where it was asked to or not at all; `auto` takes a GPU where one suits the card."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from comitia.errors import ConfigError
from comitia.inference import placement
from comitia.inference.cards import Form
from comitia.inference.export.make import export
from comitia.inference.load import load_model
from comitia.inference.placement import attention_nodes, obstacle_of, place
from comitia.inference.session import Threads, open_session
from comitia.ports import Prompt, Sampling
from tests.unit.inference_models import card_of, decoder_config, write_decoder

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
ONE = Threads(1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("placement")
    write_decoder(folder / "weights", decoder_config("llama"))
    return folder


def built(root: Path, form: Form) -> Path:
    return export(card_of(root / "weights", form=form), root / form).folder / "model.onnx"


def fake(provider: str, attention: dict[str, int]) -> Any:
    """What place() asks of a session."""
    node = SimpleNamespace(op_type="GroupQueryAttention")
    other = SimpleNamespace(op_type="MatMul")
    groups = [
        SimpleNamespace(ep_name=name, get_nodes=lambda count=count: [node] * count + [other])
        for name, count in attention.items()
    ]
    return SimpleNamespace(
        get_providers=lambda: [provider], get_provider_graph_assignment_info=lambda: groups
    )


def test_auto_without_the_package_takes_the_cpu_and_says_why(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        session, device = place(built(root, "fp32"), ONE, "auto")
    assert device == "cpu"
    assert attention_nodes(session) == {CPU: 3}
    assert "auto takes the cpu: Device 'cuda:0' needs CUDAExecutionProvider" in caplog.text
    assert f"attention nodes: 3 by {CPU}" in caplog.text


@pytest.mark.parametrize("form", ["fp32", "int8", "native"])
def test_forms_that_a_gpu_cannot_take(
    root: Path, form: Form, caplog: pytest.LogCaptureFixture
) -> None:
    obstacle = obstacle_of(card_of(root / "weights", form=form), "rows")
    with pytest.raises(ConfigError, match=f"'cuda:1' was asked for.*has form {form}; set 'recipe"):
        place(Path("none"), ONE, "cuda:1", obstacle)
    with caplog.at_level(logging.INFO):
        assert place(built(root, "fp32"), ONE, "auto", obstacle).device == "cpu"
    assert f"form {form}" in caplog.text


def test_what_a_gpu_can_take(root: Path) -> None:
    assert [
        obstacle_of(card_of(root / "weights", form=form), "rows") for form in ("fp16", "bf16")
    ] == ["", ""]
    assert obstacle_of(card_of(root / "weights", "encoder"), "tokens") == ""
    assert "exported by optimum" in obstacle_of(card_of(root / "weights"), "growing")


def test_auto_takes_a_gpu_that_opens(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def opened(_model: Path, _threads: Threads, device: str) -> Any:
        asked.append(device)
        return fake(CUDA, {CUDA: 3})

    monkeypatch.setattr(placement, "open_session", opened)
    assert place(root, ONE, "auto").device == "cuda:0"
    assert place(root, ONE, "cuda").device == "cuda:0"
    assert place(root, ONE, "cuda:2").device == "cuda:2"
    assert asked == ["cuda:0", "cuda:0", "cuda:2"]


def test_attention_that_lands_elsewhere_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(_model: Path, _threads: Threads, device: str) -> Any:
        return fake(CPU, {CPU: 3}) if device == "cpu" else fake(CUDA, {CUDA: 2, CPU: 1})

    monkeypatch.setattr(placement, "open_session", opened)
    with pytest.raises(ConfigError, match=f"not all attention nodes.*2 by {CUDA}, 1 by {CPU}"):
        place(root, ONE, "cuda:0")
    assert place(root, ONE, "auto").device == "cpu"


def test_a_form_without_kernels_on_the_cpu_says_why_the_gpu_was_not_taken(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"on cpu: .*MatMul.*auto: Device 'cuda:0' needs CUDA"):
        place(built(root, "bf16"), ONE, "auto")


async def test_fp16_runs_as_it_is_on_the_cpu(root: Path) -> None:
    built(root, "fp16")
    card = card_of(root / "weights", form="fp16")
    session = open_session(built(root, "fp16"), ONE, "cpu")
    assert {entry.type for entry in session.get_inputs() if "past" in entry.name} == {
        "tensor(float16)"
    }
    model = load_model(card, root / "fp16", threads=Threads(1), device="auto")
    try:
        prompt, sampling = Prompt("a long beginning ", "and an end"), Sampling(8)
        alone = await model.generate(prompt, sampling)
        again = await model.generate(prompt, sampling)
    finally:
        await model.close()
    assert alone.text == again.text
    assert (alone.usage.cached_tokens, again.usage.cached_tokens > 0) == (0, True)
