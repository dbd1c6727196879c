"""What an agent writes: JSON kept to the task's schema, sampling and adapters as the card says, and
digests of cards that use none of it.
"""

from pathlib import Path
from typing import Any

import pytest

from comitia.errors import ConfigError, Poison
from comitia.ports import Generation, Prompt, Sampling
from comitia.testing import ScriptedModel
from comitia.v1.format_pb2 import AnswerFormat, FormatKind, JsonFormat, TextFormat
from tests.unit.test_agent_handler import CHOICE, agent, profile, reason, recorded

SCHEMA = '{"type": "object", "properties": {"good": {"type": "boolean"}}, "required": ["good"]}'
JSON = AnswerFormat(json=JsonFormat(schema=SCHEMA))
TEXT = AnswerFormat(text=TextFormat())
WRITER: dict[str, Any] = {"item": "Q: {input}\nA:", "tokens_max": 4}


async def test_json_is_asked_for_by_the_tasks_schema(tmp_path: Path) -> None:
    model = ScriptedModel(texts=['{"good": true}'])
    one = agent(tmp_path, {"json": {**WRITER, "temperature": 0.5}}, model)
    answer = await one.answer(recorded(JSON))
    assert answer.value.json == '{"good": true}'
    assert answer.usage.completion_tokens == 2
    prompt, sampling = model.asked[0]
    assert prompt.prefix + prompt.text == "Q: A joy.\nA:"
    assert (sampling.json_schema, sampling.stop) == (SCHEMA, ())
    assert (sampling.tokens_max, sampling.temperature) == (4, 0.5)
    card = one.profile.message("sha256:a")
    assert list(card.formats) == [FormatKind.FORMAT_KIND_JSON]


@pytest.mark.parametrize(
    ("written", "expected", "told"),
    [
        ('{"good": true, "why": "one two"}', "UNDECIDED", "not complete after 4 tokens"),
        ("good", "UNDECIDED", "no JSON"),
        (Poison("no such keyword: unless", "BAD_CONSTRAINT"), "UNSUPPORTED", "unless"),
        (Poison("3000 tokens of 2048", "TOO_LONG"), "TOO_LONG", "3000"),
    ],
)
async def test_what_is_not_the_json_that_was_asked_for_is_no_answer(
    tmp_path: Path, written: str | Exception, expected: str, told: str
) -> None:
    one = agent(tmp_path, {"json": WRITER}, ScriptedModel(texts=[written]))
    answer = await one.answer(recorded(JSON))
    assert reason(answer) == expected
    assert told in answer.abstention.detail


async def test_a_json_block_has_no_stop_strings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"skills\.s\.json\.stop"):
        profile(tmp_path, {"json": {**WRITER, "stop": ["\n"]}})


async def test_text_is_sampled_as_the_card_says(tmp_path: Path) -> None:
    how = {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1}
    model = ScriptedModel(texts=["fine"])
    one = agent(tmp_path, {"text": {**WRITER, **how, "stop": ["\n"]}}, model)
    await one.answer(recorded(TEXT))
    sampling = model.asked[0][1]
    assert {name: getattr(sampling, name) for name in how} == how
    assert sampling.stop == ("\n",)


@pytest.mark.parametrize(
    ("field", "value"),
    [("top_p", 0), ("top_k", -1), ("min_p", 1), ("repetition_penalty", 0), ("temperature", 3)],
)
def test_sampling_out_of_range_is_refused_by_its_field(
    tmp_path: Path, field: str, value: float
) -> None:
    with pytest.raises(ConfigError, match=rf"skills\.s\.text\.{field}"):
        profile(tmp_path, {"text": {**WRITER, field: value}})


async def test_every_prompt_of_a_block_names_its_adapter(tmp_path: Path) -> None:
    seen: list[Prompt] = []

    class Noting(ScriptedModel):
        async def score(self, prompt: Prompt, options: Any) -> Any:
            seen.append(prompt)
            return await ScriptedModel.score(self, prompt, options)

        async def generate(self, prompt: Prompt, sampling: Sampling) -> Generation:
            seen.append(prompt)
            return await ScriptedModel.generate(self, prompt, sampling)

    model = Noting(scores=[(0.0, -1.0)], texts=["fine"], adapters=("polite", "blunt"))
    blocks = {
        "choice": {"item": "R: {input}", "adapter": "polite"},
        "text": {**WRITER, "adapter": "blunt"},
    }
    one = agent(tmp_path, blocks, model)
    await one.prepare()
    await one.answer(recorded(CHOICE))
    await one.answer(recorded(TEXT))
    assert [prompt.adapter for prompt in seen] == ["polite", "blunt", "polite", "blunt"]


@pytest.mark.parametrize("kind", ["text", "number", "json"])
async def test_what_the_model_cannot_do_is_told_at_the_start(tmp_path: Path, kind: str) -> None:
    block = {**WRITER, "adapter": "polite"}
    with pytest.raises(ConfigError, match="no adapter 'polite'"):
        await agent(tmp_path, {kind: block}, ScriptedModel(texts=["x"])).prepare()
    with pytest.raises(ConfigError, match="cannot generate"):
        await agent(tmp_path, {kind: WRITER}, ScriptedModel()).prepare()


def test_cards_that_use_none_of_the_newer_fields_keep_their_digest(tmp_path: Path) -> None:
    """A digest that moved would refuse to start every agent whose card stands in a log."""
    first = profile(tmp_path, {"text": WRITER, "choice": {"item": "R: {input}"}})
    assert first.digest() == (
        "sha256:f7c74191064f82238fadc9594a101d36acc87a29bc841932d68faa2552ce62de"
    )
    plain = profile(tmp_path, {"text": WRITER}).digest()
    assert profile(tmp_path, {"text": {**WRITER, "top_p": 1.0, "adapter": ""}}).digest() == plain
    for change in ({"adapter": "a"}, {"top_k": 3}, {"min_p": 0.1}, {"repetition_penalty": 1.2}):
        assert profile(tmp_path, {"text": WRITER | change}).digest() != plain, change
    both = profile(tmp_path, {"text": WRITER, "json": WRITER}).digest()
    assert both != plain
