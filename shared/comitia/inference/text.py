"""Text to tokens and back, and chats to text, by the tokenizer.json and text.json of a build."""

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from comitia.errors import ConfigError, Poison
from comitia.inference.constraints import Grammars

# Stands for bytes that are no character.
REPLACEMENT = "\ufffd"
_PREFIXES_KEPT = 64


class Text:
    """Tokenizer and chat template of one model; `context_tokens` is the most it reads and writes
    together. Raises ConfigError when tokenizer.json is none.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._name, self._folder = name, folder
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers knows no narrower one
            raise ConfigError(
                f"Model '{name}': tokenizer.json in {folder} cannot be read ({error}); put the one "
                f"of the model's publisher into its source, then run: comitia model export {name} "
                "--force"
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        facts = json.loads((folder / "text.json").read_text(encoding="utf-8"))
        self.context_tokens: int = facts["context_tokens"]
        numbers = [self._tokenizer.token_to_id(end) for end in facts["ends"]]
        self.ends = frozenset(number for number in numbers if number is not None)
        added = self._tokenizer.get_added_tokens_decoder()
        # Tokens that leave no trace in a text.
        self.special = frozenset(number for number, token in added.items() if token.special)
        self._bos: str | None = facts["bos"]
        # What the model's own rules put before every text: [bos] or nothing.
        self._opening: list[int] = self._tokenizer.encode("").ids
        self._longest = max(map(len, self._tokenizer.get_vocab()), default=1)
        self._template = _compile(facts["template"]) if facts["template"] else None
        self.prefix_tokens = lru_cache(_PREFIXES_KEPT)(self._prefix_tokens)

    def encode(self, text: str) -> list[int]:
        """Tokens of a prompt, with the opening token where the model has one and the text does not
        bring it along.

        Raises Poison (TOO_LONG) before any work where no tokenisation could fit the context.
        """
        self._bound(len(text))
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        if self._bos and text.startswith(self._bos):
            return tokens
        return self._opening + tokens

    def encode_whole(self, text: str) -> list[int]:
        """Tokens of an encoder's input, with the model's own marks at both ends. Raises Poison
        (TOO_LONG).
        """
        self._bound(len(text))
        tokens: list[int] = self._tokenizer.encode(text).ids
        if len(tokens) > self.context_tokens:
            self.too_long(len(tokens))
        return tokens

    def _prefix_tokens(self, prefix: str) -> tuple[int, ...]:
        return tuple(self.encode(prefix)) if prefix else ()

    def starting_token(self) -> int:
        """What an empty prompt is conditioned on: bos, else an end token, which closes the text
        before.
        """
        number = self._tokenizer.token_to_id(self._bos) if self._bos else None
        if number is None and not self.ends:
            raise Poison(
                f"Model '{self._name}' cannot start from an empty prompt; give it some text.",
                "EMPTY_PROMPT",
            )
        return int(min(self.ends) if number is None else number)

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of the tokens; special ones leave no trace, nor does a character that is cut off at
        the end.
        """
        return self.decode_all(tokens).rstrip(REPLACEMENT)

    def decode_all(self, tokens: Sequence[int]) -> str:
        """As `decode`, with U+FFFD for a character that is cut off."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        return text

    def token_text(self, token: int) -> str:
        """The text of one token amid others, special ones by name; U+FFFD for part of a
        character.
        """
        if token in self.special:
            return str(self._tokenizer.id_to_token(token))
        # Behind another token: a decoder may drop the space at the beginning of a text.
        anchor = self._tokenizer.encode("a", add_special_tokens=False).ids
        return self.decode_all([*anchor, token])[len(self.decode_all(anchor)) :]

    @cached_property
    def grammars(self) -> Grammars:
        """Constraints for texts of this model."""
        tokens = self._tokenizer.get_vocab_size()
        return Grammars(self._folder / "tokenizer.json", tokens, self.ends)

    def render(self, messages: Sequence[tuple[str, str]], *, open_turn: bool) -> str:
        """(role, content) pairs through the chat template. Raises ConfigError without one, Poison
        for a refused chat.
        """
        if self._template is None:
            raise ConfigError(
                f"Model '{self._name}' has no chat template; write its prompt as plain text."
            )
        chat = [{"role": role, "content": content} for role, content in messages]
        try:
            return self._template.render(
                messages=chat,
                add_generation_prompt=open_turn,
                bos_token=self._bos or "",
                eos_token="",
            )
        except jinja2.TemplateError as error:
            raise Poison(
                f"The chat template of '{self._name}' refuses these messages: {error}", "BAD_CHAT"
            ) from error

    def too_long(self, tokens: int, least: bool = False) -> NoReturn:
        """Raise Poison (TOO_LONG)."""
        count = f"at least {tokens}" if least else str(tokens)
        raise Poison(
            f"The input has {count} tokens, model '{self._name}' reads {self.context_tokens}; "
            "shorten the input or the "
            "agent's prompt.",
            "TOO_LONG",
        )

    def _bound(self, characters: int) -> None:
        """No token is longer than the longest entry of the vocabulary."""
        if characters > self._longest * self.context_tokens:
            self.too_long(characters // self._longest, least=True)


def _compile(template: str) -> jinja2.Template:
    """The rules that chat templates are written for: trimmed blocks, loop controls, a sandbox."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )

    def refuse(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    environment.globals["raise_exception"] = refuse
    return environment.from_string(template)
