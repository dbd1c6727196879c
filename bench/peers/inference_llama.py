"""llama.cpp (the xllamacpp wheel) for bench.inference: its server's slots on the GGUF file.

`inference_llama.py FILE`; see inference_worker for what goes in and out. Settings: two threads,
sixteen slots that batch continuously; no prompt is kept between calls but where a loss is measured.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import inference_worker  # type: ignore[import-not-found]
import xllamacpp  # type: ignore[import-not-found]
from inference_worker import Prompt

ROWS, TOKENS = 16, 512
THREADS = 2


class Llama:
    """Greedy completions of tokens."""

    def __init__(self, file: str) -> None:
        options = xllamacpp.CommonParams()
        options.model.path = file
        options.cpuparams.n_threads = options.cpuparams_batch.n_threads = THREADS
        options.n_parallel, options.n_ctx = ROWS, ROWS * TOKENS
        self.server = xllamacpp.Server(options)
        self.pool = ThreadPoolExecutor(ROWS)

    def decode(self, prompts: Sequence[Prompt], new: int) -> dict[str, Any]:
        """By the server's own times: those of the slot that took longest to read, and to write."""

        def complete(prompt: Prompt) -> Any:
            wanted = {"prompt": prompt["tokens"], "n_predict": new, "ignore_eos": True}
            return self._complete(wanted | {"cache_prompt": False, "return_tokens": True})

        made = list(self.pool.map(complete, prompts))
        first = max(one["timings"]["prompt_ms"] for one in made) / 1000
        took = max(one["timings"]["predicted_ms"] for one in made) / 1000
        rate = len(prompts) * (new - 1) / took if new > 1 else 0.0
        return {"first_s": first, "rate": rate, "tokens": [one.get("tokens") for one in made]}

    def loss(self, windows: Sequence[Prompt]) -> list[float]:
        """A call for each token: it is forced upon the text by a bias, which the probabilities
        that the server tells do not see.
        """
        return [self._loss(window["tokens"]) for window in windows]

    def _loss(self, tokens: list[int]) -> float:
        found = 0.0
        for place in range(1, len(tokens)):
            wanted = {"prompt": tokens[:place], "n_predict": 1, "n_probs": 1, "id_slot": 0}
            made = self._complete(wanted | {"logit_bias": [[tokens[place], 10_000.0]]})
            (chosen,) = made["choices"][0]["logprobs"]["content"]
            if chosen["id"] != tokens[place]:
                raise RuntimeError(f"the server wrote {chosen['id']}, not {tokens[place]}")
            found -= chosen["logprob"]
        return found

    def _complete(self, wanted: dict[str, Any]) -> Any:
        answer = self.server.handle_completions(wanted | {"temperature": 0.0})
        if "error" in answer:
            raise RuntimeError(str(answer["error"]))
        return answer


if __name__ == "__main__":
    inference_worker.serve(Llama(sys.argv[1]))
