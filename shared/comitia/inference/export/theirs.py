"""The same weights in transformers: texts in, its answers out, through the export environment.

A Hugging Face folder is read as it is; the weights of a GGUF file are written out as one first.
"""

import json
import tempfile
from pathlib import Path

import numpy as np

from comitia.errors import ConfigError
from comitia.inference.export.answers import Answer, Answers
from comitia.inference.export.environment import run_checked
from comitia.inference.export.folder import long_name
from comitia.inference.export.gguf_weights import GgufWeights
from comitia.inference.export.running import Texts
from comitia.inference.export.safetensors import write_safetensors
from comitia.inference.export.shape import Shape, Tensors, inverse_frequencies

_SCRIPT = Path(__file__).with_name("transformers_script.py")
_PARTS = {
    "attn_norm": "weight",
    "attn_q": "weight bias",
    "attn_k": "weight bias",
    "attn_v": "weight bias",
    "attn_q_norm": "weight",
    "attn_k_norm": "weight",
    "attn_output": "weight",
    "ffn_norm": "weight",
    "ffn_gate": "weight",
    "ffn_up": "weight",
    "ffn_down": "weight",
}


def their_answers(python: Path, source: Path, kind: str, texts: Texts, written: int) -> Answers:
    """What transformers answers. `written`: tokens that a decoder adds to each text.

    Raises ConfigError where it cannot read the model.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = source
        if not source.is_dir():
            folder = Path(place)
            write_folder(GgufWeights(source), folder)
        command = [str(python), "-I", str(_SCRIPT), str(folder), kind, str(written)]
        tokens = json.dumps([list(text) for text in texts])
        failure = (
            f"A build is held against transformers, but {python} cannot read {source} (unset "
            "COMITIA_EXPORT_PYTHON, or remove the export environment, to build without it)"
        )
        said = run_checked(command, failure, tokens)
    facts = json.loads(said)
    return Answers(facts["made_with"], {}, [Answer(**text) for text in facts["texts"]])


def write_folder(weights: Tensors, folder: Path) -> None:
    """A decoder's weights as transformers knows them, in float32.

    Raises ConfigError for scaled rotary positions, which the folder could not say.
    """
    shape = weights.shape
    if not can_be_told(shape):
        raise ConfigError("Scaled rotary positions cannot be handed to transformers from GGUF.")
    names = ["token_embd.weight", "output_norm.weight", "output.weight"]
    for layer in range(shape.layers):
        for part, kinds in _PARTS.items():
            names += [f"blk.{layer}.{part}.{kind}" for kind in kinds.split()]
    held = [name for name in names if weights.has(name)]
    family = "llama"
    if weights.has("blk.0.attn_q_norm.weight"):
        family = "qwen3"
    elif weights.has("blk.0.attn_q.bias"):
        family = "qwen2"
    wide = len(weights.tensor("blk.0.ffn_up.weight"))
    config = {
        "model_type": family,
        "hidden_size": shape.hidden,
        "intermediate_size": wide,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": shape.positions,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": _theta(shape),
        "vocab_size": shape.vocab,
        "tie_word_embeddings": "output.weight" not in held,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = {long_name(name): weights.tensor(name) for name in held}
    write_safetensors(folder / "model.safetensors", tensors)


def can_be_told(shape: Shape) -> bool:
    """Whether `write_folder` can say how the rotary positions are made."""
    plain = inverse_frequencies(shape.head_dim, _theta(shape), {})
    return bool(np.allclose(shape.inverse_frequency, plain, rtol=1e-4))


def _theta(shape: Shape) -> float:
    return float(round(float(shape.inverse_frequency[1]) ** (-shape.head_dim / 2)))
