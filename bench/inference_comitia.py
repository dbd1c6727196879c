"""Comitia's engine for bench.inference, behind the calls that the peers answer too.

`python -m bench.inference_comitia CACHE FORM`: the build of that form in the cache folder `CACHE`,
opened as an agent opens it on cores of its own (COMITIA_ENGINE_SPIN_US=1000; the peers' threads
spin, too), 16 rows. See bench.peers.inference_worker for what goes in and out.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from bench.common import ROOT
from bench.peers import inference_worker
from bench.peers.inference_worker import Arrival
from comitia.inference.cards import Form, ModelCard, find_card
from comitia.inference.limits import Limits
from comitia.inference.load import load_model
from comitia.inference.session import Threads
from comitia.ports import Generation, Model, Prompt, Sampling, Step

CARD = "smollm2-135m-instruct"
SPIN_US = 1_000


def card_of(form: str) -> ModelCard:
    """The demo's decoder in one of its forms; what its build holds is not written down for all."""
    card = find_card(ROOT / "models", CARD)
    return replace(card, built=(), recipe=replace(card.recipe, form=cast("Form", form)))


class Steps:
    """A Watch that notes when each step ended and what it did."""

    def __init__(self) -> None:
        self.taken: list[tuple[float, Step]] = []

    def ran(self, step: Step) -> None:
        self.taken.append((time.perf_counter(), step))

    def read(self, prompt_tokens: int, cached_tokens: int) -> None:
        pass

    def wrote(self, first_s: float, rest_s: float, rest_tokens: int) -> None:
        pass

    def rate(self, rows: int) -> float:
        """Tokens per second of steps that wrote for `rows` texts and did nothing else, from the end
        of each to the end of the next: what lies between two steps counts.
        """
        full = [step.written_tokens == rows and not step.read_tokens for _, step in self.taken]
        gaps = [
            after[0] - before[0]
            for before, after, is_full in zip(self.taken, self.taken[1:], full[1:], strict=False)
            if is_full
        ]
        return rows * len(gaps) / sum(gaps)


class Comitia:
    """The verbs over `ports.Model`, on one event loop."""

    def __init__(self, model: Model, loop: asyncio.Runner) -> None:
        self.model, self.run = model, loop.run
        self.steps = Steps()
        model.watch(self.steps)

    def decode(self, prompts: Sequence[inference_worker.Prompt], new: int) -> dict[str, Any]:
        """Requests that come at once. Those that are read first write more than `new` tokens, so
        that all are at work together for that long.
        """
        self.steps.taken.clear()
        more = new + sum(len(prompt["tokens"]) for prompt in prompts) // 64 if new > 1 else 1
        began = time.perf_counter()
        made = self.run(self._generate(prompts, more))
        first = next(at for at, step in self.steps.taken if step.read_tokens) - began
        rate = self.steps.rate(len(prompts)) if new > 1 else 0.0
        return {"first_s": first, "rate": rate, "texts": [one.text for one in made]}

    def tasks(
        self, prompts: Sequence[inference_worker.Prompt], new: int, rows: int
    ) -> dict[str, Any]:
        """All at once; the engine sees to the rest."""
        began = time.perf_counter()
        made = self.run(self._generate(prompts, new))
        return {"seconds": time.perf_counter() - began, "texts": [one.text for one in made]}

    def loss(self, windows: Sequence[inference_worker.Prompt]) -> list[float]:
        async def score() -> list[float]:
            scores = [
                self.model.score(Prompt("", window["prefix"]), [window["text"]])
                for window in windows
            ]
            return [-one.log_likelihoods[0] for one in await asyncio.gather(*scores)]

        return self.run(score())

    def arrivals(self, trace: Sequence[Arrival], rows: int) -> dict[str, Any]:
        async def all_of_them() -> tuple[list[float], int]:
            began = time.perf_counter()

            async def one(
                at: float, prompt: inference_worker.Prompt, new: int
            ) -> tuple[float, int]:
                await asyncio.sleep(began + at - time.perf_counter())
                made = await self._one(prompt, new)
                return time.perf_counter() - began, made.usage.completion_tokens

            found = await asyncio.gather(*(one(*arrival) for arrival in trace))
            return [at for at, _ in found], sum(tokens for _, tokens in found)

        done, tokens = self.run(all_of_them())
        return {"done_s": done, "tokens": tokens}

    async def _generate(
        self, prompts: Sequence[inference_worker.Prompt], new: int
    ) -> list[Generation]:
        return await asyncio.gather(*(self._one(prompt, new) for prompt in prompts))

    async def _one(self, prompt: inference_worker.Prompt, new: int) -> Generation:
        asked = Prompt(prompt["prefix"], prompt["text"])
        return await self.model.generate(asked, Sampling(tokens_max=new))


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        loaded = load_model(
            card_of(sys.argv[2]),
            Path(sys.argv[1]),
            Threads(spin_us=SPIN_US),
            limits=Limits(rows=16),
        )
        inference_worker.serve(Comitia(loaded, runner))
        runner.run(loaded.close())
