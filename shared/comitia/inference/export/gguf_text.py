"""Tokenizer and chat template out of a GGUF file: tokenizer.json and text.json in a folder.

Covers byte-level BPE (tokenizer.ggml.model "gpt2") with the splitting rules below; another model or
rule is refused and never guessed. Token types of GGUF: 3 is a control token (special), 4 is an
added token that decoding keeps.
"""

from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from comitia.errors import ConfigError
from comitia.inference.export.gguf_weights import GgufFacts

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class _Rule(NamedTuple):
    """How text is cut before the merges; `whole_words`: vocabulary entries skip the merges."""

    pre: Any
    normalizer: Any
    whole_words: bool
    begins_with_bos: bool


def _pattern(numbers: str) -> Any:
    cut = pre_tokenizers.Split(Regex(_WORDS + numbers + _REST), behavior="isolated")
    return pre_tokenizers.Sequence(
        [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def _rules() -> dict[str, _Rule]:
    """tokenizer.ggml.pre -> rule, as llama.cpp's src/llama-vocab.cpp has them."""
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2])
    return {
        "gpt-2": _Rule(gpt2, None, False, False),
        "smollm": _Rule(digits, None, False, False),
        "starcoder": _Rule(digits, None, False, False),
        "qwen2": _Rule(_pattern(r"\p{N}"), normalizers.NFC(), False, False),
        "llama-bpe": _Rule(_pattern(r"\p{N}{1,3}"), None, True, True),
    }


def read_tokenizer(facts: GgufFacts) -> Tokenizer:
    """The tokenizer of a GGUF file. Raises ConfigError for another kind than byte-level BPE."""
    model, rule_name = facts.get("tokenizer.ggml.model"), facts.get("tokenizer.ggml.pre")
    rules = _rules()
    if model != "gpt2" or rule_name not in rules:
        raise ConfigError(
            f"GGUF tokenizer {model!r} with splitting rule {rule_name!r} is not supported; known "
            "are gpt2 with "
            f"{', '.join(rules)}. Use the model's folder with safetensors and tokenizer.json "
            "instead."
        )
    rule = rules[rule_name]
    tokens, types = facts.need("tokenizer.ggml.tokens"), facts.need("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ", 1)) for merge in facts.need("tokenizer.ggml.merges")]
    vocab = {text: number for number, text in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=rule.whole_words))
    tokenizer.pre_tokenizer, tokenizer.decoder = rule.pre, decoders.ByteLevel()
    if rule.normalizer is not None:
        tokenizer.normalizer = rule.normalizer
    for wanted, special in ((3, True), (4, False)):
        chosen = [text for text, kind in zip(tokens, types, strict=True) if kind == wanted]
        tokenizer.add_tokens(
            [AddedToken(text, special=special, normalized=False) for text in chosen]
        )
    if facts.get("tokenizer.ggml.add_bos_token", rule.begins_with_bos):
        first = facts.need("tokenizer.ggml.bos_token_id")
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{tokens[first]} $A", special_tokens=[(tokens[first], first)]
        )
    return tokenizer


def special_tokens(facts: GgufFacts) -> dict[str, Any]:
    """bos, eos and the chat template, as `text_facts` wants them."""
    tokens = facts.get("tokenizer.ggml.tokens")
    numbers = {name: facts.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "eot")}
    return {
        "bos": None if numbers["bos"] is None else tokens[numbers["bos"]],
        "ends": [
            tokens[number]
            for name, number in numbers.items()
            if name != "bos" and number is not None
        ],
        "template": facts.get("tokenizer.chat_template"),
    }


def write_tokenizer(facts: GgufFacts, folder: Path) -> None:
    """tokenizer.json into `folder`."""
    read_tokenizer(facts).save(str(folder / "tokenizer.json"), pretty=False)
