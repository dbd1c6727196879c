"""Keys under which equal values compare equal: a value of an answer in, a string out.

- text: Unicode NFKC, casefolded, runs of white space become one blank, none at the ends ("  Yes\\n"
  is "yes"). A plurality of such keys is normalise-and-vote, or self-consistency: X. Wang et al.,
  "Self-Consistency Improves Chain of Thought Reasoning in Language Models", ICLR 2023, DOI
  10.48550/arXiv.2203.11171;
- passage: a text that is compared by how it is written: Unicode NFC, white space as above;
- number: 12 significant decimal digits, so that 0.1 + 0.2 is 0.3; -0 is 0; not finite is refused;
- JSON: parsed; members sorted by name, whole numbers exact (1.0 is 1), others as above, strings as
  they are;
- ranking: its tiers in order, each as a set (the order within a tier says nothing).

Each function raises ValueError, with a sentence, when the value cannot be read.
"""

import json
import math
import unicodedata
from collections.abc import Sequence

# Deeper documents are refused rather than left to the interpreter's recursion limit.
JSON_DEPTH_MAX = 64

# Above this float64 does not hold every whole number.
EXACT_MAX = 2.0**53


def text_key(text: str) -> str:
    """ValueError when nothing but white space is left."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _one_line(folded)


def passage_key(text: str) -> str:
    """ValueError as for `text_key`."""
    return _one_line(unicodedata.normalize("NFC", text))


def _one_line(text: str) -> str:
    key = " ".join(text.split())
    if not key:
        raise ValueError("the text is empty")
    return key


def number_key(number: float) -> str:
    """ValueError when it is not finite."""
    if not math.isfinite(number):
        raise ValueError("the number is not finite")
    return f"{number:.12g}" if number else "0"


def ranking_key(tiers: Sequence[Sequence[str]]) -> str:
    """ValueError when a tier is empty or an option stands twice."""
    flat = [option for tier in tiers for option in tier]
    if not flat or any(not tier for tier in tiers):
        raise ValueError("the ranking has an empty tier")
    if len(set(flat)) != len(flat):
        raise ValueError("the ranking names an option twice")
    return json.dumps([sorted(tier) for tier in tiers], separators=(",", ":"))


def json_key(document: str) -> str:
    """ValueError when it is not JSON (RFC 8259), has a fraction beyond float64, or nests deeper
    than 64.
    """
    try:
        parsed = json.loads(document, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError(f"the JSON nests deeper than {JSON_DEPTH_MAX}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"the JSON cannot be read: {error.msg} at {error.pos}") from error
    return json.dumps(_canonical(parsed, 0), sort_keys=True, separators=(",", ":"))


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"the JSON contains {constant}, which is no JSON number")


def _canonical(node: object, depth: int) -> object:
    if depth > JSON_DEPTH_MAX:
        raise ValueError(f"the JSON nests deeper than {JSON_DEPTH_MAX}")
    if isinstance(node, dict):
        return {name: _canonical(member, depth + 1) for name, member in node.items()}
    if isinstance(node, list):
        return [_canonical(member, depth + 1) for member in node]
    if isinstance(node, float):
        # A whole number that float64 holds exactly is the same number with a point and without.
        exact = node.is_integer() and abs(node) <= EXACT_MAX
        rounded = node if exact else float(number_key(node))
        return int(rounded) if rounded.is_integer() else rounded
    return node
