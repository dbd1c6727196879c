"""The generic route: any model that optimum can export, by a process in the export environment.

A Hugging Face folder goes in; model.onnx as optimum writes it comes out, with tokenizer.json and
text.json beside it. Encoders keep contract "tokens". Decoders get contract "growing": input_ids,
attention_mask and position_ids int64[1, S], past_key_values.<i>.key|value float32[1, kv_heads, P,
head_dim] in; logits float32[1, S, vocab] and present.<i>.key|value out, which hold past and new
tokens.
"""

from collections.abc import Mapping
from pathlib import Path

import onnx

from comitia.errors import ConfigError
from comitia.inference.cards import ModelCard, Progress
from comitia.inference.export.environment import Confirm, export_python, run_checked
from comitia.inference.export.graph import count_nodes
from comitia.inference.export.text_files import text_from_folder

_SCRIPT = Path(__file__).with_name("optimum_script.py")


def build_with_optimum(
    card: ModelCard, source: Path, draft: Path, cache_dir: Path, ask: tuple[Progress, Confirm]
) -> tuple[str, Mapping[str, int], Mapping[str, int]]:
    """The graph's contract, its shape for the engine, and its nodes by operator; files are left in
    `draft`.

    Raises ConfigError: not a folder, an environment that was not agreed to, an export that failed.
    """
    if not source.is_dir():
        raise ConfigError(f"optimum exports Hugging Face folders; {source} is a file.")
    progress, confirm = ask
    python = export_python(cache_dir, progress, confirm)
    progress(f"exporting {card.name} through optimum", 0, 3)
    raw = draft / "raw"
    # Isolated: the script's own folder has modules of names that its libraries use too.
    command = [str(python), "-I", str(_SCRIPT), str(source), str(raw), card.kind]
    run_checked(command, f"optimum cannot export '{card.name}'")
    model = onnx.load(raw / "model.onnx", load_external_data=False)
    for file in sorted(raw.glob("model.onnx*")):
        file.rename(draft / file.name)
    for file in sorted(raw.iterdir()):
        file.unlink()
    raw.rmdir()
    progress("writing the tokenizer", 1, 3)
    text_from_folder(source, draft, card.recipe.context_tokens)
    contract = "tokens" if card.kind == "encoder" else "growing"
    return contract, _shape(model, card.kind), count_nodes(model.graph.node)


def _shape(model: onnx.ModelProto, kind: str) -> dict[str, int]:
    """Sizes that the engine needs, read off the graph's own inputs and outputs."""

    def sizes(entry: onnx.ValueInfoProto) -> list[int]:
        return [size.dim_value for size in entry.type.tensor_type.shape.dim]

    outputs = {entry.name: sizes(entry) for entry in model.graph.output}
    if kind == "encoder":
        if "last_hidden_state" not in outputs:
            raise ConfigError(
                f"The exported encoder gives {', '.join(outputs)} and no last_hidden_state."
            )
        return {"dimensions": outputs["last_hidden_state"][-1]}
    caches = [
        sizes(entry) for entry in model.graph.input if entry.name.startswith("past_key_values.")
    ]
    if not caches or "logits" not in outputs:
        raise ConfigError(
            "The exported decoder has no cache of keys and values; it cannot be served."
        )
    _, kv_heads, _, head_dim = caches[0]
    return {
        "layers": len(caches) // 2,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "vocab": outputs["logits"][-1],
    }
