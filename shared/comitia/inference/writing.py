"""One text being written: its tokens so far, how the next one is chosen, and when it ends.

Logits come in, one step after another; out go pieces of the text and, at its end, the job's
Generation.
"""

import time
from collections.abc import Sequence
from typing import Literal

from comitia.inference.constraints import Constraint
from comitia.inference.jobs import GenerateJob
from comitia.inference.likelihood import Floats, likeliest, log_total
from comitia.inference.sampling import Chooser
from comitia.inference.text import Text
from comitia.inference.transcript import Transcript
from comitia.ports import Generation, TokenChance, Usage


class Writing:
    """A text behind `prompt_tokens`, `cached_tokens` of which were there already.

    `began_s`: when its first token was there (monotonic). `greedy`: the most likely token is always
    the one, and logits need not be given. Raises Poison (BAD_CONSTRAINT) and ConfigError for a
    constraint that cannot be compiled.
    """

    def __init__(
        self, job: GenerateJob, text: Text, prompt_tokens: Sequence[int], cached_tokens: int
    ) -> None:
        sampling = job.sampling
        self._job, self._text = job, text
        self._prompt_tokens, self._cached_tokens = len(prompt_tokens), cached_tokens
        self.began_s: float | None = None
        self.length_max = min(self._prompt_tokens + sampling.tokens_max, text.context_tokens)
        self._tokens: list[int] = []
        self._chances: list[TokenChance] = []
        self._transcript = Transcript(text, sampling.stop)
        self._constraint: Constraint | None = None
        if sampling.json_schema or sampling.regex:
            self._constraint = text.grammars.begin(sampling.json_schema, sampling.regex)
        self.greedy = (
            sampling.temperature == 0.0
            and sampling.repetition_penalty == 1.0
            and sampling.log_probabilities is None
            and self._constraint is None
        )
        self._chooser = None if self.greedy else Chooser(sampling, prompt_tokens)

    @property
    def last(self) -> int:
        """The newest token, not yet in the cache."""
        return self._tokens[-1]

    @property
    def written(self) -> int:
        """Tokens since the first."""
        return max(0, len(self._tokens) - 1)

    def take(self, next_id: int, logits: Floats | None) -> bool:
        """Add the next token: `next_id`, the most likely, or what is chosen by logits
        float32[vocab]. True when that ends the text and the job is settled.

        It ends at an end token, at a stop string, where its constraint is complete, after
        `tokens_max`, or when the context is full. Raises Poison (NOT_FINITE, BAD_CONSTRAINT).
        """
        if self.began_s is None:
            self.began_s = time.perf_counter()
        token = next_id
        if self._chooser is not None:
            assert logits is not None
            allowed = None if self._constraint is None else self._constraint.allowed()
            token = self._chooser.choose(logits, allowed)
        if token in self._text.ends:
            return self._settle("stop")
        self._tokens.append(token)
        if logits is not None and self._job.sampling.log_probabilities is not None:
            self._chances.append(self._chance(token, logits))
        complete = self._constraint is not None and self._constraint.add(token)
        self._job.emit(self._transcript.add(token))
        if self._transcript.stopped or complete:
            return self._settle("stop")
        if self._prompt_tokens + len(self._tokens) >= self.length_max:
            return self._settle("length")
        return False

    def _chance(self, token: int, logits: Floats) -> TokenChance:
        """A token beside the likeliest others, all by the model's own distribution."""
        count = self._job.sampling.log_probabilities or 0
        total = float(log_total(logits))
        others = [other for other in likeliest(logits, count + 1).tolist() if other != token]
        return TokenChance(
            self._text.token_text(token),
            float(logits[token]) - total,
            tuple(
                (self._text.token_text(other), float(logits[other]) - total)
                for other in others[:count]
            ),
        )

    def _settle(self, finish: Literal["stop", "length"]) -> bool:
        # A complete constrained text may end in what looks like half a character and is none.
        cut = self._constraint is None or finish == "length"
        self._job.emit(self._transcript.close(cut=cut))
        usage = Usage(self._prompt_tokens, len(self._tokens), self._cached_tokens)
        chances = tuple(self._chances)
        self._job.settle(Generation(self._transcript.text, usage, finish, chances))
        return True
