"""An agent as a judge, through a scripted model: what it is shown, what it picks, and that what it
picks is handed on as it was given.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from comitia.testing import ManualClock, ScriptedModel
from comitia.v1.answer_pb2 import ABSTENTION_REASON_UNSUPPORTED
from comitia.v1.format_pb2 import AnswerFormat, JsonFormat, RankingFormat
from comitia.v1.value_pb2 import Ranking, Tier, Value
from comitia_agent.handler import Agent
from tests.unit.test_agent_deliberation import CARD, NUMBER, TEXT, answered, option, said
from tests.unit.test_agent_handler import ABC, CHOICE, WRITER, profile, recorded

PICK = {"judge": {"item": "{input}\nBest:"}}
TWO = [said(Value(text="Paris"), why="a capital"), said(Value(text="Rome"))]


async def test_a_judge_picks_by_letter_and_hands_the_answer_on_as_it_was(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[[-3.0, -1.0]])
    answer = await answered(tmp_path, PICK, model, TEXT, peers=TWO, role="judge")
    assert answer.value.text == "Rome"
    assert answer.confidence == pytest.approx(0.8808, abs=1e-3)
    assert "picked answer 2 of 2" in answer.rationale
    assert "Answers:\nA: Paris (a capital)\nB: Rome\nBest:" in model.calls[-1][1]


async def test_letters_of_a_choice_become_probabilities_of_options(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[[-1.0, -3.0]])
    peers = [said(option("negative")), said(option("positive"))]
    answer = await answered(tmp_path, PICK, model, CHOICE, peers=peers, role="judge")
    assert answer.value.option_id == "negative"
    chances = {one.option_id: one.probability for one in answer.probabilities}
    assert chances == pytest.approx({"negative": 0.8808, "positive": 0.1192}, abs=1e-3)


async def test_an_agent_that_weighs_options_judges_among_those_answered(tmp_path: Path) -> None:
    three = AnswerFormat()
    three.CopyFrom(CHOICE)
    three.choice.options.add(id="mixed")
    model = ScriptedModel(scores=[[-3.0, -2.0, -0.1]])
    peers = [said(option("negative")), said(option("positive"))]
    answer = await answered(tmp_path, CARD, model, three, peers=peers, role="judge")
    assert answer.value.option_id == "negative", "mixed was answered by nobody"


async def test_a_judge_that_may_write_writes(tmp_path: Path) -> None:
    model = ScriptedModel(texts=["Lyon"])
    answer = await answered(
        tmp_path, {"text": WRITER}, model, TEXT, peers=TWO, role="judge", may_write=True
    )
    assert answer.value.text == "Lyon"
    assert "- Paris, because a capital\n- Rome" in model.calls[-1][1]


async def test_a_writer_judges_by_how_likely_it_would_write_each(tmp_path: Path) -> None:
    def scores(prompt: str, options: Sequence[str]) -> list[float]:
        assert prompt == (
            "Answers to what follows:\n- Paris (a capital)\n- Rome\nPick the right one.\n\n"
            "Q: A joy.\nA:"
        )
        assert list(options) == [" Paris\n\n", " Rome\n\n"]
        return [-6.0, -2.0]

    model = ScriptedModel(scores=scores)
    answer = await answered(tmp_path, {"text": WRITER}, model, TEXT, peers=TWO, role="judge")
    assert answer.value.text == "Rome"
    assert "by the likelihood of its words" in answer.rationale
    assert not answer.probabilities


async def test_the_order_is_the_one_that_was_given(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[[-1.0, -3.0]])
    for peers, first in ((TWO, "Paris"), (TWO[::-1], "Rome")):
        answer = await answered(tmp_path, {"text": WRITER}, model, TEXT, peers=peers, role="judge")
        assert answer.value.text == first


JSON = AnswerFormat(json=JsonFormat(schema=json.dumps({"type": "object"})))
RANKED = AnswerFormat(ranking=RankingFormat(options=ABC))
ORDERS = [
    Value(ranking=Ranking(tiers=[Tier(option_ids=[o]) for o in order])) for order in ("abc", "cab")
]


@pytest.mark.parametrize(
    ("asked", "values"),
    [
        (NUMBER, [Value(number=1.25), Value(number=1e30)]),
        (JSON, [Value(json='{"a":  1}'), Value(json='{"b": [2]}')]),
        (RANKED, ORDERS),
    ],
)
async def test_what_is_picked_is_copied_exactly(
    tmp_path: Path, asked: AnswerFormat, values: list[Value]
) -> None:
    peers = [said(value) for value in values]
    model = ScriptedModel(scores=[[-3.0, -1.0]])
    answer = await answered(tmp_path, PICK, model, asked, peers=peers, role="judge")
    assert answer.value == values[1]
    assert answer.confidence == pytest.approx(0.8808, abs=1e-3)


async def test_who_cannot_judge_says_so(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[[-1.0, -3.0]])
    other = await answered(tmp_path, CARD, model, TEXT, peers=TWO, role="judge")
    assert other.abstention.reason == ABSTENTION_REASON_UNSUPPORTED
    alone = await answered(tmp_path, PICK, model, TEXT, peers=TWO[:1], role="judge")
    assert "no two answers" in alone.abstention.detail


async def test_a_judge_of_another_skill_judges_by_that(tmp_path: Path) -> None:
    card = profile(tmp_path, PICK)
    judge = card.model_copy(update={"skills": {"pick": card.skills["s"]}})
    model = ScriptedModel(scores=lambda prompt, options: [-3.0, -1.0][: len(options)])
    agent = Agent(judge, model, ManualClock(), 10_000)
    await agent.prepare()
    record = recorded(TEXT)
    record.message.role, record.message.step = "judge", "court"
    for seat, answer in enumerate(TWO):
        record.message.peers.add(seat=seat, round=1, answer=answer)
    assert (await agent.answer(record)).HasField("abstention"), "it has no skill of the task's name"
    step = record.message.task.policy.steps.add(name="court")
    step.judge.skill = "pick"
    assert (await agent.answer(record)).value.text == "Rome"
    record.message.tokens_max = 1
    assert "the prompt alone has 1 tokens" in (await agent.answer(record)).abstention.detail
