"""Which tokens of prompt and option are the context, and which are scored.

A tokenizer may join the end of the prompt with the start of an option (" " + "yes" is one token),
so tokens of the two apart are not the tokens that the model was trained on. Each prompt + option is
therefore tokenised whole; what all of them and the bare prompt begin with alike is the context,
what follows is scored. Where a join moves that border back, every option is scored with the same
piece of text more, so they stay comparable. (lm-evaluation-harness, `_encode_pair`, instead cuts at
the length of the tokenised prompt, which is not a border of the joined text.)
"""

from collections.abc import Mapping
from dataclasses import dataclass

from comitia.errors import ConfigError, Poison
from comitia.inference.space import Prefix, common
from comitia.inference.text import Text
from comitia.ports import Prompt


@dataclass(frozen=True, slots=True)
class Plan:
    """`context`: tokens to read. `prefix`: the part of it that is worth keeping; it ends before
    the last token. `options`: tokens to score. `tokens_max`: what the row may come to hold.
    """

    prefix: Prefix
    context: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]
    tokens_max: int


def plan_score(
    text: Text, prompt: Prompt, options: tuple[str, ...], adapters: Mapping[str, int]
) -> Plan:
    """Raises Poison: TOO_LONG (with the longest option), EMPTY_OPTION, NO_OPTIONS; ConfigError
    for an adapter that the model does not have.
    """
    if not options:
        raise Poison("There is nothing to score: no options were given.", "NO_OPTIONS")
    whole = prompt.prefix + prompt.text
    bare = text.encode(whole)
    joined = [text.encode(whole + option) for option in options]
    border = min(common(bare, tokens) for tokens in joined)
    opening = [] if border else [text.starting_token()]
    context = tuple(opening + bare[:border])
    scored = tuple(tuple(tokens[border:]) for tokens in joined)
    for option, tokens in zip(options, scored, strict=True):
        if not tokens:
            raise Poison(
                f"Option {option!r} adds no token to the prompt; give it a text of its own.",
                "EMPTY_OPTION",
            )
    longest = len(context) + max(map(len, scored))
    if longest > text.context_tokens:
        text.too_long(longest)
    return Plan(_kept(text, prompt, context, adapters), context, scored, longest)


def plan_generation(
    text: Text, prompt: Prompt, tokens_max: int, adapters: Mapping[str, int]
) -> Plan:
    """The same without options, for a text of up to `tokens_max`. Raises Poison (TOO_LONG) where
    no token of room is left.
    """
    tokens = tuple(text.encode(prompt.prefix + prompt.text)) or (text.starting_token(),)
    if len(tokens) >= text.context_tokens:
        text.too_long(len(tokens))
    longest = min(len(tokens) + tokens_max, text.context_tokens)
    return Plan(_kept(text, prompt, tokens, adapters), tokens, (), longest)


def _kept(
    text: Text, prompt: Prompt, context: tuple[int, ...], adapters: Mapping[str, int]
) -> Prefix:
    """What prompt and prefix begin with alike; the context's last token is always run, for its
    logits.
    """
    if prompt.adapter and prompt.adapter not in adapters:
        has = ", ".join(adapters) or "none"
        raise ConfigError(f"The model has no adapter '{prompt.adapter}'; it has {has}.")
    alike = min(common(text.prefix_tokens(prompt.prefix), context), len(context) - 1)
    return Prefix(adapters.get(prompt.adapter, 0), context[:alike])
