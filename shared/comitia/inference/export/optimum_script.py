"""Runs inside the export environment, as a file: one model through optimum to ONNX.

    python optimum_script.py SOURCE TARGET decoder|encoder

Imports nothing of comitia. SOURCE is a Hugging Face folder; TARGET gets model.onnx (and its data).
The attention of BERT-like encoders is fused by ONNX Runtime's own optimizer where that leaves the
outputs as they are.
"""

import json
import sys
from pathlib import Path
from typing import Any

# Families whose graphs the optimizer's "bert" rules are made for.
_FUSIBLE = (
    "bert",
    "camembert",
    "deberta",
    "distilbert",
    "electra",
    "mpnet",
    "roberta",
    "xlm-roberta",
)
# Largest difference of an output that a fusion may make.
_TOLERANCE = 1e-4


def main(source: str, target: str, kind: str) -> None:
    """Export, and fuse where that is safe."""
    from optimum.exporters.onnx import main_export

    task = "text-generation-with-past" if kind == "decoder" else "feature-extraction"
    main_export(source, output=target, task=task, device="cpu", library_name="transformers")
    if kind == "encoder":
        _fuse(Path(source), Path(target) / "model.onnx")


def _fuse(source: Path, model: Path) -> None:
    """Replace the graph by a fused one, where that answers alike."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") not in _FUSIBLE:
        return
    from onnxruntime.transformers.optimizer import optimize_model

    heads = config.get("num_attention_heads") or config.get("n_heads") or 0
    hidden = config.get("hidden_size") or config.get("dim") or 0
    graph = optimize_model(str(model), "bert", num_heads=heads, hidden_size=hidden, opt_level=0)
    draft = model.with_name("fused.onnx")
    graph.save_model_to_file(str(draft))
    if _difference(model, draft) <= _TOLERANCE:
        draft.replace(model)
    draft.unlink(missing_ok=True)


def _difference(left: Path, right: Path) -> float:
    """Largest difference of the two graphs' first outputs, on a ragged batch."""
    import numpy as np
    import onnxruntime

    tokens = np.random.default_rng(0).integers(1, 50, (2, 12))
    mask = np.ones_like(tokens)
    mask[1, 7:] = 0
    feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    answers: list[Any] = []
    for path in (left, right):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = {entry.name for entry in session.get_inputs()}
        answers.append(session.run(None, {name: feed[name] for name in feed if name in names})[0])
    return float(np.abs((answers[0] - answers[1]) * mask[:, :, None]).max())


if __name__ == "__main__":
    main(*sys.argv[1:])
