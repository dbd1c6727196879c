"""Decoders out of GGUF files and folders: their stored weights, and refusals in words."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import dequantize, quantize

from comitia.errors import ConfigError
from comitia.inference.cache import CpuCache
from comitia.inference.cards import Form
from comitia.inference.export import graph, quality
from comitia.inference.export.folder import _LAYER
from comitia.inference.export.make import export
from comitia.inference.export.shape import inverse_frequencies
from comitia.inference.load import load_model
from comitia.inference.runner import CHUNK_TOKENS_MAX, Feed, RowRunner
from comitia.inference.session import Threads, open_session
from comitia.ports import Prompt
from tests.unit.inference_models import (
    END,
    TEMPLATE,
    Tensors,
    byte_tokenizer,
    card_of,
    decoder_config,
    encoder_config,
    write_decoder,
    write_encoder,
)
from tests.unit.inference_reference import decoder_logits, log_likelihood

TOP = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


@pytest.fixture(autouse=True)
def short_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a form costs is measured in other tests, and transformers is asked in others."""
    monkeypatch.delenv("COMITIA_EXPORT_PYTHON", raising=False)
    monkeypatch.setattr(quality, "TOKENS_MAX", 192)


def write_gguf(path: Path, config: dict[str, Any], tensors: Tensors, kind: str) -> Tensors:
    """A GGUF file of a llama or qwen2 model; its tensors as they read after rounding to `kind`."""
    family = config["model_type"]
    writer = GGUFWriter(path, family)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    vocab = sorted(byte_tokenizer().get_vocab().items(), key=lambda item: item[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([text for text, _ in vocab])
    writer.add_token_types([3 if text == END else 1 for text, _ in vocab])
    writer.add_token_merges(["Ġ y", "Ġy e", "a b"])
    writer.add_eos_token_id(0)
    writer.add_chat_template(TEMPLATE)
    rounded: Tensors = {}
    short = {long: name for name, long in _LAYER.items()}
    for long, array in tensors.items():
        name = TOP.get(long) or _block_name(long, short)
        table = name in ("token_embd.weight", "output.weight")
        quantised = array.ndim == 2 and kind != "F32"
        code = GGMLQuantizationType["Q8_0" if table and quantised else kind if quantised else "F32"]
        stored = quantize(_interleaved(name, array, config), code) if quantised else array
        writer.add_tensor(name, stored, raw_dtype=code)
        exact = dequantize(quantize(array, code), code) if quantised else array
        rounded[long] = exact.reshape(array.shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return rounded


def _block_name(long: str, short: dict[str, str]) -> str:
    parts = long.split(".")
    return f"blk.{parts[2]}.{short['.'.join(parts[3:-1])]}.{parts[-1]}"


def _interleaved(name: str, array: Any, config: dict[str, Any]) -> Any:
    """The llama converter's order of rows for q and k."""
    part = name.split(".")[-2]
    if config["model_type"] != "llama" or part not in ("attn_q", "attn_k"):
        return array
    key = "num_attention_heads" if part == "attn_q" else "num_key_value_heads"
    heads = array.reshape(config[key], 2, -1, array.shape[1])
    return heads.swapaxes(1, 2).reshape(array.shape)


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize(
    "stored",
    [
        ("fp32", "Q4_1"),
        ("int8", "Q8_0"),
        ("native", "Q8_0"),
        ("native", "Q4_0"),
        ("native", "Q4_1"),
    ],
)
async def test_stored_weights_answer_as_they_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, stored: tuple[Form, str]
) -> None:
    """With inputs kept as floats nothing is rounded but what the file had rounded already."""
    monkeypatch.setattr(graph, "_ACCURACY", 1)
    form, kind = stored
    config = decoder_config(family)
    path = tmp_path / "model.gguf"
    rounded = write_gguf(path, config, write_decoder(tmp_path / "hf", config), kind)
    card = card_of(path, form=form)
    export(card, tmp_path)
    model = load_model(card, tmp_path, threads=Threads(1))
    context, options = "the quick brown fox", [" y", " jumps"]
    scores = await model.score(Prompt("", context), options)
    encode = byte_tokenizer().encode
    exact = [log_likelihood(config, rounded, encode(context).ids, encode(o).ids) for o in options]
    assert scores.log_likelihoods == pytest.approx(exact, abs=2e-4)
    assert model.render([("user", "hi")]) == "<user>hi\n<assistant>"
    await model.close()


@pytest.mark.parametrize("form", ["int8", "native"])
def test_rounded_inputs_stay_close(tmp_path: Path, form: Form) -> None:
    """Logits of the shipped forms point where the exact ones do; random weights exaggerate."""
    config = decoder_config("llama")
    path = tmp_path / "model.gguf"
    rounded = write_gguf(path, config, write_decoder(tmp_path / "hf", config), "Q4_1")
    built = export(card_of(path, form=form), tmp_path)
    session = open_session(built.folder / "model.onnx", Threads(1), "cpu")
    runner = RowRunner(session, CpuCache(built.manifest.shape, 1, 96 + CHUNK_TOKENS_MAX))
    tokens = np.random.default_rng(0).integers(1, 250, 60).tolist()
    outcome = runner.run([Feed(0, 0, tokens, range(60))], logits=True)
    assert outcome.logits is not None
    found = outcome.logits.astype(np.float64)
    exact = decoder_logits(config, rounded, tokens)
    assert (found * exact).sum() / (np.linalg.norm(found) * np.linalg.norm(exact)) > 0.99


async def test_untied_heads_and_stretched_positions(tmp_path: Path) -> None:
    stretched = {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}
    config = decoder_config("llama", tie_word_embeddings=False, **stretched)
    tensors = write_decoder(tmp_path / "weights", config)
    card = card_of(tmp_path / "weights")
    export(card, tmp_path)
    model = load_model(card, tmp_path, threads=Threads(1))
    found = await model.score(Prompt("", "some context"), ["x"])
    encode = byte_tokenizer().encode
    exact = log_likelihood(config, tensors, encode("some context").ids, encode("x").ids)
    assert found.log_likelihoods[0] == pytest.approx(exact, abs=2e-4)
    await model.close()


def test_llama3_scaling_leaves_fast_and_stretches_slow_frequencies() -> None:
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    plain, found = (inverse_frequencies(128, 500_000.0, s) for s in ({}, scaling))
    ratio = plain / found
    wavelength = 2 * math.pi / plain
    assert ratio[wavelength < 8192 / 4] == pytest.approx(1.0)
    assert ratio[wavelength > 8192] == pytest.approx(8.0)
    assert (np.diff(ratio) >= -1e-5).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt_neox"}, "gpt_neox model with silu.*builder: optimum"),
        ({"hidden_act": "gelu"}, "llama model with gelu"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "'yarn' is not supported"),
        ({"max_position_embeddings": 50}, "reads 50 tokens, the card asks for 96"),
    ],
)
def test_what_cannot_be_built_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder = tmp_path / "weights"
    write_decoder(folder, decoder_config("llama") | changes)
    with pytest.raises(ConfigError, match=message):
        export(card_of(folder), tmp_path)
    assert not (tmp_path / "models/tiny/built").exists()


def test_other_refusals(tmp_path: Path) -> None:
    write_decoder(tmp_path / "odd", decoder_config("llama", hidden_size=72))
    with pytest.raises(ConfigError, match="72 is no multiple of 32"):
        export(card_of(tmp_path / "odd", form="int8"), tmp_path)
    write_encoder(tmp_path / "relu", encoder_config(hidden_act="relu"))
    with pytest.raises(ConfigError, match="bert, relu, absolute"):
        export(card_of(tmp_path / "relu", "encoder"), tmp_path)
    (tmp_path / "broken.gguf").write_bytes(b"GGUF but not much more")
    with pytest.raises(ConfigError, match="not a readable GGUF"):
        export(card_of(tmp_path / "broken.gguf"), tmp_path)
    config = decoder_config("llama")
    del config["rms_norm_eps"]
    write_decoder(tmp_path / "silent", config)
    with pytest.raises(ConfigError, match="do not say 'rms_norm_eps'"):
        export(card_of(tmp_path / "silent"), tmp_path)
    write_decoder(tmp_path / "short", decoder_config("llama"))
    with (tmp_path / "short/model.safetensors").open("r+b") as file:
        file.truncate(100_000)
    with pytest.raises(ConfigError, match="weights end before tensor"):
        export(card_of(tmp_path / "short"), tmp_path)
    with pytest.raises(ConfigError, match="no weights at"):
        export(card_of(tmp_path / "nowhere"), tmp_path)
    write_encoder(tmp_path / "missing", encoder_config())
    (tmp_path / "missing/tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"no tokenizer.json"):
        export(card_of(tmp_path / "missing", "encoder"), tmp_path)
