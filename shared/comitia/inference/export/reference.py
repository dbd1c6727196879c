"""Forward passes in plain numpy: what a graph's outputs are compared with before it is kept.

Written from the papers, without fusion or cache: all tokens of a few texts in, outputs at every
place out. Weights are asked for one at a time, so a pass takes the memory of the largest tensor.
Products are in float32, everything else in float64.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comitia.inference.export.safetensors import Safetensors
from comitia.inference.export.shape import Floats, Tensors

Wide = NDArray[np.float64]


def decoder_logits(weights: Tensors, texts: Sequence[Sequence[int]]) -> list[Floats]:
    """Of each text float32[tokens, vocab], by a Llama-family decoder
    (https://doi.org/10.48550/arXiv.2302.13971). Raises ConfigError where a tensor is missing.
    """
    shape = weights.shape
    ends = np.cumsum([len(text) for text in texts])
    places = np.concatenate([np.arange(len(text)) for text in texts])

    def norm(x: Wide, name: str) -> Wide:
        scaled: Wide = x / np.sqrt((x * x).mean(-1, keepdims=True) + shape.epsilon)
        return scaled * weights.tensor(f"{name}.weight")

    def linear(x: Wide, name: str) -> Wide:
        product = (x.astype(np.float32) @ weights.tensor(f"{name}.weight").T).astype(np.float64)
        biased = weights.has(f"{name}.bias")
        return product + weights.tensor(f"{name}.bias") if biased else product

    def attend(x: Wide, stem: str, window: int | None) -> Wide:
        parts = []
        for part, heads in (("q", shape.heads), ("k", shape.kv_heads), ("v", shape.kv_heads)):
            name = f"{stem}.attn_{part}"
            y = linear(x, name).reshape(len(x), heads, shape.head_dim)
            if part != "v" and weights.has(f"{name}_norm.weight"):
                y = norm(y, f"{name}_norm")
            y = y if part == "v" else _rotated(y, places, shape.inverse_frequency)
            parts.append(np.split(y, ends[:-1]))
        mixed = [_causal(of_text, window) for of_text in zip(*parts, strict=True)]
        return linear(np.concatenate(mixed), f"{stem}.attn_output")

    state = weights.tensor("token_embd.weight")[np.concatenate(texts)].astype(np.float64)
    for layer in range(shape.layers):
        stem = f"blk.{layer}"
        state = state + attend(norm(state, f"{stem}.attn_norm"), stem, shape.windows[layer])
        x = norm(state, f"{stem}.ffn_norm")
        gate, up = linear(x, f"{stem}.ffn_gate"), linear(x, f"{stem}.ffn_up")
        state = state + linear(gate / (1 + np.exp(-gate)) * up, f"{stem}.ffn_down")
    head = "output" if weights.has("output.weight") else "token_embd"
    logits = linear(norm(state, "output_norm"), head).astype(np.float32)
    return np.split(logits, ends[:-1])


def encoder_states(
    tensors: Safetensors, config: Mapping[str, Any], tokens: Sequence[int]
) -> Floats:
    """float32[tokens, hidden] of a BERT encoder (https://doi.org/10.48550/arXiv.1810.04805), all
    tokens in the first segment.
    """
    stem = "bert." if "bert.embeddings.LayerNorm.weight" in tensors else ""
    epsilon = config.get("layer_norm_eps", 1e-12)

    def value(name: str) -> Floats:
        return tensors.tensor(f"{stem}{name}")

    def norm(x: Wide, name: str) -> Wide:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
        shifted: Wide = scaled * value(f"{name}.LayerNorm.weight")
        return shifted + value(f"{name}.LayerNorm.bias")

    def dense(x: Wide, name: str) -> Wide:
        product = x.astype(np.float32) @ value(f"{name}.weight").T
        return product.astype(np.float64) + value(f"{name}.bias")

    table = "embeddings.{}_embeddings.weight"
    words = value(table.format("word"))[list(tokens)].astype(np.float64)
    places = value(table.format("position"))[: len(tokens)]
    state = norm(words + value(table.format("token_type"))[0] + places, "embeddings")
    heads = config["num_attention_heads"]
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        parts = [
            dense(state, f"{name}.attention.self.{part}").reshape(len(tokens), heads, -1)
            for part in ("query", "key", "value")
        ]
        added = dense(_weighted(parts, 0.0), f"{name}.attention.output.dense")
        state = norm(state + added, f"{name}.attention.output")
        x = dense(state, f"{name}.intermediate.dense")
        gelu = x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        state = norm(state + dense(gelu, f"{name}.output.dense"), f"{name}.output")
    return state.astype(np.float32)


def _rotated(x: Wide, places: NDArray[np.int64], frequency: Floats) -> Wide:
    """Rotary positions on [tokens, heads, head_dim], the halves apart."""
    angle = np.outer(places, frequency)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    left, right = np.split(x, 2, -1)
    return np.concatenate([left * cos - right * sin, right * cos + left * sin], -1)


def _causal(parts: Sequence[Wide], window: int | None) -> Wide:
    """Several query heads share one of key and value; a window counts the token itself."""
    query, key, value = parts
    group = query.shape[1] // key.shape[1]
    places = np.arange(len(query))
    distance = places[:, None] - places
    hidden = (distance < 0) | (distance >= (window or len(query)))
    shared = [query, key.repeat(group, 1), value.repeat(group, 1)]
    return _weighted(shared, np.where(hidden, -np.inf, 0.0))


def _weighted(parts: Sequence[Wide], mask: Wide | float) -> Wide:
    """softmax(q k^T / sqrt(d) + mask) v, heads side by side."""
    query, key, value = parts
    scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(query.shape[-1]) + mask
    weight = np.exp(scores - scores.max(-1, keepdims=True))
    weight /= weight.sum(-1, keepdims=True)
    mixed: Wide = np.einsum("hqk,khd->qhd", weight, value)
    return mixed.reshape(len(query), -1)
