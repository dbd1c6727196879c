"""ScriptedModel: a model that answers from a script. Implements comitia.ports.Model for tests of
agents and services.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from comitia.errors import ConfigError
from comitia.ports import Embeddings, Generation, Prompt, Sampling, Scores, Usage, Watch

T = TypeVar("T")

# An answer, an error to raise instead, or a function of the prompt that gives either.
ScoreScript = Sequence[float] | Exception
TextScript = str | Exception


@dataclass(slots=True)
class ScriptedModel:
    """Each verb goes by its own script; a verb without one raises ConfigError, as a model that
    cannot do it.

    `scores`: log-likelihoods per call, in turn (the last one repeats), or a function of (whole
    prompt, options). `texts`: generated texts, likewise, or a function of the whole prompt.
    `vectors`: text -> vector, scaled to unit length here. An exception in a script is raised by
    that call. `calls` notes (verb, whole prompt) of each call. Tokens are counted as words.
    """

    name: str = "scripted"
    digest: str = "sha256:" + "0" * 64
    scores: Sequence[ScoreScript] | Callable[[str, Sequence[str]], ScoreScript] = ()
    texts: Sequence[TextScript] | Callable[[str], TextScript] = ()
    vectors: Mapping[str, Sequence[float]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    closed: bool = False

    def render(self, messages: Sequence[tuple[str, str]], *, open_turn: bool = True) -> str:
        turns = [f"{role}: {content}\n" for role, content in messages]
        return "".join(turns) + ("assistant: " if open_turn else "")

    async def score(self, prompt: Prompt, options: Sequence[str]) -> Scores:
        whole = prompt.prefix + prompt.text
        turn = self._note("score", whole)
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
        whole = prompt.prefix + prompt.text
        turn = self._note("generate", whole)
        found = (
            self.texts(whole) if callable(self.texts) else self._turn("generate", self.texts, turn)
        )
        if isinstance(found, Exception):
            raise found
        words = found.split()
        cut = len(words) > sampling.tokens_max
        text = " ".join(words[: sampling.tokens_max]) if cut else found
        usage = _usage(prompt, min(len(words), sampling.tokens_max))
        return Generation(text, usage, "length" if cut else "stop")

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        for text in texts:
            self._note("embed", text)
        if not self.vectors:
            raise ConfigError(f"model {self.name} cannot embed: its script has no vectors")
        rows = np.array([self.vectors[text] for text in texts], dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return Embeddings(rows, Usage(sum(len(text.split()) for text in texts), 0, 0))

    def watch(self, watch: Watch) -> None:
        """Nothing: there is no engine."""

    async def close(self) -> None:
        self.closed = True

    def _note(self, verb: str, whole: str) -> int:
        """Note the call; the number of earlier calls of this verb."""
        turn = sum(1 for former, _ in self.calls if former == verb)
        self.calls.append((verb, whole))
        return turn

    def _turn(self, verb: str, script: Sequence[T], turn: int) -> T:
        if not script:
            raise ConfigError(f"model {self.name} cannot {verb}: its script has nothing for it")
        return script[min(turn, len(script) - 1)]


def _usage(prompt: Prompt, completion_tokens: int) -> Usage:
    cached = len(prompt.prefix.split())
    return Usage(cached + len(prompt.text.split()), completion_tokens, cached)
