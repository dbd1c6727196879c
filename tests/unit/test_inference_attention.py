"""Attention probabilities on request, against numpy, alone and beside others."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from comitia.errors import ConfigError, Poison, Retryable
from comitia.inference.attending import ATTENTION, AttendingRunner
from comitia.inference.cards import AdapterSource
from comitia.inference.decoder import OnnxDecoder
from comitia.inference.export.make import export
from comitia.inference.limits import Limits
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Prompt, Sampling
from tests.unit import inference_reference
from tests.unit.inference_adapters import write_adapter
from tests.unit.inference_models import byte_tokenizer, card_of, decoder_config, write_decoder

PROMPT = Prompt("the committee met ", "at noon and voted")


def looks(config: dict[str, Any], tensors: Any, tokens: list[int]) -> NDArray[np.float64]:
    """float64[layers, heads, tokens] of the last token, by the reference."""
    seen = []
    weighted = inference_reference._weighted

    def note(parts: list[Any], mask: Any) -> Any:
        query, key, _ = parts
        scores = np.einsum("hd,khd->hk", query[-1], key) / np.sqrt(query.shape[-1]) + mask[-1]
        weight = np.exp(scores - scores.max(-1, keepdims=True))
        seen.append(weight / weight.sum(-1, keepdims=True))
        return weighted(parts, mask)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference_reference, "_weighted", note)
        inference_reference.decoder_logits(config, tensors, tokens)
    return np.array(seen)


def load(root: Path, adapters: tuple[AdapterSource, ...] = ()) -> OnnxDecoder:
    limits = Limits(rows=3, shelves=2, chunk_tokens=7)
    card = card_of(root / "weights")
    card = replace(card, recipe=replace(card.recipe, adapters=adapters))
    export(card, root)
    model = load_model(card, root, threads=Threads(1), limits=limits)
    assert isinstance(model, OnnxDecoder)
    return model


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
async def test_probabilities_equal_numpy_alone_beside_others_and_behind_a_prefix(
    tmp_path: Path, family: str
) -> None:
    config = decoder_config(family)
    tensors = write_decoder(tmp_path / "weights", config)
    model = load(tmp_path)
    tokens: list[int] = byte_tokenizer().encode(PROMPT.prefix + PROMPT.text).ids
    exact = looks(config, tensors, tokens)
    alone = await model.attend(PROMPT)
    text = model.generate(Prompt("", "beside it"), Sampling(12, temperature=0.0))
    again, written, other = await asyncio.gather(
        model.attend(PROMPT), text, model.attend(Prompt("", "x"))
    )
    assert "".join(alone.tokens) == PROMPT.prefix + PROMPT.text
    assert alone.probabilities.shape == (3, 4, len(tokens))
    np.testing.assert_allclose(alone.probabilities, exact, atol=2e-5)
    np.testing.assert_allclose(again.probabilities, exact, atol=2e-5)
    np.testing.assert_allclose(other.probabilities, np.ones((3, 4, 1)), atol=1e-6)
    assert (alone.usage.cached_tokens, again.usage.cached_tokens) == (0, len(PROMPT.prefix))
    assert written.usage.completion_tokens <= 12
    # Rows are free again: more requests than there are rows are answered.
    await asyncio.gather(*(model.attend(PROMPT) for _ in range(7)))
    await model.close()


async def test_a_build_without_the_graph_says_what_to_do_and_others_go_on(tmp_path: Path) -> None:
    write_decoder(tmp_path / "weights", decoder_config("llama"))
    built = export(card_of(tmp_path / "weights"), tmp_path)
    manifest = built.folder / "manifest.json"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if ATTENTION not in line))
    model = load(tmp_path)
    with pytest.raises(ConfigError, match="comitia model export tiny --force"):
        await model.attend(PROMPT)
    assert (await model.generate(PROMPT, Sampling(2))).usage.completion_tokens >= 1
    await model.close()


async def test_an_adapter_looks_as_the_model_it_is_merged_into(tmp_path: Path) -> None:
    config = decoder_config("llama")
    tensors = write_decoder(tmp_path / "weights", config)
    merged = write_adapter(tmp_path / "terse", tensors, 4)
    model = load(tmp_path, (AdapterSource("terse", str(tmp_path / "terse")),))
    tokens: list[int] = byte_tokenizer().encode(PROMPT.prefix + PROMPT.text).ids
    bare, adapted = await asyncio.gather(
        model.attend(PROMPT), model.attend(replace(PROMPT, adapter="terse"))
    )
    np.testing.assert_allclose(bare.probabilities, looks(config, tensors, tokens), atol=2e-5)
    np.testing.assert_allclose(adapted.probabilities, looks(config, merged, tokens), atol=2e-5)
    await model.close()


async def test_what_breaks_costs_its_caller_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_decoder(tmp_path / "weights", decoder_config("llama"))
    model = load(tmp_path)

    def gone(*_: object) -> None:
        raise RuntimeError("the device is gone")

    for stand_in, error, told in (
        (gone, Retryable, "ONNX Runtime failed: the device is gone"),
        (lambda *_: np.full((3, 4, 9), np.nan, np.float32), Poison, "NOT_FINITE"),
    ):
        monkeypatch.setattr(AttendingRunner, "attend", stand_in)
        asked = [model.attend(PROMPT), model.generate(PROMPT, Sampling(4, temperature=0.0))]
        failed, written = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(failed, error)
        assert told in f"{failed} {getattr(failed, 'reason', '')}"
        assert not isinstance(written, BaseException)
    monkeypatch.undo()
    await asyncio.gather(*(model.attend(PROMPT) for _ in range(7)))
    await model.close()
