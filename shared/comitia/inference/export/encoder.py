"""A BERT encoder as one fused graph, written straight from its safetensors.

Contract "tokens":
    in   input_ids, attention_mask, token_type_ids int64[B, S]; the mask is 1 for a token and 0 for
         padding, on the right
    out  last_hidden_state float32[B, S, hidden]; pooling is the reader's
One layer after BERT (https://doi.org/10.48550/arXiv.1810.04805): Attention (q, k, v and their
biases in one product), output product, SkipLayerNormalization with residual and bias, product,
BiasGelu (the exact, erf form), product, SkipLayerNormalization.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from comitia.errors import ConfigError
from comitia.inference.export.graph import Graph
from comitia.inference.export.safetensors import Safetensors, read_config


def build_encoder(source: Path, folder: Path, context_tokens: int) -> tuple[dict[str, int], int]:
    """Write model.onnx and model.onnx.data into `folder`; node counts by operator, and the hidden
    size.

    Raises ConfigError for a model that is not a plain BERT, or reads fewer tokens than asked for.
    """
    config = read_config(source)
    _refuse_others(config, context_tokens)
    tensors = Safetensors(source)
    with Graph(folder) as graph:
        builder = _Encoder(graph, tensors, config)
        state = builder.embedding()
        for layer in range(config["num_hidden_layers"]):
            state = builder.layer(layer, state, last=layer == config["num_hidden_layers"] - 1)
        info, longs = helper.make_tensor_value_info, TensorProto.INT64
        names = ("input_ids", "attention_mask", "token_type_ids")
        output = info("last_hidden_state", TensorProto.FLOAT, ["B", "S", config["hidden_size"]])
        graph.save([info(name, longs, ["B", "S"]) for name in names], [output])
        return dict(graph.counts()), int(config["hidden_size"])


def _refuse_others(config: Mapping[str, Any], context_tokens: int) -> None:
    found = [
        config.get("model_type"),
        config.get("hidden_act", "gelu"),
        config.get("position_embedding_type", "absolute"),
    ]
    if found != ["bert", "gelu", "absolute"]:
        raise ConfigError(
            f"The encoder is {', '.join(map(str, found))}; built directly is bert with gelu and "
            "absolute positions. Set "
            "'recipe.builder: optimum' in its card for another one."
        )
    if config.get("is_decoder") or context_tokens > config["max_position_embeddings"]:
        raise ConfigError(
            f"The encoder reads {config['max_position_embeddings']} tokens, the card asks for "
            f"{context_tokens}; lower "
            "'recipe.context_tokens'."
        )


class _Encoder:
    """The parts of the graph, in the order in which they are called."""

    def __init__(self, graph: Graph, tensors: Safetensors, config: Mapping[str, Any]) -> None:
        self._graph, self._tensors, self._config = graph, tensors, config
        self._epsilon = config.get("layer_norm_eps", 1e-12)
        # Some files hold the encoder below a task's own head.
        self._stem = "bert." if "bert.embeddings.LayerNorm.weight" in tensors else ""

    def embedding(self) -> str:
        """Word + position + segment, normalised; also makes the mask that attention adds to its
        scores.
        """
        graph, table = self._graph, "embeddings.{}_embeddings.weight"
        words = graph.op("Gather", [self._weight(table.format("word")), "input_ids"], "words")
        segments = graph.op(
            "Gather", [self._weight(table.format("token_type")), "token_type_ids"], "segments"
        )
        length = graph.op("Shape", ["input_ids"], "length", start=1, end=2)
        zero = graph.numbers(0)
        places = graph.op(
            "Slice", [self._weight(table.format("position")), zero, length, zero], "places"
        )
        total = graph.op("Add", [graph.op("Add", [words, segments], "typed"), places], "placed")
        graph.op("Cast", ["attention_mask"], "mask", to=int(TensorProto.INT32))
        norm = [
            self._weight("embeddings.LayerNorm.weight"),
            self._weight("embeddings.LayerNorm.bias"),
        ]
        return graph.op(
            "LayerNormalization", [total, *norm], "embedded", axis=-1, epsilon=self._epsilon
        )

    def layer(self, number: int, state: str, *, last: bool) -> str:
        """One layer; the last one writes the graph's output."""
        graph, stem = self._graph, f"encoder.layer.{number}"
        parts = [f"{stem}.attention.self.{part}" for part in ("query", "key", "value")]
        joined = np.concatenate([self._value(f"{part}.weight") for part in parts]).T
        bias = np.concatenate([self._value(f"{part}.bias") for part in parts])
        packed = [
            graph.weight(f"{stem}.qkv.weight", joined),
            graph.weight(f"{stem}.qkv.bias", bias),
        ]
        heads = self._config["num_attention_heads"]
        attention = graph.op(
            "Attention", [state, *packed, "mask"], f"{stem}.attention", num_heads=heads
        )
        added = self._product(attention, f"{stem}.attention.output.dense")
        state = self._skip_norm(added, state, f"{stem}.attention.output", f"{stem}.attended")
        wide = self._product(state, f"{stem}.intermediate.dense")
        gelu = graph.op(
            "BiasGelu", [wide, self._weight(f"{stem}.intermediate.dense.bias")], f"{stem}.gelu"
        )
        added = self._product(gelu, f"{stem}.output.dense")
        return self._skip_norm(
            added, state, f"{stem}.output", "last_hidden_state" if last else f"{stem}.state"
        )

    def _product(self, x: str, stem: str) -> str:
        weight = self._graph.weight(f"{stem}.weight", self._value(f"{stem}.weight").T)
        return self._graph.op("MatMul", [x, weight], f"{stem}.product")

    def _skip_norm(self, added: str, state: str, stem: str, y: str) -> str:
        """LayerNorm(added + bias + state)."""
        names = [f"{stem}.LayerNorm.weight", f"{stem}.LayerNorm.bias", f"{stem}.dense.bias"]
        inputs = [added, state, *map(self._weight, names)]
        return self._graph.op("SkipLayerNormalization", inputs, y, epsilon=self._epsilon)

    def _weight(self, name: str) -> str:
        return self._graph.weight(name, self._value(name))

    def _value(self, name: str) -> Any:
        return self._tensors.tensor(f"{self._stem}{name}")
