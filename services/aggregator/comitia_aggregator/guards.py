"""What rules look for in a value: guarded words in its texts, and the number that bounds hold. A
Value in; what was found, or nothing, out. Pure; no value breaks it.

Words are compared under Unicode NFKC and case folding, without invisible characters (soft hyphens,
joiners), white space as one blank. A word ends where no letter, digit, mark or underscore follows;
in scripts that are written without spaces every character ends one, as Unicode's own rules have it
for ideographs (UAX 29, https://www.unicode.org/reports/tr29/).
"""

import json
import math
import unicodedata
from collections.abc import Iterable, Sequence

from comitia.policy.schema import tokens
from comitia.v1.rule_pb2 import NumericBounds
from comitia.v1.value_pb2 import Value

_UNSPACED = ("CJK ", "HIRAGANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ")


def guarded(words: Iterable[str], value: Value) -> str | None:
    """The first of `words` that the value holds as a whole word, None where it holds none. Texts,
    and all strings of a JSON value, names of its members among them; other kinds hold none.
    """
    texts = [_folded(text) for text in _texts(value)]
    for word in words:
        wanted = _folded(word)
        if wanted and any(_holds(text, wanted) for text in texts):
            return word
    return None


def outside(bounds: NumericBounds, value: Value) -> str | None:
    """What is wrong with the value's number, for a person; None where it is within."""
    number = number_at(bounds.field, value)
    where = f" at {bounds.field}" if bounds.field else ""
    if number is None:
        return f"there is no number{where}"
    if bounds.HasField("min") and number < bounds.min:
        return f"{_written(number)}{where} is below the minimum {bounds.min:.12g}"
    if bounds.HasField("max") and number > bounds.max:
        return f"{_written(number)}{where} is above the maximum {bounds.max:.12g}"
    return None


def number_at(pointer: str, value: Value) -> int | float | None:
    """The value's own number where `pointer` is empty, or the number of a JSON value where a JSON
    pointer (RFC 6901) leads to one. None: there is none.
    """
    kind = value.WhichOneof("kind")
    if kind == "number" and not pointer:
        return value.number if math.isfinite(value.number) else None
    if kind != "json":
        return None
    node = _at(_parsed(value.json), pointer)
    # To Python, true is a number.
    if isinstance(node, bool) or not isinstance(node, int | float):
        return None
    return node if isinstance(node, int) or math.isfinite(node) else None


class _Members(list[tuple[str, object]]):
    """The members of a JSON object as they are written: of two with one name, both."""


def _parsed(document: str) -> object:
    """A JSON document with objects as _Members; its text where it cannot be read."""
    try:
        parsed: object = json.loads(document, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        return document
    return parsed


def _at(node: object, pointer: str) -> object:
    """What a JSON pointer names, None where it names nothing."""
    if not pointer:
        return node
    first, *names = tokens(pointer)
    if first:
        return None
    for name in names:
        if isinstance(node, _Members):
            # The last of several, as most readers of JSON take it.
            node = dict(node).get(name)
        elif isinstance(node, list) and _is_index(name) and int(name) < len(node):
            node = node[int(name)]
        else:
            return None
    return node


def _is_index(token: str) -> bool:
    """Digits without a leading zero; longer ones than any list has are none."""
    plain = token.isascii() and token.isdigit() and len(token) < 10
    return plain and (token == "0" or not token.startswith("0"))


def _texts(value: Value) -> Sequence[str]:
    kind = value.WhichOneof("kind")
    if kind == "text":
        return [value.text]
    if kind != "json":
        return []
    texts: list[str] = []
    nodes = [_parsed(value.json)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, str):
            texts.append(node)
        elif isinstance(node, list | tuple):
            nodes += node
    return texts


def _folded(text: str) -> str:
    normal = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    seen = "".join(character for character in normal if unicodedata.category(character) != "Cf")
    return " ".join(seen.split())


def _holds(text: str, word: str) -> bool:
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not (_joined(text, start) or _joined(text, end)):
            return True
        start = text.find(word, start + 1)
    return False


def _joined(text: str, place: int) -> bool:
    """Whether the characters before and after this place are of one word."""
    return 0 < place < len(text) and _in_word(text[place - 1]) and _in_word(text[place])


def _in_word(character: str) -> bool:
    if character != "_" and unicodedata.category(character)[0] not in "LNM":
        return False
    return not unicodedata.name(character, "").startswith(_UNSPACED)


def _written(number: int | float) -> str:
    # A whole number may be longer than float64 can hold.
    return f"{number:.12g}" if abs(number) < 1e300 else "a number of over 300 digits"
