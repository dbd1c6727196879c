"""What waits for the engine: a request, and the future of its answer, awaited by the event loop."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from comitia.ports import Attention, Embeddings, Generation, Prompt, Sampling, Scores

T = TypeVar("T")


@dataclass(eq=False, slots=True, kw_only=True)
class Job(Generic[T]):
    """One request, made at `arrived_s` (monotonic). Cancelling the future takes the job out of the
    engine between two steps.
    """

    future: "Future[T]" = field(default_factory=Future)
    arrived_s: float = field(default_factory=time.perf_counter)

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits any more."""
        return self.future.cancelled()

    def settle(self, result: T) -> None:
        """Hand over the answer, unless nobody waits."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Hand over the error, unless nobody waits or an answer was given."""
        if not self.future.done() and self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


AnyJob = Job[Any]


@dataclass(eq=False, slots=True, kw_only=True)
class ScoreJob(Job[Scores]):
    """Log-likelihoods of `options` after `prompt`."""

    prompt: Prompt
    options: tuple[str, ...]


@dataclass(eq=False, slots=True, kw_only=True)
class GenerateJob(Job[Generation]):
    """Text after `prompt`. `on_text` is called by the engine's thread with each piece of it; it
    must return at once.
    """

    prompt: Prompt
    sampling: Sampling
    on_text: Callable[[str], None] | None = None

    def emit(self, text: str) -> None:
        """Hand over a piece of the text to whoever streams it."""
        if self.on_text is not None and text and not self.cancelled:
            self.on_text(text)


@dataclass(eq=False, slots=True, kw_only=True)
class AttendJob(Job[Attention]):
    """How the last token of `prompt` looks back."""

    prompt: Prompt


@dataclass(eq=False, slots=True, kw_only=True)
class EmbedJob(Job[Embeddings]):
    """Vectors of `texts`; `vectors` fills up as batches come back."""

    texts: Sequence[str]
    tokens: int = 0
    vectors: dict[int, NDArray[np.float32]] = field(default_factory=dict)
