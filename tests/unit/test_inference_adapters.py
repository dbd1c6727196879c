"""Several LoRA adapters on one base: each answers as the model it is merged into, alone and beside
the others in one batch; what is not plain LoRA is refused.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from comitia.errors import ConfigError
from comitia.inference.cards import AdapterSource, Form, ModelCard, read_card
from comitia.inference.decoder import OnnxDecoder
from comitia.inference.export import quality
from comitia.inference.export.adapters import Adapted, read_adapter
from comitia.inference.export.make import export
from comitia.inference.limits import Limits
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Prompt, Sampling
from tests.unit.inference_adapters import write_adapter
from tests.unit.inference_models import (
    Tensors,
    byte_tokenizer,
    card_of,
    decoder_config,
    write_decoder,
)
from tests.unit.inference_reference import decoder_logits, log_likelihood

# Float32 sums in another order than numpy's; logits are of the order of 10.
TOLERANCE = 2e-4
PROMPT = Prompt("the committee met ", "at noon and")
OPTIONS = (" yes", " no")


class Tiny(NamedTuple):
    root: Path
    card: ModelCard
    config: dict[str, Any]
    merged: dict[str, Tensors]


def make(root: Path, family: str, form: Form = "fp32") -> Tiny:
    """A built model with adapters of two ranks; "wide" on all projections, "narrow" on two that
    share a product with others.
    """
    config = decoder_config(family)
    tensors = write_decoder(root / "weights", config)
    merged = {
        "": tensors,
        "wide": write_adapter(root / "wide", tensors, 4),
        "narrow": write_adapter(root / "narrow", tensors, 3, ("v", "up"), use_rslora=True),
    }
    adapters = tuple(AdapterSource(name, str(root / name)) for name in ("wide", "narrow"))
    card = card_of(root / "weights", form=form)
    card = replace(card, recipe=replace(card.recipe, adapters=adapters))
    export(card, root)
    return Tiny(root, card, config, merged)


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return make(tmp_path_factory.mktemp(request.param), request.param)


def load(tiny: Tiny) -> OnnxDecoder:
    limits = Limits(rows=6, shelves=4, chunk_tokens=24)
    model = load_model(tiny.card, tiny.root, threads=Threads(1), limits=limits)
    assert isinstance(model, OnnxDecoder)
    return model


@pytest.fixture
async def model(tiny: Tiny) -> AsyncIterator[OnnxDecoder]:
    loaded = load(tiny)
    yield loaded
    await loaded.close()


def tokens(text: str) -> list[int]:
    numbers: list[int] = byte_tokenizer().encode(text).ids
    return numbers


async def test_in_one_batch_each_answers_as_the_model_it_is_merged_into(
    model: OnnxDecoder, tiny: Tiny
) -> None:
    names = ["wide", "", "narrow", "wide", "narrow", ""]
    found = await asyncio.gather(
        *(model.score(replace(PROMPT, adapter=name), OPTIONS) for name in names)
    )
    context = tokens(PROMPT.prefix + PROMPT.text)
    for name, scores in zip(names, found, strict=True):
        expected = [
            log_likelihood(tiny.config, tiny.merged[name], context, tokens(option))
            for option in OPTIONS
        ]
        assert scores.log_likelihoods == pytest.approx(expected, abs=TOLERANCE), name


async def test_texts_of_two_adapters_and_the_base_are_written_together_as_alone(
    model: OnnxDecoder, tiny: Tiny
) -> None:
    prompts = [replace(PROMPT, adapter=name) for name in tiny.merged]
    sampling = Sampling(12, temperature=0.0)
    together = await asyncio.gather(*(model.generate(each, sampling) for each in prompts))
    alone = [await model.generate(each, sampling) for each in prompts]
    assert [each.text for each in together] == [each.text for each in alone]
    for prompt, generation in zip(prompts, together, strict=True):
        written = tokens(PROMPT.prefix + PROMPT.text)
        for _ in range(generation.usage.completion_tokens):
            logits = decoder_logits(tiny.config, tiny.merged[prompt.adapter], written)
            written.append(int(logits[-1].argmax()))
        text = byte_tokenizer().decode(written[len(tokens(PROMPT.prefix + PROMPT.text)) :])
        assert generation.text.rstrip("\ufffd") == text.rstrip("\ufffd")


async def test_a_prefix_is_kept_for_each_adapter_by_itself(model: OnnxDecoder) -> None:
    """Keys and values that one adapter wrote are no others'."""
    first = {name: await model.score(replace(PROMPT, adapter=name), OPTIONS) for name in ("wide",)}
    other = await model.score(PROMPT, OPTIONS)
    again = await model.score(replace(PROMPT, adapter="wide"), OPTIONS)
    assert first["wide"].usage.cached_tokens == other.usage.cached_tokens == 0
    assert again.usage.cached_tokens == len(tokens(PROMPT.prefix))
    assert again.log_likelihoods == pytest.approx(first["wide"].log_likelihoods, abs=TOLERANCE)
    assert other.log_likelihoods != pytest.approx(again.log_likelihoods, abs=0.01)


async def test_an_unknown_adapter_is_refused_with_the_names_there_are(model: OnnxDecoder) -> None:
    with pytest.raises(ConfigError, match=r"no adapter 'formal'; it has wide, narrow"):
        await model.score(replace(PROMPT, adapter="formal"), OPTIONS)


async def test_on_packed_weights_the_base_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros are added for the bare base: in int8 it answers as the same model without adapters."""
    monkeypatch.setattr(quality, "TOKENS_MAX", 192)
    tiny = make(tmp_path / "with", "llama", "int8")
    plain = card_of(tiny.root / "weights", form="int8")
    export(plain, tmp_path / "without")
    without = load(Tiny(tmp_path / "without", plain, tiny.config, {}))
    adapted = load(tiny)
    bare = await without.score(PROMPT, OPTIONS)
    assert (await adapted.score(PROMPT, OPTIONS)).log_likelihoods == bare.log_likelihoods
    changed = await adapted.score(replace(PROMPT, adapter="wide"), OPTIONS)
    assert changed.log_likelihoods != pytest.approx(bare.log_likelihoods, abs=0.01)
    await without.close()
    await adapted.close()


@pytest.mark.parametrize("form", ["fp16", "bf16", "native"])
def test_builds_of_other_forms_hold_adapters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    """Their comparison with the merged weights is part of making them."""
    monkeypatch.setattr(quality, "TOKENS_MAX", 192)
    assert make(tmp_path, "llama", form).merged


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8"])
def test_a_graph_that_is_not_the_merged_model_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    merged = Adapted.tensor

    def slip(self: Adapted, name: str) -> np.ndarray:
        found: np.ndarray = merged(self, name)
        return found * 1.1 if name == "blk.1.attn_output.weight" else found

    monkeypatch.setattr(Adapted, "tensor", slip)
    with pytest.raises(ConfigError, match="adapter 'wide': The graph does not answer like its"):
        make(tmp_path, "llama", form)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"use_dora": True}, "use_dora: True"),
        ({"bias": "all"}, "bias: 'all'"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights: 'pissa'"),
        ({"peft_type": "IA3"}, "peft_type: 'IA3'"),
        ({"r": 5}, "factors A and B of rank 5"),
        ({"lora_alpha": None}, "must say 'r' and 'lora_alpha'"),
    ],
)
def test_what_is_not_plain_lora_is_refused(
    tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    tensors = write_decoder(tmp_path / "weights", decoder_config("llama"))
    write_adapter(tmp_path / "odd", tensors, 4)
    path = tmp_path / "odd" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    with pytest.raises(ConfigError, match=told):
        read_adapter(AdapterSource("odd", str(tmp_path / "odd")))


def test_factors_of_unknown_modules_and_other_models_are_refused(tmp_path: Path) -> None:
    tensors = write_decoder(tmp_path / "weights", decoder_config("llama"))
    large = write_decoder(tmp_path / "large", decoder_config("llama", intermediate_size=128))
    write_adapter(
        tmp_path / "head", {"lm_head.weight": np.ones((4, 4), np.float32)}, 2, ("lm_head",)
    )
    with pytest.raises(ConfigError, match="not the LoRA factor of a projection known here"):
        read_adapter(AdapterSource("head", str(tmp_path / "head")))
    write_adapter(tmp_path / "large-one", large, 2, ("up",))
    card = card_of(tmp_path / "weights")
    adapters = (AdapterSource("large-one", str(tmp_path / "large-one")),)
    with pytest.raises(ConfigError, match="belongs to another model"):
        export(replace(card, recipe=replace(card.recipe, adapters=adapters)), tmp_path)
    assert tensors


def test_cards_name_adapters_and_pin_their_files(tmp_path: Path) -> None:
    tensors = write_decoder(tmp_path / "weights", decoder_config("llama"))
    write_adapter(tmp_path / "terse", tensors, 2)
    text = """
name: tiny
kind: decoder
licence: none
summary: random weights
source: {path: weights}
recipe:
  builder: direct
  form: fp32
  context_tokens: 96
  adapters:
    - name: terse
      path: terse
      sha256: {adapter_model.safetensors: "%s"}
"""
    (tmp_path / "card.yaml").write_text(text % ("0" * 64))
    (source,) = read_card(tmp_path / "card.yaml").recipe.adapters
    assert source.path == str(tmp_path / "terse")
    with pytest.raises(ConfigError, match="was altered or cut off; run: get the adapter"):
        read_adapter(source)
    twice = text % ("0" * 64) + "    - {name: terse, path: other}\n"
    (tmp_path / "card.yaml").write_text(twice)
    with pytest.raises(ConfigError, match="has two of the name 'terse'"):
        read_card(tmp_path / "card.yaml")
