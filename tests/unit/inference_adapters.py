"""Random LoRA adapters in folders as PEFT writes them, and tensors with one merged in."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from comitia.inference.export.safetensors import write_safetensors
from tests.unit.inference_models import Tensors

ALL = ("q", "k", "v", "o", "gate", "up", "down")


def write_adapter(
    folder: Path, tensors: Tensors, rank: int, parts: tuple[str, ...] = ALL, **settings: Any
) -> Tensors:
    """An adapter of `rank` on these projections of every layer, alpha 2 * rank; `tensors` with it
    merged in.
    """
    chance = np.random.default_rng(rank)
    folder.mkdir(parents=True)
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": 2 * rank,
        "bias": "none",
    } | settings
    (folder / "adapter_config.json").write_text(json.dumps(config))
    scale = config["lora_alpha"] / (np.sqrt(rank) if config.get("use_rslora") else rank)
    factors, merged = {}, dict(tensors)
    for name, weight in tensors.items():
        stem = name.removesuffix(".weight")
        part = stem.rpartition(".")[2].removesuffix("_proj")
        if part not in parts or weight.ndim != 2:
            continue
        outputs, inputs = weight.shape
        down = (0.2 * chance.standard_normal((rank, inputs))).astype(np.float32)
        up = (0.2 * chance.standard_normal((outputs, rank))).astype(np.float32)
        factors[f"base_model.model.{stem}.lora_A.weight"] = down
        factors[f"base_model.model.{stem}.lora_B.weight"] = up
        merged[name] = (weight + scale * up @ down).astype(np.float32)
    write_safetensors(folder / "adapter_model.safetensors", factors)
    return merged
