"""What is at work in the rows of a decoder: texts being read and texts being written.

Each says what it wants of the next step (`feed`), and holds one row until it is over; the core
(decoder_core) runs the steps and hands out what comes back.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.inference.jobs import AnyJob, GenerateJob
from comitia.inference.runner import Feed, Floats
from comitia.inference.writing import Writing

Ids = NDArray[np.int64]

# Tokens of options in one step, all of whose logits are wanted: float32[64, 49152] are 12 MB.
SCORED_TOKENS_MAX = 64


@dataclass(eq=False, slots=True)
class Reading:
    """`tokens` on their way into `row`, behind the `start` tokens that it holds; `done` of them are
    there.

    `keep`: how many tokens the row will begin with that are worth keeping, 0 for none. `scored`:
    the logits at every token are wanted, else at the last one alone. `then` is called after each
    piece that is scored, else after the last one, with what the graph gave for the wanted places:
    most likely tokens int64[K], and logits float32[K, vocab] where `needs_logits`.
    """

    job: AnyJob
    row: int
    tokens: tuple[int, ...]
    then: Callable[["Reading", Ids, Floats | None], None]
    adapter: int = 0
    start: int = 0
    done: int = 0
    keep: int = 0
    scored: bool = False
    needs_logits: bool = True

    def feed(self, tokens_max: int) -> Feed:
        """The next piece; it ends where what is worth keeping does. There too an outcome is wanted:
        what is not finite must not be kept.
        """
        end = min(self.done + tokens_max, len(self.tokens))
        if self.done < self.keep < end:
            end = self.keep
        places = range(end - self.done)
        if not self.scored:
            places = places[-1:] if end in (self.keep, len(self.tokens)) else places[:0]
        return Feed(
            self.row, self.start + self.done, self.tokens[self.done : end], places, self.adapter
        )

    @property
    def over(self) -> bool:
        """Whether all is read."""
        return self.done == len(self.tokens)


@dataclass(eq=False, slots=True)
class Writer:
    """A text being written in `row`, which holds `length` tokens."""

    job: GenerateJob
    row: int
    writing: Writing
    length: int
    adapter: int = 0

    @property
    def needs_logits(self) -> bool:
        """Whether the most likely token is not enough."""
        return not self.writing.greedy

    def feed(self) -> Feed:
        """Its newest token."""
        return Feed(self.row, self.length, (self.writing.last,), (0,), self.adapter)


Work = Reading | Writer
