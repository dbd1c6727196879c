"""A decoder behind `ports.Model`: score and generate over one engine thread."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from comitia.errors import ConfigError
from comitia.inference.engine import Engine
from comitia.inference.jobs import AttendJob, GenerateJob, ScoreJob
from comitia.inference.sampling import check
from comitia.inference.text import Text
from comitia.ports import Attention, Embeddings, Generation, Piece, Prompt, Sampling, Scores, Watch


class OnnxDecoder:
    """See `ports.Model`; calls of several agents share the engine, its batch and its prefixes."""

    def __init__(self, name: str, digest: str, text: Text, engine: Engine, capacity: int) -> None:
        self.name, self.digest, self.capacity = name, digest, capacity
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
        await self._prepare(sampling)
        job = GenerateJob(prompt=prompt, sampling=sampling)
        self._engine.submit(job)
        return await asyncio.wrap_future(job.future)

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Piece]:
        """The text of `generate` as it is written; the last piece carries the result. Raises as
        `generate` does.
        """
        await self._prepare(sampling)
        loop = asyncio.get_running_loop()
        texts: asyncio.Queue[str | None] = asyncio.Queue()

        def hand_over(text: str) -> None:
            # A loop that is closed has nobody who listens.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(texts.put_nowait, text)

        job = GenerateJob(prompt=prompt, sampling=sampling, on_text=hand_over)
        self._engine.submit(job)
        future = asyncio.wrap_future(job.future)
        future.add_done_callback(lambda _: texts.put_nowait(None))
        try:
            while (text := await texts.get()) is not None:
                yield Piece(text)
            yield Piece("", await future)
        finally:
            future.cancel()

    async def _prepare(self, sampling: Sampling) -> None:
        """Refuse what cannot be done; a constraint is compiled here and not by the engine's thread,
        which would hold up the others.
        """
        check(sampling)
        if sampling.json_schema or sampling.regex:
            begin = self._text.grammars.begin
            await asyncio.to_thread(begin, sampling.json_schema, sampling.regex)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Raises ConfigError: a decoder gives no embeddings."""
        raise ConfigError(
            f"Model '{self.name}' is a decoder and cannot embed; use a model of kind encoder."
        )

    async def attend(self, prompt: Prompt) -> Attention:
        """How the prompt's last token looks back."""
        job = AttendJob(prompt=prompt)
        self._engine.submit(job)
        return await asyncio.wrap_future(job.future)

    def watch(self, watch: Watch) -> None:
        """Tell `watch` of the engine's work from now on."""
        self._engine.watch(watch)

    async def ended(self) -> None:
        """Returns when it was closed; raises Retryable when the engine has ended by itself."""
        await self._engine.ended()

    async def close(self) -> None:
        """End the engine; what is under way fails with Retryable."""
        await asyncio.to_thread(self._engine.close)
