"""From a Value and the task's format to the key under which equal values compare equal, and back.

Comes in: a value of an answer and the format that it should have. Goes out: a key of
`comitia.consensus.keys`, or ValueError with a sentence when the value is not what the format asks
for; such an answer is an abstention. Back from a key comes the value that it stands for, as no
ballot has written it.
"""

import json
from collections.abc import Sequence

from comitia.consensus.keys import json_key, number_key, passage_key, ranking_key, text_key
from comitia.methods import VALUE_KINDS
from comitia.v1.format_pb2 import AnswerFormat, NumberFormat, Option
from comitia.v1.value_pb2 import Ranking, Tier, Value


def key_of(value: Value, answer_format: AnswerFormat, *, as_written: bool = False) -> str:
    """`as_written`: texts that differ in case alone differ. ValueError says what is wrong with the
    value.
    """
    asked = answer_format.WhichOneof("kind") or "text"
    given = value.WhichOneof("kind")
    wanted = VALUE_KINDS[asked]
    if given != wanted:
        raise ValueError(f"the answer holds {given or 'no value'}, the task asks for {wanted}")
    if asked == "choice":
        if value.option_id not in [option.id for option in answer_format.choice.options]:
            raise ValueError(f"{value.option_id[:128]!r} is none of the options")
        return value.option_id
    if asked == "number":
        _within(value.number, answer_format.number)
        return number_key(value.number)
    if asked == "ranking":
        tiers = [list(tier.option_ids) for tier in value.ranking.tiers]
        options = {option.id for option in answer_format.ranking.options}
        if {option for tier in tiers for option in tier} != options:
            raise ValueError("the ranking does not hold exactly the task's options")
        return ranking_key(tiers)
    if asked == "json":
        return json_key(value.json)
    return passage_key(value.text) if as_written else text_key(value.text)


def options_of(answer_format: AnswerFormat) -> Sequence[Option]:
    """What there is to choose from, or to rank; nothing where answers are free."""
    if answer_format.WhichOneof("kind") == "ranking":
        return answer_format.ranking.options
    return answer_format.choice.options


def value_of(key: str, answer_format: AnswerFormat) -> Value:
    """The value of a key of this format."""
    asked = answer_format.WhichOneof("kind") or "text"
    if asked == "number":
        return Value(number=float(key))
    if asked == "ranking":
        return Value(ranking=Ranking(tiers=[Tier(option_ids=tier) for tier in json.loads(key)]))
    if asked == "choice":
        return Value(option_id=key)
    return Value(json=key) if asked == "json" else Value(text=key)


def _within(number: float, bounds: NumberFormat) -> None:
    if bounds.HasField("min") and number < bounds.min:
        raise ValueError(f"{number:.12g} is below the minimum {bounds.min:.12g}")
    if bounds.HasField("max") and number > bounds.max:
        raise ValueError(f"{number:.12g} is above the maximum {bounds.max:.12g}")
