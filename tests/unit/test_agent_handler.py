"""An agent's answers through a scripted model: every format, every abstention, and what goes with
an answer.
"""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from comitia.effects import Recorded
from comitia.errors import Overloaded, Poison, Retryable
from comitia.testing import ManualClock, ScriptedModel
from comitia.v1.answer_pb2 import AbstentionReason, Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.format_pb2 import (
    AnswerFormat,
    ChoiceFormat,
    JsonFormat,
    NumberFormat,
    Option,
    RankingFormat,
    TextFormat,
)
from comitia.v1.input_pb2 import Chat, ChatMessage, Input, Reference
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_agent.card import AgentProfile, read_card
from comitia_agent.handler import Agent

OPTIONS = [Option(id="positive"), Option(id="negative")]
CHOICE = AnswerFormat(choice=ChoiceFormat(options=OPTIONS))
ABC = [Option(id=name) for name in "abc"]
WRITER = {"item": "Q: {input}\nA:", "tokens_max": 4, "stop": ["\n"]}


def profile(folder: Path, skill: object) -> AgentProfile:
    card = {"name": "anna", "version": 1, "description": "A test.", "model": "scripted"}
    path = folder / "anna.yaml"
    path.write_text(yaml.safe_dump({**card, "skills": {"s": skill}}), encoding="utf-8")
    return read_card(path)


def recorded(
    answer_format: AnswerFormat, text: str = "A joy.", **task: Any
) -> Recorded[Assignment]:
    asked: dict[str, Any] = {
        "id": "t1",
        "skill": "s",
        "input": Input(text=text),
        "format": answer_format,
        **task,
    }
    assignment = Assignment(
        id="p.0.0.1", agent="anna", round=1, task=Task(**asked), deadline_ms=99_000,
        reply_topic="comitia.panel-events.v1", reply_partition=3,
    )  # fmt: skip
    return Recorded(assignment, "inbox", 0, 7, append_ms=1_000)


def agent(folder: Path, skill: object, model: ScriptedModel, bytes_max: int = 10_000) -> Agent:
    return Agent(profile(folder, skill), model, ManualClock(1_250), bytes_max)


def reason(answer: Answer) -> str:
    assert answer.WhichOneof("outcome") == "abstention"
    return AbstentionReason.Name(answer.abstention.reason).removeprefix("ABSTENTION_REASON_")


CHOOSE = {"choice": {"item": "R: {input}", "words": {"positive": "good", "negative": "bad"}}}


async def test_a_choice_is_the_likeliest_option_with_its_probabilities(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[(math.log(0.6), math.log(0.2))])
    answer = await agent(tmp_path, CHOOSE, model).answer(recorded(CHOICE))
    assert answer.value.option_id == "positive"
    chances = {one.option_id: one.probability for one in answer.probabilities}
    assert chances == pytest.approx({"positive": 0.75, "negative": 0.25})
    assert answer.confidence == pytest.approx(0.75)
    assert "positive" in answer.rationale


async def test_an_answer_says_who_made_it_of_what_and_until_when(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[(0.0, -1.0)])
    answer = await agent(tmp_path, CHOOSE, model).answer(recorded(CHOICE))
    assert (answer.assignment_id, answer.agent, answer.deadline_ms) == ("p.0.0.1", "anna", 99_000)
    assert (answer.model.name, answer.model.digest) == (model.name, model.digest)
    assert answer.timings.queued_ms == 250
    assert answer.usage.prompt_tokens > 0


async def test_the_answer_goes_where_the_assignment_says(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[(0.0, -1.0)])
    (publish,) = await agent(tmp_path, CHOOSE, model).handle(recorded(CHOICE, root_id="r0"))
    event = publish.message
    assert isinstance(event, PanelEvent)
    assert (publish.topic, publish.partition) == ("comitia.panel-events.v1", 3)
    assert (publish.key, event.task_id) == ("r0", "t1")
    assert event.answer.value.option_id == "positive"


async def test_a_bias_of_the_card_moves_the_threshold_of_just_these_options(tmp_path: Path) -> None:
    calibration = {"bias": {"positive": -1.0, "negative": 1.0}, "source": "a test"}
    skill = {"choice": {**CHOOSE["choice"], "calibration": calibration}}
    model = ScriptedModel(scores=[(0.5, 0.0)])
    biased = agent(tmp_path, skill, model)
    assert (await biased.answer(recorded(CHOICE))).value.option_id == "negative"
    other = AnswerFormat(choice=ChoiceFormat(options=[Option(id="positive"), Option(id="neither")]))
    assert (await biased.answer(recorded(other))).value.option_id == "positive"


async def test_content_free_calibration_subtracts_what_an_empty_input_gives(tmp_path: Path) -> None:
    skill = {"choice": {"item": "R: {input}", "calibration": {"content_free": ["N/A"]}}}

    def scores(prompt: str, options: object) -> tuple[float, float]:
        return (5.0, 0.0) if prompt.endswith("N/A") else (5.5, 1.0)

    model = ScriptedModel(scores=scores)
    one = agent(tmp_path, skill, model)
    assert (await one.answer(recorded(CHOICE))).value.option_id == "negative"
    await one.answer(recorded(CHOICE))
    assert [prompt for _, prompt in model.calls].count("R: N/A") == 1


async def test_options_exactly_alike_are_no_answer(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[(-1.0, -1.0)])
    answer = await agent(tmp_path, CHOOSE, model).answer(recorded(CHOICE))
    assert reason(answer) == "UNDECIDED"


async def test_a_ranking_orders_by_likelihood_and_ties_share_a_tier(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[(-2.0, -1.0, -2.0)])
    asked = AnswerFormat(ranking=RankingFormat(options=ABC))
    answer = await agent(tmp_path, CHOOSE, model).answer(recorded(asked))
    assert [list(tier.option_ids) for tier in answer.value.ranking.tiers] == [["b"], ["a", "c"]]


async def test_text_is_generated_within_the_tokens_of_task_and_card(tmp_path: Path) -> None:
    model = ScriptedModel(texts=["one two three four five six"])
    one = agent(tmp_path, {"text": WRITER}, model)
    short = await one.answer(recorded(AnswerFormat(text=TextFormat(tokens_max=2))))
    assert short.value.text == "one two"
    long = await one.answer(recorded(AnswerFormat(text=TextFormat(tokens_max=100))))
    assert long.value.text == "one two three four"
    assert "cut at 4 tokens" in long.rationale


@pytest.mark.parametrize(
    ("written", "number"),
    [("About 1,250.5 km", 1250.5), ("-3", -3.0), ("2e3 it is", 2000.0), ("7 of 10", 7.0)],
)
async def test_a_number_is_the_first_that_was_written(
    tmp_path: Path, written: str, number: float
) -> None:
    one = agent(tmp_path, {"number": WRITER}, ScriptedModel(texts=[written]))
    answer = await one.answer(recorded(AnswerFormat(number=NumberFormat())))
    assert answer.value.number == number


@pytest.mark.parametrize("written", ["none at all", "12", "", "9" * 400])
async def test_no_number_or_one_out_of_bounds_is_undecided(tmp_path: Path, written: str) -> None:
    one = agent(tmp_path, {"number": WRITER}, ScriptedModel(texts=[written]))
    answer = await one.answer(recorded(AnswerFormat(number=NumberFormat(min=0, max=10))))
    assert reason(answer) == "UNDECIDED"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Poison("3000 tokens of 2048", "TOO_LONG"), "TOO_LONG"),
        (Poison("broken", "POISON"), "FAILED"),
    ],
)
async def test_a_failing_model_abstains_with_the_reason(
    tmp_path: Path, error: Exception, expected: str
) -> None:
    answer = await agent(tmp_path, CHOOSE, ScriptedModel(scores=[error])).answer(recorded(CHOICE))
    assert reason(answer) == expected
    assert answer.abstention.detail == str(error)
    assert answer.assignment_id == "p.0.0.1"


@pytest.mark.parametrize("scores", [(math.nan, 0.0), (math.inf, 0.0)])
async def test_likelihoods_that_are_no_numbers_are_a_failure(
    tmp_path: Path, scores: tuple[float, float]
) -> None:
    answer = await agent(tmp_path, CHOOSE, ScriptedModel(scores=[scores])).answer(recorded(CHOICE))
    assert reason(answer) == "FAILED"


@pytest.mark.parametrize("error", [Retryable("away"), Overloaded("full")])
async def test_passing_faults_are_left_to_the_runtime(tmp_path: Path, error: Exception) -> None:
    one = agent(tmp_path, CHOOSE, ScriptedModel(scores=[error]))
    with pytest.raises(type(error)):
        await one.answer(recorded(CHOICE))


@pytest.mark.parametrize(
    "changed",
    [
        {"format": AnswerFormat(json=JsonFormat(schema="{}"))},
        {"format": AnswerFormat(text=TextFormat())},
        {"format": AnswerFormat()},
        {"skill": "unknown"},
        {"input": Input(reference=Reference(uri="https://example.org/a"))},
    ],
)
async def test_what_the_card_does_not_offer_is_unsupported(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    one = agent(tmp_path, CHOOSE, ScriptedModel(scores=[(0.0, -1.0)]))
    answer = await one.answer(recorded(**{"answer_format": CHOICE, **_format_apart(changed)}))
    assert reason(answer) == "UNSUPPORTED"


def _format_apart(changed: dict[str, Any]) -> dict[str, Any]:
    return {"answer_format" if key == "format" else key: value for key, value in changed.items()}


async def test_an_answer_beyond_the_limit_is_given_up_for_a_letter_to_tell(tmp_path: Path) -> None:
    model = ScriptedModel(texts=["word " * 4])
    one = agent(tmp_path, {"text": WRITER}, model, bytes_max=20)
    with pytest.raises(Poison, match="bytes of 20") as caught:
        await one.answer(recorded(AnswerFormat(text=TextFormat())))
    assert caught.value.reason == "TOO_LARGE"


async def test_a_conversation_is_read_as_lines(tmp_path: Path) -> None:
    model = ScriptedModel(scores=[(0.0, -1.0)])
    chat = Chat(
        messages=[
            ChatMessage(role="user", content="Hi"),
            ChatMessage(role="assistant", content="Yes?"),
        ]
    )
    await agent(tmp_path, CHOOSE, model).answer(recorded(CHOICE, input=Input(chat=chat)))
    assert model.calls[-1][1] == "R: user: Hi\nassistant: Yes?"


NEAREST = {"nearest": {"neighbours": 1, "examples": {"positive": ["joy"], "negative": ["mess"]}}}


async def test_an_encoder_answers_with_the_label_of_the_nearest_examples(tmp_path: Path) -> None:
    model = ScriptedModel(vectors={"joy": (1, 0), "mess": (0, 1), "A joy.": (0.9, 0.1)})
    one = agent(tmp_path, NEAREST, model)
    await one.prepare()
    answer = await one.answer(recorded(CHOICE))
    assert answer.value.option_id == "positive"
    strange = AnswerFormat(choice=ChoiceFormat(options=ABC))
    assert reason(await one.answer(recorded(strange))) == "UNSUPPORTED"


async def test_without_examples_the_options_themselves_are_compared(tmp_path: Path) -> None:
    vectors = {"A pet?": (1, 0), "a small cat": (0.9, 0.1), "steel": (0, 1)}
    options = [Option(id="c", text="a small cat"), Option(id="steel")]
    one = agent(tmp_path, {"nearest": {"neighbours": 1}}, ScriptedModel(vectors=vectors))
    asked = recorded(AnswerFormat(choice=ChoiceFormat(options=options)), "A pet?")
    assert (await one.answer(asked)).value.option_id == "c"
