"""Decoder and encoder once more in numpy and float64: what the graphs are compared with.

Written from the papers, without cache, batch or fusion: all tokens of one text in, the outputs at
every place out.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.unit.inference_models import Tensors

Wide = NDArray[np.float64]


def decoder_logits(config: dict[str, Any], tensors: Tensors, tokens: list[int]) -> Wide:
    """float64[tokens, vocab] of a Llama-family decoder."""
    weights = {name: array.astype(np.float64) for name, array in tensors.items()}
    epsilon = config["rms_norm_eps"]

    def norm(x: Wide, name: str) -> Wide:
        scaled: Wide = x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon)
        return scaled * weights[f"{name}.weight"]

    def linear(x: Wide, name: str) -> Wide:
        product: Wide = x @ weights[f"{name}.weight"].T
        return product + weights[f"{name}.bias"] if f"{name}.bias" in weights else product

    state = weights["model.embed_tokens.weight"][tokens]
    for layer in range(config["num_hidden_layers"]):
        stem = f"model.layers.{layer}"
        x = norm(state, f"{stem}.input_layernorm")
        parts: list[Wide] = []
        for part in "qkv":
            heads = config["num_attention_heads" if part == "q" else "num_key_value_heads"]
            y = linear(x, f"{stem}.self_attn.{part}_proj").reshape(len(tokens), heads, -1)
            if config["model_type"] == "qwen3" and part != "v":
                y = norm(y, f"{stem}.self_attn.{part}_norm")
            parts.append(y if part == "v" else _rotated(y, config))
        mixed = _attention(parts, config.get("sliding_window"))
        state = state + linear(mixed, f"{stem}.self_attn.o_proj")
        x = norm(state, f"{stem}.post_attention_layernorm")
        gate, up = linear(x, f"{stem}.mlp.gate_proj"), linear(x, f"{stem}.mlp.up_proj")
        state = state + linear(gate / (1 + np.exp(-gate)) * up, f"{stem}.mlp.down_proj")
    head = "model.embed_tokens" if config["tie_word_embeddings"] else "lm_head"
    return linear(norm(state, "model.norm"), head)


def log_likelihood(
    config: dict[str, Any], tensors: Tensors, context: list[int], option: list[int]
) -> float:
    """Sum over the option's tokens of ln P(token | all before it)."""
    logits = decoder_logits(config, tensors, context + option)
    shifted = logits - logits.max(-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    places = range(len(context) - 1, len(context) + len(option) - 1)
    return float(sum(logs[place, token] for place, token in zip(places, option, strict=True)))


def encoder_states(config: dict[str, Any], tensors: Tensors, tokens: list[int]) -> Wide:
    """float64[tokens, hidden] of a BERT encoder."""
    weights = {name: array.astype(np.float64) for name, array in tensors.items()}

    def norm(x: Wide, stem: str) -> Wide:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + config["layer_norm_eps"])
        result: Wide = scaled * weights[f"{stem}.LayerNorm.weight"]
        return result + weights[f"{stem}.LayerNorm.bias"]

    def dense(x: Wide, stem: str) -> Wide:
        result: Wide = x @ weights[f"{stem}.weight"].T + weights[f"{stem}.bias"]
        return result

    table = "embeddings.{}_embeddings.weight"
    state = weights[table.format("word")][tokens] + weights[table.format("token_type")][0]
    state = norm(state + weights[table.format("position")][: len(tokens)], "embeddings")
    heads = config["num_attention_heads"]
    for layer in range(config["num_hidden_layers"]):
        stem = f"encoder.layer.{layer}"
        parts = [
            dense(state, f"{stem}.attention.self.{part}").reshape(len(tokens), heads, -1)
            for part in ("query", "key", "value")
        ]
        mixed = _weighted(parts, np.zeros((len(tokens), len(tokens))))
        added = dense(mixed, f"{stem}.attention.output.dense")
        state = norm(state + added, f"{stem}.attention.output")
        x = dense(state, f"{stem}.intermediate.dense")
        gelu = x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        state = norm(state + dense(gelu, f"{stem}.output.dense"), f"{stem}.output")
    return state


def _rotated(x: Wide, config: dict[str, Any]) -> Wide:
    """Rotary positions on [tokens, heads, dimensions], halves apart as Hugging Face has them."""
    tokens, _, dimensions = x.shape
    places = np.arange(tokens) / config.get("rope_scaling", {}).get("factor", 1.0)
    angle = np.outer(places, config["rope_theta"] ** (-np.arange(0, dimensions, 2) / dimensions))
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    left, right = np.split(x, 2, -1)
    return np.concatenate([left * cos - right * sin, right * cos + left * sin], -1)


def _attention(parts: list[Wide], window: int | None) -> Wide:
    """Causal; several query heads share one of key and value; a window counts the token itself."""
    query, key, value = parts
    group = query.shape[1] // key.shape[1]
    key, value = key.repeat(group, 1), value.repeat(group, 1)
    places = np.arange(len(query))
    distance = places[:, None] - places
    hidden = (distance < 0) | (distance >= (window or len(query)))
    return _weighted([query, key, value], np.where(hidden, -np.inf, 0.0))


def _weighted(parts: list[Wide], mask: Wide) -> Wide:
    query, key, value = parts
    scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(query.shape[-1]) + mask
    weight = np.exp(scores - scores.max(-1, keepdims=True))
    weight /= weight.sum(-1, keepdims=True)
    mixed: Wide = np.einsum("hqk,khd->qhd", weight, value)
    return mixed.reshape(len(query), -1)
