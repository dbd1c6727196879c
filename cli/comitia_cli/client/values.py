"""Values as people and files write them: what `feedback` says was right; and whether two values are
the same.

In: the kind that a decision's ballots have, and a text or a JSON value. Out: a Value, or ValueError
with a sentence that shows how to write one.
"""

import json
import math
from collections.abc import Sequence

from comitia.consensus.keys import json_key, ranking_key, text_key
from comitia.v1.value_pb2 import Ranking, Tier, Value
from comitia_learner.judging import NUMBER_TOLERANCE


def value_of(kind: str, given: object) -> Value:
    """`kind`: of Value's oneof. `given`: a text, or what JSON makes of a file's value.

    An option's id and a text stand for themselves, a number as 1.5, a ranking as "a > b = c" or as
    a list (of lists, where options share a rank), a JSON document as its text or as itself.
    ValueError otherwise.
    """
    if kind == "json":
        return Value(json=given if isinstance(given, str) else json.dumps(given))
    if kind == "ranking":
        return Value(ranking=_ranking(given))
    if kind == "number":
        return Value(number=_number(given))
    text = _text(given)
    return Value(option_id=text.strip()) if kind == "option_id" else Value(text=text)


def same(one: Value, other: Value) -> bool:
    """Whether two values count as the same answer, numbers within the learner's tolerance."""
    kind = one.WhichOneof("kind")
    if kind != other.WhichOneof("kind"):
        return False
    if kind == "number":
        return math.isclose(one.number, other.number, rel_tol=NUMBER_TOLERANCE)
    try:
        return _key(one) == _key(other)
    except ValueError:
        # What cannot be read is the same as nothing but itself.
        return one == other


def _key(value: Value) -> str:
    kind = value.WhichOneof("kind")
    if kind == "ranking":
        return ranking_key([list(tier.option_ids) for tier in value.ranking.tiers])
    if kind == "json":
        return json_key(value.json)
    return text_key(value.text) if kind == "text" else value.option_id


def _text(given: object) -> str:
    """Labels are often written as numbers: 1 is "1"."""
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise ValueError(f'{json.dumps(given)} is no text: write "..."')
    text = str(given)
    if not text.strip():
        raise ValueError("the right value is empty")
    return text


def _number(given: object) -> float:
    if isinstance(given, str | int | float) and not isinstance(given, bool):
        try:
            number = float(given)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError(f"{given!r} is no number: write 42 or 1.5")


def _ranking(given: object) -> Ranking:
    tiers: Sequence[object]
    if isinstance(given, str):
        tiers = [[one.strip() for one in tier.split("=")] for tier in given.split(">")]
    elif isinstance(given, list):
        tiers = [tier if isinstance(tier, list) else [tier] for tier in given]
    else:
        tiers = []
    named = [[_option(one) for one in tier] for tier in tiers if isinstance(tier, list)]
    if not named or not all(tier and all(tier) for tier in named):
        raise ValueError(f'{given!r} is no ranking: write "a > b = c"')
    return Ranking(tiers=[Tier(option_ids=tier) for tier in named])


def _option(given: object) -> str:
    return given.strip() if isinstance(given, str) else ""
