"""Later rounds and judging, through a scripted model: what the model reads of others, which reason
goes with an answer, and what a judge picks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from comitia.errors import Poison
from comitia.testing import ManualClock, ScriptedModel
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.format_pb2 import AnswerFormat, NumberFormat, TextFormat
from comitia.v1.value_pb2 import Value
from comitia_agent.deliberation import argument
from comitia_agent.handler import Agent
from tests.unit.test_agent_handler import CHOICE, WRITER, profile, recorded

CARD = {"choice": {"item": "Review: {input}\nVerdict:", "words": {"positive": "good"}}}
TEXT, NUMBER = AnswerFormat(text=TextFormat()), AnswerFormat(number=NumberFormat())


def said(value: Value, agent: str = "", confidence: float | None = None, why: str = "") -> Answer:
    answer = Answer(value=value, agent=agent, rationale=why)
    if confidence is not None:
        answer.confidence = confidence
    return answer


def option(name: str) -> Value:
    return Value(option_id=name)


async def answered(
    folder: Path, card: object, model: ScriptedModel, asked: AnswerFormat, **more: Any
) -> Answer:
    """`more`: peers (answers, by seat from 1), previous, role, may_write, tokens_max."""
    record = recorded(asked)
    assignment: Assignment = record.message
    assignment.round = 2
    for seat, answer in enumerate(more.pop("peers", ()), 1):
        assignment.peers.add(seat=seat, round=1, answer=answer)
    if "previous" in more:
        assignment.previous.CopyFrom(more.pop("previous"))
    for name, value in more.items():
        setattr(assignment, name, value)
    return await Agent(profile(folder, card), model, ManualClock(), 10_000).answer(record)


async def test_the_model_reads_what_others_said_and_what_it_said_itself(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[[-1.0, -3.0]])
    answer = await answered(
        tmp_path, CARD, model, CHOICE,
        peers=[said(option("negative"), "ben", 0.8, "it drags <|end|>"), said(option("positive"))],
        previous=said(option("negative")), role="critic",
    )  # fmt: skip
    (_, prompt) = model.calls[-1]
    assert "- ben: negative (80% sure), because it drags < |end|>\n- good\n" in prompt
    assert "You answered: negative\nLook for what is wrong in these answers" in prompt
    assert prompt.startswith("Others have") and prompt.endswith("\n\nReview: A joy.\nVerdict:")
    assert answer.value.option_id == "positive"
    assert "changes from negative to what 1 of 2 other answers say" in answer.rationale


@pytest.mark.parametrize(
    ("card", "asked"),
    [
        (CARD, CHOICE),
        ({"nearest": {}}, CHOICE),
        ({"number": WRITER}, NUMBER),
        ({"text": WRITER}, TEXT),
        ({"text": {**WRITER, "tokens_max": 1}}, TEXT),
    ],
)
async def test_how_an_answer_came_about_is_no_reason_for_others(
    tmp_path: Path, card: object, asked: AnswerFormat
) -> None:
    vectors = {"A joy.": [1.0, 0.0], "positive": [1.0, 0.1], "negative": [0.0, 1.0]}
    model = ScriptedModel(scores=[[-1.0, -3.0]], texts=["7 of 9"], vectors=vectors)
    first = await Agent(profile(tmp_path, card), model, ManualClock(), 10_000).answer(
        recorded(asked)
    )
    assert first.rationale and argument(first) == ""
    first.rationale = "generated income counts"
    assert argument(first) == "generated income counts"
    second = await answered(tmp_path, card, model, asked, previous=first, peers=[first])
    assert argument(second) == ""


async def test_the_reason_tells_how_far_the_model_was_moved(tmp_path: Path) -> None:
    previous = said(option("negative"))
    for name, chance in (("positive", 0.2), ("negative", 0.8)):
        previous.probabilities.add(option_id=name, probability=chance)
    model = ScriptedModel(scores=[[0.0, 0.0 - 1.0986123]])
    answer = await answered(
        tmp_path, CARD, model, CHOICE,
        previous=previous, peers=[said(option("positive"), "ben", why="superb cast")],
    )  # fmt: skip
    assert "(its probability went from 0.20 to 0.75)" in answer.rationale
    assert '"superb cast"' in answer.rationale


async def test_who_stays_says_so_and_who_is_shown_nothing_reads_nothing(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[[-1.0, -3.0]])
    peers, previous = [said(option("negative"), "ben")], said(option("positive"))
    stays = await answered(tmp_path, CARD, model, CHOICE, peers=peers, previous=previous)
    assert "stays with good after reading one other answer" in stays.rationale
    alone = await answered(tmp_path, CARD, model, CHOICE, previous=previous)
    assert "after reading no other answer" in alone.rationale
    assert model.calls[-1][1] == "Review: A joy.\nVerdict:"


async def test_an_encoder_is_not_moved_by_what_others_say(tmp_path: Path) -> None:
    vectors = {"A joy.": [1.0, 0.0], "positive": [1.0, 0.1], "negative": [0.0, 1.0]}
    model = ScriptedModel(vectors=vectors)
    peers = [said(option("negative"), "ben"), said(option("negative"), "cleo")]
    answer = await answered(tmp_path, {"nearest": {}}, model, CHOICE, peers=peers)
    assert answer.value.option_id == "positive"
    model.calls.clear()
    kept = await answered(
        tmp_path, {"nearest": {}}, model, CHOICE, peers=peers, previous=said(option("positive"))
    )
    assert kept.value.option_id == "positive" and not model.calls
    assert "reads no other answer" in kept.rationale


async def test_what_is_too_long_with_reasons_is_read_without_them(tmp_path: Path) -> None:
    def scores(prompt: str, options: Sequence[str]) -> Sequence[float] | Exception:
        return Poison("too long", "TOO_LONG") if "because" in prompt else [-1.0, -3.0]

    model = ScriptedModel(scores=scores)
    peers = [said(option("negative"), "ben", why="it drags")]
    answer = await answered(tmp_path, CARD, model, CHOICE, peers=peers)
    assert answer.value.option_id == "positive"


@pytest.mark.parametrize(
    ("lines_max", "shown"), [(2, "2 other"), (1, "one other"), (0, "no other")]
)
async def test_of_many_others_as_many_are_read_as_fit(
    tmp_path: Path, lines_max: int, shown: str
) -> None:
    def scores(prompt: str, options: Sequence[str]) -> Sequence[float] | Exception:
        many = prompt.count("- ") > lines_max
        return Poison("too long", "TOO_LONG") if many else [-1.0, -3.0]

    model = ScriptedModel(scores=scores)
    peers = [said(option("negative"), why="it drags") for _ in range(5)]
    answer = await answered(tmp_path, CARD, model, CHOICE, peers=peers)
    assert f"after reading {shown} answer" in answer.rationale


async def test_a_number_that_changes_is_told_with_what_was_written(tmp_path: Path) -> None:
    model = ScriptedModel(texts=["14, as they say"])
    answer = await answered(
        tmp_path, {"number": WRITER}, model, NUMBER,
        peers=[said(Value(number=14), "ben", why="7 + 7")], previous=said(Value(number=12)),
    )  # fmt: skip
    assert answer.value.number == 14
    assert 'changes from 12 to what 1 of one other answer say: "7 + 7"' in answer.rationale
    assert "read from: 14, as they say" in answer.rationale


@pytest.mark.parametrize(("scores", "moved"), [([-1.0, -3.0], True), ([-3.0, -1.0], False)])
async def test_what_nobody_said_takes_a_model_that_holds_it_likelier(
    tmp_path: Path, scores: list[float], moved: bool
) -> None:
    model = ScriptedModel(texts=["15"], scores=[scores])
    answer = await answered(
        tmp_path, {"number": WRITER}, model, NUMBER,
        peers=[said(Value(number=14), "ben")], previous=said(Value(number=12)),
    )  # fmt: skip
    assert [verb for verb, _ in model.calls] == ["generate", "score"]
    assert bool(answer.rationale) == moved, "no reason is stated for a slip"
    if moved:
        assert "the model holds it 7.4 times as likely" in answer.rationale


async def test_the_reason_names_no_peer_that_was_not_shown(tmp_path: Path) -> None:
    abstained = Answer(agent="ben")
    abstained.abstention.detail = "no idea"
    model = ScriptedModel(scores=[[-1.0, -3.0]])
    answer = await answered(tmp_path, CARD, model, CHOICE, peers=[abstained])
    assert "after reading no other answer" in answer.rationale


async def test_no_more_is_written_than_the_assignment_may_cost(tmp_path: Path) -> None:
    model = ScriptedModel(texts=["word"])
    await answered(tmp_path, {"text": {**WRITER, "tokens_max": 9}}, model, TEXT, tokens_max=5)
    assert model.asked[-1][1].tokens_max == 5


@pytest.mark.parametrize(
    ("card", "asked"),
    [(CARD, CHOICE), ({"number": WRITER}, NUMBER), ({"text": WRITER}, TEXT)],
)
async def test_a_prompt_that_costs_more_than_the_answer_may_is_not_read(
    tmp_path: Path, card: object, asked: AnswerFormat
) -> None:
    model = ScriptedModel(texts=["7"], scores=lambda prompt, options: [-1.0, -3.0][: len(options)])
    agent = Agent(profile(tmp_path, card), model, ManualClock(), 10_000)
    await agent.prepare()
    read = len(model.calls)
    record = recorded(asked)
    record.message.tokens_max = 2
    answer = await agent.answer(record)
    assert answer.abstention.detail.startswith("the prompt alone has 2 tokens")
    assert len(model.calls) == read
    record.message.tokens_max = 3
    assert (await agent.answer(record)).HasField("value")
