"""What the options of a JSON answer are worth to an agent: the utilities that it negotiates with,
and the answer that it would like best.

Issues are the properties of the task's schema that are enumerations. A card says what their options
are worth; where it does not, and the task's policy negotiates, the model is asked: the utility of
an option is its likelihood as the answer, over that of the likeliest option of the issue. An issue
matters to the agent as much as the utilities of its options differ.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from comitia.policy.schema import properties
from comitia.ports import Model, Usage
from comitia.v1.answer_pb2 import Answer, Utility
from comitia.v1.task_pb2 import Task
from comitia_agent.answers import plus
from comitia_agent.blocks import Written
from comitia_agent.prompts import make_frame

# Issue -> option, as JSON text -> [0, 1].
Worth = dict[str, dict[str, float]]
# Of a schema; what an aggregator reads of one answer is bounded, too.
OPTIONS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Issues:
    """`options`: name of a property -> its values, as JSON text. `whole`: there is nothing else in
    an answer.
    """

    options: Mapping[str, tuple[str, ...]]
    whole: bool


def issues_of(schema: str) -> Issues:
    """Of a JSON schema; none where it cannot be read, or has more options than are told."""
    asked = properties(schema)
    found = {
        name: tuple(_text(option) for option in one["enum"])
        for name, one in asked.items()
        if isinstance(one, dict) and isinstance(one.get("enum"), list) and one["enum"]
    }
    if sum(map(len, found.values())) > OPTIONS_MAX:
        return Issues({}, whole=False)
    return Issues(found, whole=len(found) == len(asked) > 0)


def negotiates(task: Task) -> bool:
    """Whether a step of the task's policy asks for utilities."""
    return any(step.HasField("negotiation") for step in task.policy.steps)


def by_card(card: Mapping[str, Mapping[str, float]], issues: Issues) -> Worth:
    """What a card says of these issues. A text is named as it is, other options by their JSON
    text; one that is not named is worth nothing, and an issue that is not named is left out.
    """
    return {
        issue: {option: _named(card[issue], option) for option in options}
        for issue, options in issues.options.items()
        if issue in card
    }


async def by_scores(
    card: Written, model: Model, read: tuple[str, str], issues: Mapping[str, Sequence[str]]
) -> tuple[Worth, Usage]:
    """What the model holds of these issues: max-normalised likelihoods of answers of one property.
    `read`: the input, and the note before the item. Raises whatever the model raises, and
    ValueError for a likelihood that is no number.
    """
    frame = make_frame(card, (), model.render)
    lead = " " if card.style == "completion" else ""
    worth: Worth = {}
    usage = Usage(0, 0, 0)
    for issue, options in issues.items():
        said = [f"{lead}{{{_text(issue)}: {option}}}" for option in options]
        scores = await model.score(frame.fill(*read), said)
        likely = scores.log_likelihoods
        if not all(map(math.isfinite, likely)):
            raise ValueError("the model gave a likelihood that is not a finite number")
        powers = [math.exp(one - max(likely)) for one in likely]
        worth[issue] = dict(zip(options, powers, strict=True))
        usage = plus(usage, scores.usage)
    return worth, usage


def tell(answer: Answer, worth: Worth) -> None:
    """Put the utilities into an answer."""
    answer.utilities.extend(
        Utility(issue=issue, option=option, utility=utility)
        for issue, options in worth.items()
        for option, utility in options.items()
    )


def best(worth: Worth, document: str = "{}") -> str:
    """JSON text of the best option of each issue, in place of what `document` says of it. Of equal
    ones the first of the schema's.
    """
    chosen = {issue: max(options, key=lambda o: options[o]) for issue, options in worth.items()}
    base = json.loads(document)
    if not isinstance(base, dict):
        return document
    return _text(base | {issue: json.loads(option) for issue, option in chosen.items()})


def _named(options: Mapping[str, float], option: str) -> float:
    value = json.loads(option)
    return options.get(value if isinstance(value, str) else option, 0.0)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
