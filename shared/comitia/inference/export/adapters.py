"""LoRA adapters as PEFT stores them: folders in, factors by projection out.

An adapter is adapter_config.json beside adapter_model.safetensors; with it a projection W answers
as W + scale * B @ A (https://doi.org/10.48550/arXiv.2106.09685). What is not that, on a projection
that is known, is refused: left out in silence it would be another adapter.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comitia.errors import ConfigError
from comitia.inference.cards import AdapterSource
from comitia.inference.export.safetensors import Safetensors
from comitia.inference.export.shape import Floats, Shape, Tensors
from comitia.inference.store import expect_file

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# PEFT's module -> the projection under its name of GGUF.
_PROJECTIONS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_FACTOR = re.compile(r"base_model\.model\.model\.layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight")
# Settings that change what the factors mean, and what they are in plain LoRA.
_PLAIN: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none", None),
    "use_dora": (False, None),
    "use_qalora": (False, None),
    "lora_bias": (False, None),
    "fan_in_fan_out": (False, None),
    "modules_to_save": (None, []),
    "layer_replication": (None, []),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "alora_invocation_tokens": (None, []),
    # Others change the base's weights before training: PiSSA, OLoRA, CorDA, LoftQ.
    "init_lora_weights": (True, False, None, "gaussian", "orthogonal", "eva"),
}


@dataclass(frozen=True, slots=True)
class Factors:
    """down float32[rank, inputs] is LoRA's A, up float32[outputs, rank] is its B."""

    down: Floats
    up: Floats


@dataclass(frozen=True, slots=True)
class Adapter:
    """`factors` by the projection's name ("blk.0.attn_q")."""

    name: str
    scale: float
    factors: Mapping[str, Factors]


class Adapted:
    """A model's tensors with an adapter merged in: what its graph has to answer like."""

    def __init__(self, weights: Tensors, adapter: Adapter) -> None:
        self.shape: Shape = weights.shape
        self._weights, self._adapter = weights, adapter

    def has(self, name: str) -> bool:
        """See Tensors."""
        return self._weights.has(name)

    def tensor(self, name: str) -> Floats:
        """See Tensors."""
        plain = self._weights.tensor(name)
        factors = self._adapter.factors.get(name.removesuffix(".weight"))
        if factors is None or not name.endswith(".weight"):
            return plain
        merged: Floats = plain + self._adapter.scale * (factors.up @ factors.down)
        return merged


def read_adapters(sources: Sequence[AdapterSource], weights: Tensors) -> list[Adapter]:
    """The adapters of a card for a decoder with these weights.

    Raises ConfigError: a folder or file missing, altered or damaged; not plain LoRA; factors that
    do not fit the model.
    """
    adapters = [read_adapter(source) for source in sources]
    for adapter in adapters:
        _check_fit(adapter, weights)
    return adapters


def read_adapter(source: AdapterSource) -> Adapter:
    """One adapter. Raises ConfigError."""
    folder = Path(source.path)
    for name, expected in source.sha256:
        expect_file(folder / name, expected, f"get the adapter '{source.name}' again")
    config = _config(source.name, folder / CONFIG)
    tensors = Safetensors(folder)
    pairs: dict[str, dict[str, Floats]] = {}
    for name in tensors:
        match = _FACTOR.fullmatch(name)
        if match is None or match[2] not in _PROJECTIONS:
            raise ConfigError(
                f"Adapter '{source.name}' changes {name}, which is not the LoRA factor of a "
                f"projection known here ({', '.join(_PROJECTIONS)}); train it on those alone."
            )
        stem = f"blk.{match[1]}.{_PROJECTIONS[match[2]]}"
        pairs.setdefault(stem, {})[match[3]] = tensors.tensor(name)
    rank = config["r"]
    factors = {}
    for stem, pair in sorted(pairs.items()):
        if set(pair) != {"A", "B"} or not len(pair["A"]) == pair["B"].shape[1] == rank:
            raise ConfigError(
                f"Adapter '{source.name}' does not hold factors A and B of rank {rank} for {stem}; "
                "its files are not whole, or of two adapters."
            )
        factors[stem] = Factors(pair["A"], pair["B"])
    root = math.sqrt(rank) if config.get("use_rslora") else rank
    return Adapter(source.name, config["lora_alpha"] / root, factors)


def _config(name: str, path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"Adapter '{name}': {path} cannot be read ({error}).") from error
    if not isinstance(config, dict):
        raise ConfigError(f"Adapter '{name}': {path} is not a JSON object.")
    for key, plain in _PLAIN.items():
        if config.get(key, plain[0]) not in plain:
            raise ConfigError(
                f"Adapter '{name}' has {key}: {config[key]!r} in {path}, which is not plain LoRA; "
                "merge it into the model's weights and use those."
            )
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, (int, float)):
        raise ConfigError(f"Adapter '{name}': {path} must say 'r' and 'lora_alpha' as numbers.")
    return config


def _check_fit(adapter: Adapter, weights: Tensors) -> None:
    for stem, factors in adapter.factors.items():
        name = f"{stem}.weight"
        wanted = weights.tensor(name).shape if weights.has(name) else None
        if wanted != (len(factors.up), factors.down.shape[1]):
            here = "does not have" if wanted is None else f"has as {list(wanted)}"
            raise ConfigError(
                f"Adapter '{adapter.name}' changes {stem} as "
                f"{[len(factors.up), factors.down.shape[1]]}, which the model {here}; it belongs "
                "to another model."
            )
