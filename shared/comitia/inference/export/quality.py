"""What a form costs: perplexity and likeliest tokens of a built graph against the same in fp32.

A fixed text goes through both graphs in windows: the help topics of Python's standard library, up
to 8,192 tokens. No part of serving.
"""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from comitia.inference.cards import Form, Progress, Quality
from comitia.inference.export.formed import Formed
from comitia.inference.export.running import DecoderRun
from comitia.inference.export.shape import Shape

TOKENS_MAX, WINDOW_TOKENS = 8192, 512
# Enough characters for that many tokens of any tokenizer.
_CHARACTERS = 80_000


class Reading(NamedTuple):
    """Of each token but the first of each window: float64 -ln P, and the token found likeliest."""

    surprise: NDArray[np.float64]
    likeliest: NDArray[np.int64]

    @property
    def perplexity(self) -> float:
        """exp of the mean surprise."""
        return math.exp(float(self.surprise.mean()))


def fixed_text() -> str:
    """The text that is read, alike for one minor version of Python."""
    return "\n".join(topics[name] for name in sorted(topics))[:_CHARACTERS]


def text_digest() -> str:
    """sha256 of the text."""
    return hashlib.sha256(fixed_text().encode()).hexdigest()


def windows(folder: Path, context_tokens: int) -> list[list[int]]:
    """The text in the tokens of the build in `folder`, in pieces that its context holds."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokens = tokenizer.encode(fixed_text(), add_special_tokens=False).ids[:TOKENS_MAX]
    size = min(WINDOW_TOKENS, context_tokens)
    pieces = [tokens[start : start + size] for start in range(0, len(tokens), size)]
    return [piece for piece in pieces if len(piece) == size]


def read_text(
    model: Path, weights: tuple[Shape, Form], texts: list[list[int]], progress: Progress
) -> Reading:
    """Every token's chance as the graph sees it. Raises ConfigError where it cannot run here."""
    shape, form = weights
    run = DecoderRun(model, shape, 1, len(texts[0]), np.float16 if form == "fp16" else np.float32)
    surprise, likeliest = [], []
    for done, text in enumerate(texts):
        progress(f"reading {len(texts) * len(text)} tokens in {form}", done, len(texts))
        for logits, token in zip(_rows(run, text), text[1:], strict=True):
            top = float(logits.max())
            total = np.exp((logits - top).astype(np.float64)).sum()
            surprise.append(math.log(total) + top - float(logits[token]))
            likeliest.append(int(logits.argmax()))
    return Reading(np.array(surprise), np.array(likeliest))


def compare(found: Reading, exact: Reading) -> Quality:
    """The form's reading against fp32's of the same text."""
    same = float((found.likeliest == exact.likeliest).mean())
    return Quality(round(found.perplexity / exact.perplexity, 4), round(same, 4))


def runs_here(weights: Formed) -> bool:
    """Whether the form can be measured on a CPU: there are no kernels for bfloat16."""
    return weights.form != "bf16"


def _rows(run: DecoderRun, text: list[int]) -> Iterator[NDArray[np.float32]]:
    yield from run.logits([text], [range(len(text) - 1)])[0]
