"""Texts kept to a JSON schema or a regular expression, by llguidance.

A constraint is compiled against the model's tokenizer to a grammar that says, before each token,
which ones can follow. JSON comes without free white space ({"a": 1, "b": 2}): a small model that
may write blanks for ever does. Sources: the dialects are llguidance's own, JSON Schema as far as it
can be kept exactly, and Rust's regular expressions without looking around
(https://github.com/guidance-ai/llguidance).
"""

from collections.abc import Set
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

from comitia.errors import ConfigError, Poison
from comitia.inference.sampling import Mask

_KEPT = 64
_CHARACTERS_MAX = 65_536


class Constraint:
    """Where one text stands in its grammar."""

    def __init__(self, matcher: LLMatcher, tokens: int) -> None:
        self._matcher, self._tokens = matcher, tokens
        self._bits = allocate_token_bitmask(1, tokens)

    def allowed(self) -> Mask:
        """bool[vocab]: the tokens that can follow; an end token where the text can end."""
        fill_next_token_bitmask(self._matcher, self._bits)
        self._check()
        bits = np.unpackbits(self._bits.view(np.uint8)[0], count=self._tokens, bitorder="little")
        return bits.view(np.bool_)

    def add(self, token: int) -> bool:
        """Go on by an allowed token; whether the text is complete and nothing can follow."""
        self._matcher.consume_token(token)
        self._check()
        return self._matcher.is_stopped()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise Poison(
                "The text cannot be kept to its constraint any further: "
                f"{_first_line(self._matcher.get_error())}. Make the schema or regex simpler.",
                "BAD_CONSTRAINT",
            )


class Grammars:
    """Compiles constraints for one tokenizer.json; `ends` are its end tokens' numbers. Any thread
    may call it.
    """

    def __init__(self, tokenizer: Path, tokens: int, ends: Set[int]) -> None:
        self._path, self._tokens, self._ends = tokenizer, tokens, ends
        self._tokenizer: LLTokenizer | None = None
        self._lock = Lock()
        self._compiled = lru_cache(_KEPT)(self._compile)

    def begin(self, json_schema: str, regex: str) -> Constraint:
        """A new text under one of the two.

        Compiling takes a millisecond or, for large ones, some hundred; it is kept for the next.
        Raises Poison (BAD_CONSTRAINT) for what cannot be compiled, ConfigError for a tokenizer that
        cannot be constrained.
        """
        with self._lock:
            matcher = self._compiled(json_schema, regex)
            return Constraint(matcher.deep_copy(), self._tokens)

    def _compile(self, json_schema: str, regex: str) -> LLMatcher:
        kind, written = ("JSON schema", json_schema) if json_schema else ("regex", regex)
        if len(written) > _CHARACTERS_MAX:
            raise _refused(kind, f"it has more than {_CHARACTERS_MAX} characters")
        try:
            grammar = (
                LLMatcher.grammar_from_json_schema(
                    json_schema,
                    overrides={
                        "whitespace_flexible": False,
                        "item_separator": ", ",
                        "key_separator": ": ",
                    },
                )
                if json_schema
                else LLMatcher.grammar_from_regex(regex)
            )
        except ValueError as error:
            raise _refused(kind, str(error)) from error
        limits = LLParserLimits(verbose_errors=False)
        matcher = LLMatcher(self._loaded(), grammar, log_level=0, limits=limits)
        if matcher.is_error():
            raise _refused(kind, matcher.get_error())
        if matcher.is_stopped() and not matcher.is_accepting():
            raise _refused(kind, "no text satisfies it")
        return matcher

    def _loaded(self) -> LLTokenizer:
        """Read at the first constraint: it takes a third of a second that most never need."""
        if self._tokenizer is None:
            try:
                self._tokenizer = LLTokenizer(
                    self._path.read_text(encoding="utf-8"),
                    n_vocab=self._tokens,
                    eos_token=sorted(self._ends) or None,
                )
            except ValueError as error:
                raise ConfigError(
                    f"Texts of this model cannot be constrained, its tokenizer is refused: {error}"
                ) from error
        return self._tokenizer


def _refused(kind: str, reason: str) -> Poison:
    return Poison(f"The {kind} cannot be compiled: {_first_line(reason)}.", "BAD_CONSTRAINT")


def _first_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip(" ^\t")]
    return " ".join(lines[:4]).rstrip(".")
