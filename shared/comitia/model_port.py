"""The port Model: what an agent asks of a transformer, and what it gets. Import it from
comitia.ports.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Prompt:
    """A model's input: `prefix + text`. Many calls share the prefix; it is prefilled once.
    `adapter`: the name of a LoRA adapter of the model's card, "" for the bare base.
    """

    prefix: str
    text: str
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call; `cached_tokens` of the prompt came from the prefix cache."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Scores:
    """`log_likelihoods`: one per option, natural logarithm, summed over the option's tokens."""

    log_likelihoods: tuple[float, ...]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to generate. `temperature` 0 is greedy; `stop` strings end the text, without them.

    `top_p` in (0, 1], 1 for all; `top_k` 0 for all; `min_p` in [0, 1), relative to the likeliest
    token; `repetition_penalty` 1 for none. `json_schema` (JSON text) or `regex` constrains the
    text, "" for none; one of the two. `log_probabilities`: None for none, else so many
    alternatives beside each chosen token, 0 to 20.
    """

    tokens_max: int
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    json_schema: str = ""
    regex: str = ""
    log_probabilities: int | None = None


@dataclass(frozen=True, slots=True)
class TokenChance:
    """A generated token: its text, ln of its probability under the model's own distribution (before
    temperature and filters), and the likeliest others, most likely first.
    """

    text: str
    log_probability: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """Generated text. `finish`: a stop string or end token was met (or the constraint is
    complete), or `tokens_max` was reached. `tokens`: where `log_probabilities` was asked for.
    """

    text: str
    usage: Usage
    finish: Literal["stop", "length"]
    tokens: tuple[TokenChance, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text that is being written. The last one carries the whole `result`."""

    text: str
    result: Generation | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """`vectors`: float32[texts, dimensions], each of unit length."""

    vectors: NDArray[np.float32]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Attention:
    """How the prompt's last token looks back: `tokens` are the prompt's, as text;
    `probabilities` float32[layers, heads, tokens], each head's summing to 1.
    """

    tokens: tuple[str, ...]
    probabilities: NDArray[np.float32]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a model over a batch: `sequences` of `sequences_max`; `read_tokens` of prompts and
    options, `written_tokens` of generations; `cache_tokens` reserved of `cache_tokens_max`
    (0 without a cache); `seconds` that it took.
    """

    sequences: int
    sequences_max: int
    read_tokens: int
    written_tokens: int
    cache_tokens: int
    cache_tokens_max: int
    seconds: float


class Watch(Protocol):
    """What a model's engine tells of its work, from its thread; these return at once."""

    def ran(self, step: Step) -> None:
        """One step."""

    def read(self, prompt_tokens: int, cached_tokens: int) -> None:
        """A prompt is read; `cached_tokens` of it were there already."""

    def wrote(self, first_s: float, rest_s: float, rest_tokens: int) -> None:
        """A text: seconds to its first token, and from there for the `rest_tokens` after it."""


class Model(Protocol):
    """What an agent asks of a transformer.

    A verb that a model cannot do raises ConfigError; an input that does not fit its context raises
    Poison (TOO_LONG); a full queue raises Overloaded. A cancelled call leaves the engine between
    two steps.
    """

    name: str
    digest: str

    @property
    def capacity(self) -> int:
        """How many requests it works on together; more wait in its queue."""

    def render(self, messages: Sequence[tuple[str, str]], *, open_turn: bool = True) -> str:
        """(role, content) pairs through the model's chat template; `open_turn` leaves the assistant
        to speak.
        """

    async def score(self, prompt: Prompt, options: Sequence[str]) -> Scores: ...

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generation: ...

    def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Piece]:
        """The text of `generate` as it is written; what the pieces say together is the result's
        text.
        """

    async def embed(self, texts: Sequence[str]) -> Embeddings: ...

    async def attend(self, prompt: Prompt) -> Attention: ...

    def watch(self, watch: Watch) -> None:
        """Tell `watch` from now on; a model without an engine has nothing to tell."""

    async def ended(self) -> None:
        """Returns when the model was closed; raises Retryable, with the reason, when its engine has
        ended by itself and answers no more.
        """

    async def close(self) -> None: ...
