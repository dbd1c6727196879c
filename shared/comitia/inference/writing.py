"""One text being written: its tokens so far, its chance, and when it ends."""

import time
from collections.abc import Sequence

import numpy as np

from comitia.inference.jobs import GenerateJob
from comitia.inference.likelihood import Floats, pick
from comitia.inference.text import Text
from comitia.ports import Generation, Usage


class Writing:
    """A text behind `prompt_tokens`, `cached_tokens` of which were there already. `began_s`: when
    its first token was there (monotonic).
    """

    def __init__(
        self, job: GenerateJob, text: Text, prompt_tokens: Sequence[int], cached_tokens: int
    ) -> None:
        self.job, self._text = job, text
        self._prompt_tokens, self._cached_tokens = len(prompt_tokens), cached_tokens
        self.began_s: float | None = None
        self.greedy = job.sampling.temperature == 0.0
        longest = self._prompt_tokens + job.sampling.tokens_max
        self.length_max = min(longest, text.context_tokens)
        self._tokens: list[int] = []
        # Its own stream of chance: a seed gives the same text whatever runs beside it.
        self._chance = np.random.default_rng(job.sampling.seed)

    @property
    def last(self) -> int:
        """The newest token, not yet in the cache."""
        return self._tokens[-1]

    @property
    def written(self) -> int:
        """Tokens since the first."""
        return max(0, len(self._tokens) - 1)

    def take(self, next_id: int, logits: Floats | None) -> bool:
        """Add the next token; True when that ends the text and the job is settled.

        It ends at an end token, at a stop string, after `tokens_max`, or when the context is full.
        """
        if self.began_s is None:
            self.began_s = time.perf_counter()
        token = next_id
        if not self.greedy:
            assert logits is not None
            token = pick(logits, self.job.sampling.temperature, self._chance)
        if token in self._text.ends:
            return self._settle(self._text.decode(self._tokens), stopped=True)
        self._tokens.append(token)
        if stop := self.job.sampling.stop:
            text = self._text.decode(self._tokens)
            places = [place for place in map(text.find, stop) if place >= 0]
            if places:
                return self._settle(text[: min(places)], stopped=True)
        if self._prompt_tokens + len(self._tokens) >= self.length_max:
            return self._settle(self._text.decode(self._tokens), stopped=False)
        return False

    def _settle(self, text: str, *, stopped: bool) -> bool:
        usage = Usage(self._prompt_tokens, len(self._tokens), self._cached_tokens)
        self.job.settle(Generation(text, usage, "stop" if stopped else "length"))
        return True
