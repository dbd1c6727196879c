"""What options are worth to an agent: by its card, by its model, and the JSON answer made of it."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from comitia.effects import Recorded
from comitia.errors import ConfigError
from comitia.testing import ManualClock, ScriptedModel
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.format_pb2 import AnswerFormat, FormatKind, JsonFormat
from comitia.v1.policy_pb2 import Policy
from comitia_agent.card import read_card
from comitia_agent.handler import Agent
from comitia_agent.utilities import issues_of
from tests.unit.test_agent_handler import profile, reason, recorded

TRIP = {
    "type": "object",
    "properties": {
        "place": {"enum": ["sea", "hills"]},
        "nights": {"enum": [3, 7, 14]},
    },
    "required": ["place", "nights"],
}
WORTH = {"place": {"sea": 1.0, "hills": 0.25}, "nights": {"7": 0.5, "14": 0.75}}
JSON = {"item": "Trip: {input}\nJSON:", "tokens_max": 40}


def negotiating() -> Policy:
    policy = Policy()
    policy.steps.add().negotiation.SetInParent()
    return policy


def asked(schema: dict[str, Any] = TRIP, **task: Any) -> Recorded[Assignment]:
    return recorded(AnswerFormat(json=JsonFormat(schema=json.dumps(schema))), **task)


def told(answer: Answer) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for one in answer.utilities:
        found.setdefault(one.issue, {})[one.option] = one.utility
    return found


def agent(folder: Path, skill: object, model: ScriptedModel) -> Agent:
    return Agent(profile(folder, skill), model, ManualClock(), 10_000)


async def test_a_card_with_utilities_answers_with_what_it_likes_best(tmp_path: Path) -> None:
    model = ScriptedModel()
    one = agent(tmp_path, {"utilities": WORTH}, model)
    answer = await one.answer(asked())
    assert json.loads(answer.value.json) == {"place": "sea", "nights": 14}
    assert told(answer) == {
        "place": {'"sea"': 1.0, '"hills"': 0.25},
        "nights": {"3": 0.0, "7": 0.5, "14": 0.75},
    }
    assert not model.calls, "what the card says needs no model"
    assert FormatKind.FORMAT_KIND_JSON in one.profile.message(model.digest).formats


async def test_without_a_card_s_word_the_model_s_likelihoods_are_utilities(tmp_path: Path) -> None:
    def scores(prompt: str, options: Sequence[str]) -> list[float]:
        assert prompt.endswith("Trip: A joy.\nJSON:")
        likely = {"sea": 0.2, "hills": 0.4, "3": 0.1, "7": 0.3, "14": 0.03}
        return [math.log(likely[str(*json.loads(option).values())]) for option in options]

    model = ScriptedModel(scores=scores)
    answer = await agent(tmp_path, {"json": JSON}, model).answer(asked(policy=negotiating()))
    assert json.loads(answer.value.json) == {"place": "hills", "nights": 7}
    assert told(answer)["place"] == pytest.approx({'"sea"': 0.5, '"hills"': 1.0})
    assert told(answer)["nights"] == pytest.approx({"3": 1 / 3, "7": 1.0, "14": 0.1})
    assert "by likelihood" in answer.rationale
    assert answer.usage.prompt_tokens == 8, "two issues, four words each"


async def test_where_nobody_negotiates_the_model_is_not_asked_what_options_are_worth(
    tmp_path: Path,
) -> None:
    model = ScriptedModel(texts=['{"place": "sea", "nights": 3}'])
    answer = await agent(tmp_path, {"json": JSON}, model).answer(asked())
    assert json.loads(answer.value.json) == {"place": "sea", "nights": 3}
    assert not answer.utilities
    assert [verb for verb, _ in model.calls] == ["generate"]


async def test_what_is_no_issue_is_written_and_issues_are_what_the_card_likes(
    tmp_path: Path,
) -> None:
    schema = {**TRIP, "properties": {**TRIP["properties"], "why": {"type": "string"}}}  # type: ignore[dict-item]
    written = '{"place": "hills", "nights": 3, "why": "air"}'
    model = ScriptedModel(texts=[written])
    skill = {"json": JSON, "utilities": {"place": WORTH["place"]}}
    answer = await agent(tmp_path, skill, model).answer(asked(schema))
    assert json.loads(answer.value.json) == {"place": "sea", "nights": 3, "why": "air"}
    assert set(told(answer)) == {"place"}
    assert "of place the best option by the utilities of its card" in answer.rationale
    alone = await agent(tmp_path, {"utilities": WORTH}, ScriptedModel()).answer(asked(schema))
    assert reason(alone) == "UNSUPPORTED"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"properties": {"place": {"enum": [*range(1_001)]}}},
        {"properties": {"place": {"type": "string"}}},
    ],
)
async def test_schemas_without_issues_are_written_as_ever(
    tmp_path: Path, schema: dict[str, Any]
) -> None:
    model = ScriptedModel(texts=['{"place": "x"}'])
    one = agent(tmp_path, {"json": JSON, "utilities": WORTH}, model)
    answer = await one.answer(asked(schema, policy=negotiating()))
    assert answer.value.json == '{"place": "x"}'
    assert not answer.utilities


def test_a_schema_that_cannot_be_read_has_no_issues() -> None:
    for schema in ("", "{", "[1]", "[" * 100_000, '{"properties": 7}'):
        assert not issues_of(schema).options


def test_a_utility_beyond_one_is_refused_and_cards_without_keep_their_digest(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match=r"skills.s.utilities.place.sea.*less than or equal to 1"):
        profile(tmp_path, {"utilities": {"place": {"sea": 1.5}}})
    plain = profile(tmp_path, {"json": JSON})
    assert "utilities" not in plain.model_dump(mode="json")["skills"]["s"]
    assert plain.digest() == read_card(tmp_path / "anna.yaml").digest()
    assert plain.digest() != profile(tmp_path, {"json": JSON, "utilities": WORTH}).digest()
