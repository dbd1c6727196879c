"""ScriptedModel: a model that answers from a script. Implements comitia.ports.Model for tests of
agents and services.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from comitia.errors import ConfigError, Retryable
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

T = TypeVar("T")

# An answer, an error to raise instead, or a function of the prompt that gives either.
ScoreScript = Sequence[float] | Exception
TextScript = str | Exception


@dataclass(slots=True)
class ScriptedModel:
    """Each verb goes by its own script; a verb without one raises ConfigError, as a model that
    cannot do it.

    `scores`: log-likelihoods per call, in turn (the last one repeats), or a function of (whole
    prompt, options). `texts`: generated texts, likewise, or a function of the whole prompt; they
    end before a stop string, and keep to no schema of their own. `vectors`: text -> vector, scaled
    to unit length here. `heads`: (layers, heads) that look back evenly. `adapters`: names that
    prompts may ask for. An exception in a script is raised by that call. `calls` notes (verb, whole
    prompt) of each call, `asked` the prompt and sampling of each text. Tokens are counted as words.
    """

    name: str = "scripted"
    digest: str = "sha256:" + "0" * 64
    capacity: int = 16
    scores: Sequence[ScoreScript] | Callable[[str, Sequence[str]], ScoreScript] = ()
    texts: Sequence[TextScript] | Callable[[str], TextScript] = ()
    vectors: Mapping[str, Sequence[float]] = field(default_factory=dict)
    heads: tuple[int, int] | None = None
    adapters: Collection[str] = ()
    calls: list[tuple[str, str]] = field(default_factory=list)
    asked: list[tuple[Prompt, Sampling]] = field(default_factory=list)
    closed: bool = False
    _broken: str = ""
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    def render(self, messages: Sequence[tuple[str, str]], *, open_turn: bool = True) -> str:
        turns = [f"{role}: {content}\n" for role, content in messages]
        return "".join(turns) + ("assistant: " if open_turn else "")

    async def score(self, prompt: Prompt, options: Sequence[str]) -> Scores:
        whole, turn = self._note("score", prompt)
        if callable(self.scores):
            found = self.scores(whole, options)
        else:
            found = self._turn("score", self.scores, turn)
        if isinstance(found, Exception):
            raise found
        if len(found) != len(options):
            raise ValueError(f"the script has {len(found)} scores for {len(options)} options")
        return Scores(tuple(found), _usage(prompt, 0))

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generation:
        whole, turn = self._note("generate", prompt)
        self.asked.append((prompt, sampling))
        found = (
            self.texts(whole) if callable(self.texts) else self._turn("generate", self.texts, turn)
        )
        if isinstance(found, Exception):
            raise found
        places = [place for place in map(found.find, sampling.stop) if place >= 0]
        found = found[: min(places, default=len(found))]
        words = found.split()
        cut = len(words) > sampling.tokens_max
        text = " ".join(words[: sampling.tokens_max]) if cut else found
        usage = _usage(prompt, min(len(words), sampling.tokens_max))
        return Generation(text, usage, "length" if cut else "stop")

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Piece]:
        """Word by word."""
        result = await self.generate(prompt, sampling)
        begun = 0
        for place, character in enumerate(result.text):
            if place and character == " ":
                yield Piece(result.text[begun:place])
                begun = place
        yield Piece(result.text[begun:], result)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        for text in texts:
            self._note("embed", Prompt("", text))
        if not self.vectors:
            raise ConfigError(f"model {self.name} cannot embed: its script has no vectors")
        size = len(next(iter(self.vectors.values())))
        rows = np.array([self.vectors[text] for text in texts], np.float32).reshape(-1, size)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return Embeddings(rows, Usage(sum(len(text.split()) for text in texts), 0, 0))

    async def attend(self, prompt: Prompt) -> Attention:
        whole, _ = self._note("attend", prompt)
        if self.heads is None:
            raise ConfigError(f"model {self.name} cannot attend: its script has no heads for it")
        words = tuple(whole.split())
        even = np.full((*self.heads, len(words)), 1 / len(words), np.float32)
        return Attention(words, even, _usage(prompt, 0))

    def watch(self, watch: Watch) -> None:
        """Nothing: there is no engine."""

    def fail(self, reason: str) -> None:
        """End as an engine does that broke: nothing is answered any more, and `ended` raises."""
        self._broken = reason
        self._over.set()

    async def ended(self) -> None:
        await self._over.wait()
        self._refuse()

    async def close(self) -> None:
        self.closed = True
        self._over.set()

    def _refuse(self) -> None:
        if self._broken:
            raise Retryable(f"The engine of model '{self.name}' has ended: {self._broken}")

    def _note(self, verb: str, prompt: Prompt) -> tuple[str, int]:
        """Note the call; the whole prompt, and the number of earlier calls of this verb."""
        self._refuse()
        if self.closed:
            raise Retryable(f"model {self.name} was closed")
        if prompt.adapter and prompt.adapter not in self.adapters:
            raise ConfigError(f"model {self.name} has no adapter {prompt.adapter!r}")
        whole = prompt.prefix + prompt.text
        turn = sum(1 for former, _ in self.calls if former == verb)
        self.calls.append((verb, whole))
        return whole, turn

    def _turn(self, verb: str, script: Sequence[T], turn: int) -> T:
        if not script:
            raise ConfigError(f"model {self.name} cannot {verb}: its script has nothing for it")
        return script[min(turn, len(script) - 1)]


def _usage(prompt: Prompt, completion_tokens: int) -> Usage:
    cached = len(prompt.prefix.split())
    return Usage(cached + len(prompt.text.split()), completion_tokens, cached)
