"""A decoder behind `ports.Model`: score and generate over one engine thread."""

import asyncio
from collections.abc import Sequence

from comitia.errors import ConfigError
from comitia.inference.engine import Engine
from comitia.inference.jobs import GenerateJob, ScoreJob
from comitia.inference.text import Text
from comitia.ports import Embeddings, Generation, Prompt, Sampling, Scores, Watch


class OnnxDecoder:
    """See `ports.Model`; calls of several agents share the engine, its batch and its prefixes."""

    def __init__(self, name: str, digest: str, text: Text, engine: Engine) -> None:
        self.name, self.digest = name, digest
        self._text, self._engine = text, engine

    def render(self, messages: Sequence[tuple[str, str]], *, open_turn: bool = True) -> str:
        """(role, content) pairs through the chat template. Raises ConfigError where the model has
        none.
        """
        return self._text.render(messages, open_turn=open_turn)

    async def score(self, prompt: Prompt, options: Sequence[str]) -> Scores:
        """Natural log-likelihood of each option after the prompt. Raises Poison, Overloaded,
        Retryable.
        """
        job = ScoreJob(prompt=prompt, options=tuple(options))
        self._engine.submit(job)
        return await asyncio.wrap_future(job.future)

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generation:
        """Text after the prompt. Raises Poison, Overloaded, Retryable; ConfigError for sampling
        that cannot be.
        """
        if (
            sampling.tokens_max < 1
            or not 0.0 <= sampling.temperature < float("inf")
            or "" in sampling.stop
        ):
            raise ConfigError(
                f"Cannot sample with {sampling}: tokens_max >= 1, temperature >= 0, no empty stop "
                "string."
            )
        job = GenerateJob(prompt=prompt, sampling=sampling)
        self._engine.submit(job)
        return await asyncio.wrap_future(job.future)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Raises ConfigError: a decoder gives no embeddings."""
        raise ConfigError(
            f"Model '{self.name}' is a decoder and cannot embed; use a model of kind encoder."
        )

    def watch(self, watch: Watch) -> None:
        """Tell `watch` of the engine's work from now on."""
        self._engine.watch(watch)

    async def close(self) -> None:
        """End the engine; what is under way fails with Retryable."""
        await asyncio.to_thread(self._engine.close)
