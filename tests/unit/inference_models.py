"""Tiny models with random weights: Hugging Face folders written by hand, and cards for them.

Weights are drawn in float32 from a seed; they mean nothing, but a slip in a graph moves outputs.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from comitia.inference.cards import Builder, Form, ModelCard, PathSource, Recipe

Tensors = dict[str, NDArray[np.float32]]

CONTEXT = 96
END = "<|endoftext|>"
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def decoder_config(family: str, **changes: Any) -> dict[str, Any]:
    """Three layers, four heads over two of key and value: everything a real one has, small."""
    config = {
        "model_type": family,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": len(_alphabet()),
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": family in ("llama", "qwen3"),
    }
    if family == "mistral":
        config["sliding_window"] = 8
    return config | changes


def write_decoder(folder: Path, config: dict[str, Any], seed: int = 0) -> Tensors:
    """A decoder's folder; its tensors by Hugging Face name."""
    chance = np.random.default_rng(seed)
    hidden, wide, dim = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * dim, config["num_key_value_heads"] * dim
    tensors: Tensors = {}

    def add(name: str, *shape: int) -> None:
        spread = 0.3 if len(shape) > 1 else 0.5
        centre = 1.0 if name.endswith("norm.weight") else 0.0
        tensors[name] = (centre + spread * chance.standard_normal(shape)).astype(np.float32)

    add("model.embed_tokens.weight", config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        stem = f"model.layers.{layer}"
        for name in ("input_layernorm", "post_attention_layernorm"):
            add(f"{stem}.{name}.weight", hidden)
        for part, rows in (("q", queries), ("k", keys), ("v", keys)):
            add(f"{stem}.self_attn.{part}_proj.weight", rows, hidden)
            if config["model_type"] == "qwen2":
                add(f"{stem}.self_attn.{part}_proj.bias", rows)
            if config["model_type"] == "qwen3" and part != "v":
                add(f"{stem}.self_attn.{part}_norm.weight", dim)
        add(f"{stem}.self_attn.o_proj.weight", hidden, queries)
        add(f"{stem}.mlp.gate_proj.weight", wide, hidden)
        add(f"{stem}.mlp.up_proj.weight", wide, hidden)
        add(f"{stem}.mlp.down_proj.weight", hidden, wide)
    add("model.norm.weight", hidden)
    if not config["tie_word_embeddings"]:
        add("lm_head.weight", config["vocab_size"], hidden)
    write_safetensors(folder, config, tensors)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {"eos_token": END, "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return tensors


def encoder_config(**changes: Any) -> dict[str, Any]:
    """Two layers of BERT."""
    config = {
        "model_type": "bert",
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": len(_alphabet()),
        "max_position_embeddings": 64,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
    }
    return config | changes


def write_encoder(folder: Path, config: dict[str, Any], seed: int = 0) -> Tensors:
    """An encoder's folder; its tensors by Hugging Face name."""
    chance = np.random.default_rng(seed)
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    tensors: Tensors = {}

    def add(name: str, *shape: int) -> None:
        centre = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        tensors[name] = (centre + 0.3 * chance.standard_normal(shape)).astype(np.float32)

    def dense(stem: str, rows: int, columns: int) -> None:
        add(f"{stem}.weight", rows, columns)
        add(f"{stem}.bias", rows)

    for name, rows in (
        ("word", config["vocab_size"]),
        ("position", config["max_position_embeddings"]),
        ("token_type", config["type_vocab_size"]),
    ):
        add(f"embeddings.{name}_embeddings.weight", rows, hidden)
    norms = ["embeddings"]
    for layer in range(config["num_hidden_layers"]):
        stem = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            dense(f"{stem}.attention.self.{part}", hidden, hidden)
        dense(f"{stem}.attention.output.dense", hidden, hidden)
        dense(f"{stem}.intermediate.dense", wide, hidden)
        dense(f"{stem}.output.dense", hidden, wide)
        norms += [f"{stem}.attention.output", f"{stem}.output"]
    for stem in norms:
        add(f"{stem}.LayerNorm.weight", hidden)
        add(f"{stem}.LayerNorm.bias", hidden)
    write_safetensors(folder, config, tensors)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    return tensors


def card_of(folder: Path, kind: str = "decoder", form: Form = "fp32", **recipe: Any) -> ModelCard:
    """A card for a folder (or a GGUF file) on this machine."""
    builder: Builder = recipe.pop("builder", "direct")
    pooling = recipe.pop("pooling", "mean") if kind == "encoder" else None
    context = recipe.pop("context_tokens", CONTEXT if kind == "decoder" else 48)
    return ModelCard(
        name="tiny",
        kind="encoder" if kind == "encoder" else "decoder",
        licence="none",
        summary="random weights",
        source=PathSource(str(folder)),
        recipe=Recipe(builder, form, context, pooling),
        **recipe,
    )


def byte_tokenizer() -> Tokenizer:
    """Byte-level BPE: a token for each byte, and merges so that borders can move."""
    vocab = {text: number for number, text in enumerate(_alphabet())}
    merges = [("Ġ", "y"), ("Ġy", "e"), ("a", "b")]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken(END, special=True, normalized=False)])
    return tokenizer


def _alphabet() -> list[str]:
    return [END, *sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġy", "Ġye", "ab"]


def write_safetensors(folder: Path, config: dict[str, Any], tensors: Tensors) -> None:
    """config.json and model.safetensors of a model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    header, start = {}, 0
    for name, array in tensors.items():
        offsets = [start, start + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        start = offsets[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(array.tobytes())
