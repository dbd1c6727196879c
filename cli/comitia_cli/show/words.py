"""Values and names of the log as words on one line."""

from collections.abc import Callable
from typing import Any

from comitia.v1.value_pb2 import Value

WORDS_MAX = 60


def enum_word(name: Callable[[Any], str], number: int, prefix: str) -> str:
    """The name of an enum's value without its prefix; of one that a newer version knows, the
    number.
    """
    try:
        return name(number).removeprefix(prefix)
    except ValueError:
        return str(number)


def value_text(value: Value) -> str:
    """A value as one line: an option's id, a text, a number, "a > b = c" for a ranking, a JSON
    document.
    """
    kind = value.WhichOneof("kind")
    if kind == "option_id":
        return value.option_id
    if kind == "text":
        return " ".join(value.text.split())
    if kind == "number":
        return f"{value.number:.12g}"
    if kind == "ranking":
        return " > ".join(" = ".join(tier.option_ids) for tier in value.ranking.tiers)
    return value.json


def chance(probability: float) -> str:
    """With two digits, but never as certain."""
    return f"{probability:.2f}" if probability < 0.995 else "over 0.99"


def clip(text: str, width: int = WORDS_MAX) -> str:
    """At most `width` characters, with an ellipsis where something was cut."""
    return text if len(text) <= width else text[: width - 1] + "…"
