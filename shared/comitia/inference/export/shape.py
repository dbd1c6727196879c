"""The shape of a Llama-family decoder, and how its rotary positions are scaled. No files.

Families: llama, mistral, qwen2, qwen3. What is not known here is refused with a sentence and never
built wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.errors import ConfigError
from comitia.inference.export.blocks import Blocks

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shape:
    """`inverse_frequency`: float32[head_dim / 2]. `windows`: per layer, how far attention looks
    back in tokens, or None.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocab: int
    positions: int
    epsilon: float
    inverse_frequency: Floats
    windows: tuple[int | None, ...]


class Tensors(Protocol):
    """A decoder's tensors under the names of GGUF (token_embd, output_norm, output, blk.<i>.attn_q,
    ...).
    """

    shape: Shape

    def has(self, name: str) -> bool: ...

    def tensor(self, name: str) -> Floats:
        """float32; a projection is [outputs, inputs]."""


class Weights(Tensors, Protocol):
    """Those of a source."""

    def blocks(self, name: str) -> Blocks | None:
        """The stored blocks without loss, or None where the file does not hold such blocks."""


def inverse_frequencies(dimensions: int, theta: float, scaling: Mapping[str, Any]) -> Floats:
    """Rotary frequencies, float32[dimensions / 2]: theta**(-2i/dimensions), scaled as the model
    asks.

    RoPE: https://doi.org/10.48550/arXiv.2104.09864; "llama3" scaling:
    https://doi.org/10.48550/arXiv.2407.21783. Raises ConfigError for another kind of scaling.
    """
    exponent = np.arange(0, dimensions, 2, dtype=np.float32) / np.float32(dimensions)
    frequency = (1 / theta**exponent).astype(np.float32)
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind == "linear":
        frequency = frequency / scaling["factor"]
    elif kind == "llama3":
        factor, low, high, known = (
            scaling[key]
            for key in (
                "factor",
                "low_freq_factor",
                "high_freq_factor",
                "original_max_position_embeddings",
            )
        )
        wavelength = 2 * np.pi / frequency
        blend = (known / wavelength - low) / (high - low)
        middle = (1 - blend) * frequency / factor + blend * frequency
        slow = np.where(wavelength > known / low, frequency / factor, middle)
        frequency = np.where(wavelength < known / high, frequency, slow)
    elif kind != "default":
        raise ConfigError(f"Rotary scaling {kind!r} is not supported; known are linear and llama3.")
    return frequency.astype(np.float32)
