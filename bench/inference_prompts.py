"""What bench.inference asks: prompts of a given number of tokens, and when requests arrive.

The text is that of Python's help topics (pydoc_data.topics), which every Python of one version
has; a prompt is cut so that its text gives the very same tokens again, because Comitia takes text
and the peers take tokens.
"""

import random
from collections.abc import Sequence
from pydoc_data.topics import topics

from bench.peers.inference_worker import Arrival, Prompt
from comitia.inference.text import Text

ROWS = 16
_CHARACTERS = 160_000


class Prompts:
    """Prompts one behind the other out of one text; none is given twice."""

    def __init__(self, text: Text) -> None:
        self._text = text
        whole = "\n".join(topics[name] for name in sorted(topics))[:_CHARACTERS]
        # In parts: a tokenizer bounds what it reads at once by its context.
        self._tokens = [
            token
            for start in range(0, len(whole), 4_000)
            for token in text.encode(whole[start : start + 4_000])
        ]
        self._start = 0

    def take(self, tokens: int, lead: int = 0) -> Prompt:
        """The next prompt; its first `lead` tokens are its prefix."""
        while True:
            found = self._tokens[self._start : self._start + tokens]
            if len(found) < tokens:
                raise RuntimeError("the help topics have no more tokens")
            prefix, text = self._text.decode(found[:lead]), self._text.decode(found[lead:])
            parts = ((prefix, found[:lead]), (text, found[lead:]), (prefix + text, found))
            if all(self._same(*part) for part in parts):
                self._start += tokens
                return {"tokens": found, "prefix": prefix, "text": text}
            self._start += 1

    def several(self, count: int, tokens: int, lead: int = 0) -> list[Prompt]:
        return [self.take(tokens, lead) for _ in range(count)]

    def sharing(self, count: int, shared: int, own: int) -> list[Prompt]:
        """Prompts that begin with the same `shared` tokens, as the tasks of one agent do."""
        lead = self.take(shared)
        return [
            {
                "tokens": lead["tokens"] + one["tokens"],
                "prefix": lead["text"],
                "text": one["text"],
            }
            for one in self.several(count, own)
        ]

    def _same(self, text: str, tokens: Sequence[int]) -> bool:
        return not tokens or self._text.encode(text) == list(tokens)


def trace(prompts: Sequence[Prompt], per_second: float, lengths: tuple[int, int]) -> list[Arrival]:
    """Requests as strangers send them: exponential pauses, tokens to be written drawn evenly from
    `lengths` (both ends too); seed 0.
    """
    draw, now, made = random.Random(0), 0.0, []
    for prompt in prompts:
        made.append((now, prompt, draw.randint(*lengths)))
        now += draw.expovariate(per_second)
    return made
