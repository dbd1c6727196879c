"""Texts kept to a JSON schema or a regular expression, by llguidance.

A constraint is compiled against the model's tokenizer to a grammar that says, before each token,
which ones can follow. JSON comes without free white space ({"a": 1, "b": 2}): a small model that
may write blanks for ever does. Sources: the dialects are llguidance's own, JSON Schema as far as it
can be kept exactly, and Rust's regular expressions without looking around
(https://github.com/guidance-ai/llguidance).
"""

import json
from collections.abc import Set
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from comitia.errors import ConfigError, Poison
from comitia.inference.sampling import Mask

_KEPT = 64
_CHARACTERS_MAX = 65_536


class Constraint:
    """Where one text stands in its grammar."""

    def __init__(self, matcher: LLMatcher, tokens: int) -> None:
        self._matcher, self._tokens = matcher, tokens

    def allowed(self) -> Mask:
        """bool[vocab]: the tokens that can follow; an end token where the text can end."""
        packed = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        return np.unpackbits(packed, count=self._tokens, bitorder="little").view(np.bool_)

    def add(self, token: int) -> bool:
        """Go on by an allowed token; whether the text is complete and nothing can follow."""
        self._matcher.consume_token(token)
        self._check()
        return self._matcher.is_stopped()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise Poison(
                "The text cannot be kept to its constraint any further: "
                f"{_short(self._matcher.get_error())}. Make the schema or regex simpler.",
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
        matcher = self._compiled(json_schema, regex)
        return Constraint(matcher.deep_copy(), self._tokens)

    def _compile(self, json_schema: str, regex: str) -> LLMatcher:
        kind, written = ("JSON schema", json_schema) if json_schema else ("regex", regex)
        if len(written) > _CHARACTERS_MAX:
            raise _refused(kind, f"it has more than {_CHARACTERS_MAX} characters")
        try:
            grammar = (
                _json_grammar(json_schema) if json_schema else LLMatcher.grammar_from_regex(regex)
            )
        except (ValueError, RecursionError) as error:
            raise _refused(kind, str(error)) from error
        limits = LLParserLimits(verbose_errors=False)
        matcher = LLMatcher(self._loaded(), grammar, log_level=0, limits=limits)
        # What no text satisfies is only seen when the first tokens are asked for.
        matcher.compute_bitmask()
        if matcher.is_error():
            raise _refused(kind, matcher.get_error())
        return matcher

    def _loaded(self) -> LLTokenizer:
        """Read at the first constraint: it takes a third of a second that most never need."""
        with self._lock:
            if self._tokenizer is None:
                try:
                    self._tokenizer = LLTokenizer(
                        self._path.read_text(encoding="utf-8"),
                        n_vocab=self._tokens,
                        eos_token=sorted(self._ends) or None,
                    )
                except ValueError as error:
                    raise ConfigError(
                        "Texts of this model cannot be constrained; its tokenizer is refused: "
                        f"{error}"
                    ) from error
            return self._tokenizer


def _json_grammar(json_schema: str) -> str:
    """Without free white space, unless the schema brings an "x-guidance" of its own."""
    schema = json.loads(json_schema)
    if not isinstance(schema, dict):
        raise ValueError("it must be a JSON object")
    return LLMatcher.grammar_from_json_schema(
        schema, {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    )


def _refused(kind: str, reason: str) -> Poison:
    return Poison(f"The {kind} cannot be compiled: {_short(reason)}.", "BAD_CONSTRAINT")


def _short(message: str) -> str:
    """What llguidance says, in one line, without its drawings and its tags."""
    if message.startswith("NoExtension"):
        return "no text satisfies it"
    lines = [line.strip() for line in message.splitlines()]
    return " ".join(line for line in lines if line.strip("^<>") not in ("", "non-verbose/"))[:400]
