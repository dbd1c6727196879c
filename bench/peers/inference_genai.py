"""onnxruntime-genai for bench.inference: a model that its own builder made, in static batches.

`inference_genai.py FOLDER`; see inference_worker for what goes in and out. Settings: two threads
that spin (without spinning, or with one thread, it was slower at every batch), one buffer for past
and present, the head applied to the last token alone.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import inference_worker  # type: ignore[import-not-found]
import numpy as np
import onnxruntime_genai as genai  # type: ignore[import-not-found]
from inference_worker import StaticBatches, Written

SESSION = {"intra_op_num_threads": 2, "session.intra_op.allow_spinning": "1"}


class Genai(StaticBatches):  # type: ignore[misc]
    """A Generator for each batch, whose buffer holds just what will be written."""

    def __init__(self, folder: str) -> None:
        config = genai.Config(folder)
        # An end token ends nothing: all systems write the same number of tokens.
        model = {"eos_token_id": [49_151], "decoder": {"session_options": SESSION}}
        config.overlay(json.dumps({"model": model}))
        self.model = genai.Model(config)

    def batch(self, prompts: Sequence[list[int]], new: int) -> Written:
        began, ended = time.perf_counter(), []
        generator = self._begin(prompts, len(prompts[0]) + new)
        for _ in range(new):
            generator.generate_next_token()
            ended.append(time.perf_counter())
        texts = [generator.get_sequence(row)[-new:].tolist() for row in range(len(prompts))]
        return Written(began, texts, ended)

    def losses(self, windows: Sequence[list[int]]) -> list[float]:
        """Token by token, all windows in one batch: the logits are read, then replaced by some
        that leave no choice but the window's own next token.
        """
        tokens, found = np.array(windows), np.zeros(len(windows))
        generator = self._begin(tokens[:, :1].tolist(), tokens.shape[1] + 1)
        rows = np.arange(len(windows))
        for place in range(1, tokens.shape[1]):
            logits = np.array(generator.get_logits())
            found += negative_ln(logits[:, -1], tokens[:, place])
            logits[:] = 0.0
            logits[rows, -1, tokens[:, place]] = 1.0
            generator.set_logits(logits)
            generator.generate_next_token()
        return [float(one) for one in found]

    def _begin(self, prompts: Sequence[list[int]], length: int) -> Any:
        options = genai.GeneratorParams(self.model)
        options.set_search_options(
            batch_size=len(prompts), max_length=length, min_length=length, do_sample=False
        )
        generator = genai.Generator(self.model, options)
        generator.append_tokens(np.array(prompts, np.int32))
        return generator


def negative_ln(logits: Any, tokens: Any) -> Any:
    """-ln of the probability of a token for each row; logits float32[rows, vocabulary]."""
    exact = logits.astype(np.float64)
    top = exact.max(1)
    whole = top + np.log(np.exp(exact - top[:, None]).sum(1))
    return whole - exact[np.arange(len(exact)), tokens]


if __name__ == "__main__":
    genai.disable_telemetry_events()
    inference_worker.serve(Genai(sys.argv[1]))
