"""transformers on PyTorch, and optimum's ONNX Runtime under the same `generate`, for
bench.inference.

`inference_hf.py transformers|optimum FOLDER`; see inference_worker for what goes in and out.
Settings: two threads; scaled dot product attention in PyTorch; ONNX Runtime's threads spin, as is
its default, and inputs and outputs are bound.
"""

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import inference_worker  # type: ignore[import-not-found]
import torch
from inference_worker import StaticBatches, Written

THREADS = 2


class Stamps:
    """A stopping criterion that stops nothing and notes when it was asked: after each step."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, tokens: Any, scores: Any, **_: Any) -> Any:
        self.taken.append(time.perf_counter())
        return torch.zeros(len(tokens), dtype=torch.bool)


class HuggingFace(StaticBatches):  # type: ignore[misc]
    """A causal language model under transformers' `generate`."""

    def __init__(self, model: Any) -> None:
        self.model = model
        model.generation_config.eos_token_id = None

    def batch(self, prompts: Sequence[list[int]], new: int) -> Written:
        stamps, tokens = Stamps(), torch.tensor(prompts)
        began = time.perf_counter()
        with torch.inference_mode():
            made = self.model.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=new,
                do_sample=False,
                pad_token_id=2,
                stopping_criteria=[stamps],
            )
        return Written(began, made[:, tokens.shape[1] :].tolist(), stamps.taken)

    def losses(self, windows: Sequence[list[int]]) -> list[float]:
        found = []
        for window in windows:
            tokens = torch.tensor([window])
            with torch.inference_mode():
                logits = self.model(tokens, attention_mask=torch.ones_like(tokens)).logits
            chances = torch.log_softmax(logits[0, :-1].double(), -1)
            found.append(-float(chances.gather(1, tokens[0, 1:, None]).sum()))
        return found


def load(kind: str, folder: str) -> Any:
    """The model, in float32."""
    torch.set_num_threads(THREADS)
    if kind == "transformers":
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    import onnxruntime
    from optimum.onnxruntime import ORTModelForCausalLM

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return ORTModelForCausalLM.from_pretrained(folder, use_io_binding=True, session_options=options)


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    inference_worker.serve(HuggingFace(load(*sys.argv[1:])))
