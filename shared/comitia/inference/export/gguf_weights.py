"""Decoder weights from one GGUF file: float32 by name, or the stored blocks without loss.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; the gguf package reads and
dequantises it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from numpy.typing import NDArray

from comitia.errors import ConfigError
from comitia.inference.export.blocks import BLOCK, Blocks, from_q4, from_q8_0
from comitia.inference.export.shape import FAMILIES, Floats, Shape, inverse_frequencies

_BLOCK_BYTES = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34}


class GgufFacts:
    """The key-value part of a GGUF file."""

    def __init__(self, path: Path) -> None:
        try:
            self.reader = GGUFReader(path)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{path} is not a readable GGUF file ({error}).") from error

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or `default` where the file does not have the key."""
        found = self.reader.fields.get(key)
        return default if found is None else found.contents()

    def need(self, key: str) -> Any:
        """A value that must be there. Raises ConfigError."""
        found = self.get(key)
        if found is None:
            raise ConfigError(f"The GGUF file does not say {key}; it is not complete.")
        return found


class GgufWeights:
    """Weights of a GGUF file. Raises ConfigError for an architecture outside the families."""

    def __init__(self, path: Path) -> None:
        facts = GgufFacts(path)
        self._tensors = {tensor.name: tensor for tensor in facts.reader.tensors}
        family = facts.get("general.architecture")
        if family not in FAMILIES:
            raise ConfigError(
                f"{path} holds a {family} model; GGUF files are built for {', '.join(FAMILIES)} "
                "alone."
            )
        # The converter of the llama family interleaves the rows of q and k for its own rotary
        # order.
        self._interleaved = family == "llama"
        self.shape = self._shape(facts, family)

    def _shape(self, facts: GgufFacts, family: str) -> Shape:
        def get(key: str, default: Any = None) -> Any:
            return facts.get(f"{family}.{key}", default)

        def need(key: str) -> Any:
            return facts.need(f"{family}.{key}")

        heads, layers = need("attention.head_count"), need("block_count")
        head_dim = get("attention.key_length", need("embedding_length") // heads)
        if get("rope.dimension_count", head_dim) != head_dim or get("expert_count", 0):
            raise ConfigError("Partial rotary positions and mixtures of experts are not supported.")
        kind = str(get("rope.scaling.type", "none")).replace("none", "default")
        scaling = {"type": kind, "factor": get("rope.scaling.factor", 1.0)}
        frequency = inverse_frequencies(head_dim, get("rope.freq_base", 10_000.0), scaling)
        if "rope_freqs.weight" in self._tensors:
            frequency = frequency / self.tensor("rope_freqs.weight")
        return Shape(
            layers=layers,
            heads=heads,
            kv_heads=get("attention.head_count_kv", heads),
            head_dim=head_dim,
            hidden=need("embedding_length"),
            vocab=int(self._tensors["token_embd.weight"].shape[1]),
            positions=need("context_length"),
            epsilon=need("attention.layer_norm_rms_epsilon"),
            inverse_frequency=frequency.astype(np.float32),
            windows=(None,) * layers,
        )

    def has(self, name: str) -> bool:
        """Whether the file has this tensor."""
        return name in self._tensors

    def tensor(self, name: str) -> Floats:
        """float32 values. Raises ConfigError where the tensor is missing."""
        if name not in self._tensors:
            raise ConfigError(f"The GGUF file has no tensor {name}.")
        stored = self._tensors[name]
        values: Floats = dequantize(stored.data, stored.tensor_type).astype(np.float32, copy=False)
        return values[self._rows(name, len(values))]

    def blocks(self, name: str) -> Blocks | None:
        """Q4_0, Q4_1 and Q8_0 as they are stored; None for other types."""
        stored = self._tensors[name]
        size = _BLOCK_BYTES.get(stored.tensor_type.name)
        if size is None:
            return None
        columns, rows = (int(n) for n in stored.shape)
        data = np.asarray(stored.data).reshape(rows, columns // BLOCK, size)[self._rows(name, rows)]
        return from_q8_0(data) if size == 34 else from_q4(data)

    def _rows(self, name: str, count: int) -> NDArray[np.intp] | slice:
        """Where each row of the half-split rotary order lies in the file."""
        part = name.split(".")[-2]
        if not self._interleaved or part not in ("attn_q", "attn_k"):
            return slice(None)
        heads = self.shape.heads if part == "attn_q" else self.shape.kv_heads
        return np.arange(count).reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1)
