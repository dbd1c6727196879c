"""A second count of the votes, written apart from the services': ballots in, who leads out.

Only plurality is counted again. Equal values are told by keys: an option's id, text without case
and extra white space, a number to twelve digits, a ranking's tiers as sets, JSON by its content.
"""

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PLURALITY = (0, 1)
_KINDS = {
    "choice": "option_id",
    "text": "text",
    "number": "number",
    "ranking": "ranking",
    "json": "json",
}


@dataclass(frozen=True, slots=True)
class Vote:
    """One seat's word; `key` None is an abstention."""

    seat: int
    key: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """`winner` None: nobody leads alone. `quorate`: enough took part."""

    winner: str | None
    quorate: bool


def can_count(panel: Any) -> bool:
    """Whether the panel's method is counted here."""
    policy = panel.task.policy
    pooled = policy.method not in PLURALITY and panel.task.format.WhichOneof("kind") == "choice"
    return not pooled and not policy.steps and not policy.stages


def count(panel: Any, votes: Iterable[Vote]) -> Count:
    """Plurality with the task's quorum: so many ballots where it says a number, else more than
    half of the seats.
    """
    cast = [vote for vote in votes if vote.key is not None]
    tally = Counter(vote.key for vote in cast)
    quorum = panel.task.policy.quorum
    if quorum:
        quorate = len(cast) >= quorum
    else:
        quorate = 2 * len({vote.seat for vote in cast}) > len(panel.seats)
    most = max(tally.values(), default=0)
    leaders = [key for key, number in tally.items() if number == most]
    return Count(leaders[0] if len(leaders) == 1 else None, quorate)


def key_of(outcome: Any, answer_format: Any) -> str | None:
    """The key of what an Answer or a Ballot says; None where that is no vote."""
    if outcome.WhichOneof("outcome") != "value":
        return None
    return key_of_value(outcome.value, answer_format)


def key_of_value(value: Any, answer_format: Any) -> str | None:
    """The key of a Value under the task's format; None when the format does not allow it."""
    asked = answer_format.WhichOneof("kind") or "text"
    if value.WhichOneof("kind") != _KINDS[asked]:
        return None
    if asked == "choice":
        options = {option.id for option in answer_format.choice.options}
        return str(value.option_id) if value.option_id in options else None
    if asked == "text":
        return _text(value.text)
    if asked == "number":
        return _number(value.number, answer_format.number)
    if asked == "ranking":
        return _ranking(value.ranking, answer_format.ranking)
    return _json(value.json)


def _text(text: str) -> str | None:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split()) or None


def _number(number: float, bounds: Any) -> str | None:
    if not math.isfinite(number):
        return None
    if bounds.HasField("min") and number < bounds.min:
        return None
    if bounds.HasField("max") and number > bounds.max:
        return None
    return _digits(number)


def _digits(number: float) -> str:
    return f"{number:.12g}" if number else "0"


def _ranking(ranking: Any, asked: Any) -> str | None:
    tiers = [sorted(tier.option_ids) for tier in ranking.tiers]
    named = [option for tier in tiers for option in tier]
    complete = sorted(named) == sorted(option.id for option in asked.options)
    return repr(tiers) if complete and all(tiers) else None


def _json(document: str) -> str | None:
    try:
        return json.dumps(_canonical(json.loads(document)), sort_keys=True)
    except (ValueError, RecursionError):
        return None


def _canonical(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _canonical(member) for name, member in node.items()}
    if isinstance(node, list):
        return [_canonical(member) for member in node]
    if isinstance(node, float):
        if not math.isfinite(node):
            raise ValueError("not a JSON number")
        rounded = float(_digits(node))
        return int(rounded) if rounded.is_integer() else rounded
    return node
