"""Decoder weights from a Hugging Face folder, under the names of GGUF."""

from pathlib import Path
from typing import Any

from comitia.errors import ConfigError
from comitia.inference.export.safetensors import Safetensors, read_config
from comitia.inference.export.shape import FAMILIES, Floats, Shape, inverse_frequencies

_TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class FolderWeights:
    """Weights of a folder. Raises ConfigError for a model outside the families."""

    def __init__(self, folder: Path) -> None:
        config = read_config(folder)
        family, act = config.get("model_type"), config.get("hidden_act", "silu")
        if family not in FAMILIES or act != "silu" or config.get("partial_rotary_factor", 1) != 1:
            raise ConfigError(
                f"{folder} holds a {family} model with {act}; built directly are "
                f"{', '.join(FAMILIES)} with silu and "
                "full rotary positions. Set 'recipe.builder: optimum' in its card for another one."
            )
        self.shape = _shape(config)
        self._tied = bool(config.get("tie_word_embeddings", False))
        self._tensors = Safetensors(folder)

    def has(self, name: str) -> bool:
        """Whether the model has this tensor; a head tied to the embedding does not count."""
        return long_name(name) in self._tensors and not (self._tied and name == "output.weight")

    def tensor(self, name: str) -> Floats:
        """float32 values."""
        return self._tensors.tensor(long_name(name))

    def blocks(self, name: str) -> None:
        """Safetensors hold no blocks."""
        return


def long_name(name: str) -> str:
    """GGUF's name of a tensor as Hugging Face has it."""
    stem, kind = name.rsplit(".", 1)
    if not stem.startswith("blk."):
        return f"{_TOP[stem]}.{kind}"
    _, layer, part = stem.split(".")
    return f"model.layers.{layer}.{_LAYER[part]}.{kind}"


def _shape(config: dict[str, Any]) -> Shape:
    heads, layers = config["num_attention_heads"], config["num_hidden_layers"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = rope.get("rope_theta") or config.get("rope_theta") or 10_000.0
    return Shape(
        layers=layers,
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=head_dim,
        hidden=config["hidden_size"],
        vocab=config["vocab_size"],
        positions=config["max_position_embeddings"],
        epsilon=config["rms_norm_eps"],
        inverse_frequency=inverse_frequencies(head_dim, theta, rope),
        windows=_windows(config, layers),
    )


def _windows(config: dict[str, Any], layers: int) -> tuple[int | None, ...]:
    """Mistral slides in every layer; Qwen only where asked, and only above `max_window_layers`."""
    slides = config["model_type"] == "mistral" or config.get("use_sliding_window")
    window = config.get("sliding_window") if slides else None
    full = config.get("max_window_layers", 0)
    kinds = config.get("layer_types")
    sliding = (
        [kind == "sliding_attention" for kind in kinds]
        if kinds
        else [i >= full for i in range(layers)]
    )
    return tuple(window if slide else None for slide in sliding)
