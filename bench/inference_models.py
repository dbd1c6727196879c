"""The models of bench.inference: one GGUF file of the cache in every form that a system reads.

The demo's decoder is pulled as its card says. From its weights come Comitia's own builds (fp32,
int8, native) and, without loss in float32, a Hugging Face folder, from which optimum's export and
onnxruntime-genai's builder make theirs. All of it lies in the cache and is made once.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.environments import PEERS, environment
from bench.inference_comitia import card_of
from comitia.config import DirectorySettings, load
from comitia.inference.export.folder import long_name
from comitia.inference.export.gguf_weights import GgufWeights
from comitia.inference.export.make import ensure
from comitia.inference.pull import pull
from comitia.inference.store import built_folder, source_folder
from comitia.inference.text import Text

FORMS = ("fp32", "int8", "native")
_LAYER = (
    *("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output"),
    *("ffn_norm", "ffn_gate", "ffn_up", "ffn_down"),
)
_OPTIMUM = """
import sys
from optimum.exporters.onnx import main_export
main_export(sys.argv[1], sys.argv[2], task="text-generation-with-past", dtype="fp32")
"""


@dataclass(frozen=True, slots=True)
class Models:
    """Where each system finds the model: files, folders, and caches of Comitia by form."""

    gguf: Path
    folder: Path
    optimum: Path
    genai: dict[str, Path]
    comitia: dict[str, Path]
    text: Text


def prepare() -> Models:
    """Everything that the benchmark reads, made where it is missing (two minutes, once)."""
    cache = load(DirectorySettings).cache_dir
    card = card_of("fp32")
    gguf = pull(card, cache) / "model.gguf"
    base = cache / "bench" / "inference"
    comitia = {form: _comitia(base, form, gguf) for form in FORMS}
    built = built_folder(card, comitia["fp32"])
    folder = _made(base / "folder", "", partial(write_folder, gguf, built))
    optimum = _made(base / "optimum", "optimum", partial(_optimum, folder))
    genai = {
        form: _made(base / f"genai-{form}", "genai", partial(_genai, folder, form))
        for form in ("fp32", "int8")
    }
    return Models(gguf, folder, optimum, genai, comitia, Text(built, card.name))


def _comitia(base: Path, form: str, gguf: Path) -> Path:
    """A cache folder with the build of one form; the sources of all are one file."""
    cache, card = base / f"comitia-{form}", card_of(form)
    source = source_folder(card, cache) / gguf.name
    source.parent.mkdir(parents=True, exist_ok=True)
    if not source.exists():
        source.symlink_to(gguf)
    ensure(card, cache)
    return cache


def _made(place: Path, peer: str, make: Callable[[Path], None]) -> Path:
    """`place` as `make` left it, made anew where the peer's environment has changed."""
    lock = (PEERS / f"{peer}.lock").read_bytes() if peer else b""
    mark = hashlib.sha256(lock).hexdigest()
    stamp = place / "made-with"
    if not stamp.exists() or stamp.read_text() != mark:
        print(f"making {place}", file=sys.stderr)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        make(place)
        stamp.write_text(mark)
    return place


def write_folder(gguf: Path, built: Path, folder: Path) -> None:
    """The model as transformers knows it: config.json, model.safetensors in float32, and the
    tokenizer that Comitia built.
    """
    weights = GgufWeights(gguf)
    shape = weights.shape
    names = ["token_embd.weight", "output_norm.weight"]
    names += [f"blk.{i}.{part}.weight" for i in range(shape.layers) for part in _LAYER]
    tensors = {long_name(name): np.ascontiguousarray(weights.tensor(name)) for name in names}
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "intermediate_size": len(tensors["model.layers.0.mlp.up_proj.weight"]),
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "max_position_embeddings": shape.positions,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": 100_000.0,
        "vocab_size": shape.vocab,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(kind))
    shutil.copy(built / "tokenizer.json", folder)
    _write_safetensors(folder / "model.safetensors", tensors)


def _write_safetensors(path: Path, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """https://github.com/huggingface/safetensors: length of the header, header, data."""
    header, start = {}, 0
    for name, array in tensors.items():
        offsets = [start, start + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        start = offsets[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(array.data)


def _optimum(folder: Path, place: Path) -> None:
    _run("optimum", ["-c", _OPTIMUM, str(folder), str(place)])


def _genai(folder: Path, form: str, place: Path) -> None:
    """The builder's own defaults, and the head on the last token alone, which is faster."""
    builder = ["-m", "onnxruntime_genai.models.builder", "-i", str(folder), "-o", str(place)]
    cache = ["-e", "cpu", "-p", form, "-c", str(place / "cache")]
    _run("genai", [*builder, *cache, "--extra_options", "prune_lm_head=true", "hf_token=false"])


def _run(peer: str, arguments: Sequence[str]) -> None:
    done = subprocess.run(
        [str(environment(peer)), *arguments],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{peer}: {done.stderr[-2_000:]}")
