"""Texts without a model: the tiny tokenizer, one that falls back on bytes, and a job driven by
hand.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

from comitia.inference.jobs import GenerateJob
from comitia.inference.text import Text
from comitia.inference.writing import Writing
from comitia.ports import Generation, Prompt, Sampling
from tests.unit.inference_models import END, byte_tokenizer


def text_in(
    folder: Path, tokenizer: Tokenizer | None = None, end: str = END, context: int = 4_096
) -> Text:
    """A Text over a build that holds nothing but a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    (tokenizer or byte_tokenizer()).save(str(folder / "tokenizer.json"))
    facts = {"bos": None, "ends": [end], "template": None, "context_tokens": context}
    (folder / "text.json").write_text(json.dumps(facts))
    return Text(folder, "tiny")


def fallback_tokenizer() -> Tokenizer:
    """As Llama 2 and Mistral have it: words with their space, bytes for what is no word, and a
    decoder that drops the first space of a text.
    """
    words = ["</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁yes", "▁no", "▁", "a", "▁a"]
    vocab = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[("▁", "a")], byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens([AddedToken("</s>", special=True, normalized=False)])
    return tokenizer


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """ln of the probabilities, by the definition, in float64."""
    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    wide -= np.log(np.exp(wide).sum(-1, keepdims=True))
    return wide


class Driven:
    """A job whose logits come from the test; `pieces` are what it streamed."""

    def __init__(self, text: Text, sampling: Sampling, prompt_tokens: Sequence[int] = ()) -> None:
        self.pieces: list[str] = []
        self.job = GenerateJob(prompt=Prompt("", ""), sampling=sampling, on_text=self.pieces.append)
        self.writing = Writing(self.job, text, prompt_tokens, 0)

    @property
    def result(self) -> Generation:
        """What the job was settled with."""
        return self.job.future.result(timeout=0)

    def take_all(self, tokens: Sequence[int]) -> bool:
        """Give it the tokens, as a graph that finds them most likely; whether it has ended."""
        return any(self.writing.take(token, None) for token in tokens)

    def run(self, chance: np.random.Generator, vocab: int) -> Generation:
        """Random logits, another set at each step, until it ends."""
        ended = False
        while not ended:
            logits: NDArray[np.float32] = chance.normal(0.0, 2.0, vocab).astype(np.float32)
            ended = self.writing.take(int(logits.argmax()), logits)
        return self.result


def constrained(schema: object = None, regex: str = "", **changes: float) -> Sampling:
    """A warm sampling under a schema (JSON-like) or a regex."""
    warm = Sampling(400, temperature=1.0, seed=7, regex=regex)
    return replace(warm, json_schema=json.dumps(schema) if schema is not None else "", **changes)  # type: ignore[arg-type]
