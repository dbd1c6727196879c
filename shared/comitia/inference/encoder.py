"""An encoder behind `ports.Model`: embed over one engine thread."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from comitia.errors import ConfigError
from comitia.inference.encoder_core import Floats
from comitia.inference.engine import Engine
from comitia.inference.jobs import EmbedJob
from comitia.ports import (
    Attention,
    Embeddings,
    Generation,
    Piece,
    Prompt,
    Sampling,
    Scores,
    Usage,
    Watch,
)


class OnnxEncoder:
    """See `ports.Model`; texts of several calls share a batch. `dimensions` is the length of a
    vector.
    """

    def __init__(
        self, name: str, digest: str, dimensions: int, engine: Engine, capacity: int
    ) -> None:
        self.name, self.digest, self.capacity = name, digest, capacity
        self.dimensions = dimensions
        self._engine = engine

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Unit vectors of the texts. Raises Poison, Overloaded, Retryable."""
        if not texts:
            return Embeddings(np.zeros((0, self.dimensions), np.float32), Usage(0, 0, 0))
        job = EmbedJob(texts=tuple(texts))
        self._engine.submit(job)
        return await asyncio.wrap_future(job.future)

    def render(self, messages: Sequence[tuple[str, str]], *, open_turn: bool = True) -> str:
        """Raises ConfigError: an encoder has no chat."""
        self._refuse("render a chat")

    async def score(self, prompt: Prompt, options: Sequence[str]) -> Scores:
        """Raises ConfigError: an encoder scores no options."""
        self._refuse("score options")

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generation:
        """Raises ConfigError: an encoder writes no text."""
        self._refuse("generate text")

    def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Piece]:
        """Raises ConfigError: an encoder writes no text."""
        self._refuse("generate text")

    async def attend(self, prompt: Prompt) -> Attention:
        """Raises ConfigError: what an encoder's fused attention looks at is not given out."""
        self._refuse("tell its attention")

    def watch(self, watch: Watch) -> None:
        """Tell `watch` of the engine's work from now on."""
        self._engine.watch(watch)

    async def ended(self) -> None:
        """Returns when it was closed; raises Retryable when the engine has ended by itself."""
        await self._engine.ended()

    async def close(self) -> None:
        """End the engine; what is under way fails with Retryable."""
        await asyncio.to_thread(self._engine.close)

    def _refuse(self, verb: str) -> NoReturn:
        raise ConfigError(
            f"Model '{self.name}' is an encoder and cannot {verb}; use a model of kind decoder."
        )


class SessionStates:
    """The graph of contract "tokens" as a function; inputs that it lacks are left out."""

    def __init__(self, session: object) -> None:
        self._session = session
        self._names = {entry.name for entry in session.get_inputs()}  # type: ignore[attr-defined]

    def __call__(self, tokens: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        """float32[texts, tokens, dimensions]."""
        feed = {
            "input_ids": tokens,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(tokens),
        }
        known = {name: array for name, array in feed.items() if name in self._names}
        states: Floats = self._session.run(["last_hidden_state"], known)[0]  # type: ignore[attr-defined]
        return states
