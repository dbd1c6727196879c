"""One running generation: its tokens so far, its chance, and when it ends."""

import time

import numpy as np

from comitia.inference.jobs import GenerateJob
from comitia.inference.text import Text
from comitia.ports import Generation, Usage


class Row:
    """A generation in a row of the cache, which holds `length` tokens; `last` is run next.
    `began_s`: when its first token was there (monotonic).
    """

    def __init__(
        self, job: GenerateJob, text: Text, prompt_tokens: int, cached_tokens: int
    ) -> None:
        self.job, self._text = job, text
        self.length = self._prompt_tokens = prompt_tokens
        self._cached_tokens = cached_tokens
        self.began_s = time.perf_counter()
        self._tokens: list[int] = []
        # Its own stream of chance: a seed gives the same text whatever runs beside it.
        self.chance = np.random.default_rng(job.sampling.seed)

    @property
    def decoded(self) -> int:
        """Tokens since the first, an end token included."""
        return self.length - self._prompt_tokens

    @property
    def last(self) -> int:
        """The newest token, not yet in the cache."""
        return self._tokens[-1]

    def push(self, token: int) -> bool:
        """Take the next token; True when that ends the text and the job is settled.

        It ends at an end token, at a stop string, after `tokens_max`, or when the context is full.
        """
        if token in self._text.ends:
            self._settle(self._text.decode(self._tokens), stopped=True)
            return True
        self._tokens.append(token)
        sampling = self.job.sampling
        if sampling.stop:
            text = self._text.decode(self._tokens)
            places = [place for place in map(text.find, sampling.stop) if place >= 0]
            if places:
                self._settle(text[: min(places)], stopped=True)
                return True
        full = self._prompt_tokens + len(self._tokens) >= self._text.context_tokens
        if len(self._tokens) >= sampling.tokens_max or full:
            self._settle(self._text.decode(self._tokens), stopped=False)
            return True
        return False

    def _settle(self, text: str, *, stopped: bool) -> None:
        usage = Usage(self._prompt_tokens, len(self._tokens), self._cached_tokens)
        self.job.settle(Generation(text, usage, "stop" if stopped else "length"))
