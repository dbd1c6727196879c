"""Vectors that go with an agent's answers: of what, by whom, and what happens to long texts."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from comitia.errors import ConfigError, Poison
from comitia.ports import Embeddings
from comitia.testing import ManualClock, ScriptedModel
from comitia_agent.card import read_cards
from comitia_agent.handler import Agent
from tests.unit.test_agent_handler import CHOICE, CHOOSE, profile, recorded

INPUT = "A joy."


class Encoder(ScriptedModel):
    """Embeds a text as (its length, 1), up to `characters_max`; notes the texts."""

    characters_max = 10_000

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        for text in texts:
            if len(text) > self.characters_max:
                raise Poison(f"{len(text)} characters", "TOO_LONG")
        self.vectors = {text: (float(len(text)), 1.0) for text in texts}
        return await super().embed(texts)


async def test_an_answer_carries_vectors_of_itself_and_of_the_input(tmp_path: Path) -> None:
    model, encoder = ScriptedModel(scores=[(-1.0, -3.0)]), Encoder(name="minilm")
    one = Agent(profile(tmp_path, CHOOSE), model, ManualClock(), 10_000, encoder)
    answer = await one.answer(recorded(CHOICE, INPUT))
    texts = [text for _, text in encoder.calls]
    assert texts == [f"good\n{answer.rationale}", INPUT]
    assert (answer.embedding.embedder, answer.input_embedding.embedder) == ("minilm", "minilm")
    assert sum(x * x for x in answer.embedding.vector) == pytest.approx(1.0)
    assert list(answer.input_embedding.vector) == pytest.approx([6 / 37**0.5, 1 / 37**0.5])
    spent = sum(len(text.split()) for text in texts)
    assert answer.usage.prompt_tokens == len(f"R: {INPUT}".split()) + spent


async def test_what_the_embedder_cannot_read_whole_is_cut(tmp_path: Path) -> None:
    encoder = Encoder(name="minilm")
    encoder.characters_max = 600
    model = ScriptedModel(scores=[(-1.0, -3.0)])
    one = Agent(profile(tmp_path, CHOOSE), model, ManualClock(), 10_000, encoder)
    answer = await one.answer(recorded(CHOICE, "long " * 1_000))
    assert answer.value.option_id == "positive"
    assert encoder.calls[-1][1] == ("long " * 1_000)[:500]


async def test_an_abstention_and_an_agent_without_an_embedder_carry_none(tmp_path: Path) -> None:
    encoder = Encoder(name="minilm")
    card = profile(tmp_path, CHOOSE)
    tied = Agent(card, ScriptedModel(scores=[(-1.0, -1.0)]), ManualClock(), 10_000, encoder)
    plain = Agent(card, ScriptedModel(scores=[(-1.0, -3.0)]), ManualClock(), 10_000)
    for one in (tied, plain):
        answer = await one.answer(recorded(CHOICE, INPUT))
        assert not answer.HasField("embedding") and not answer.HasField("input_embedding")


def test_agents_of_one_process_name_one_embedder(tmp_path: Path) -> None:
    paths = []
    for name, embedder in (("anna", "minilm"), ("ben", "gte"), ("cleo", "")):
        paths.append(tmp_path / f"{name}.yaml")
        line = f"embedder: {embedder}\n" if embedder else ""
        paths[-1].write_text(
            f"name: {name}\nversion: 1\ndescription: A test.\nmodel: m\n{line}"
            'skills: {s: {choice: {item: "{input}"}}}\n',
            encoding="utf-8",
        )
    with pytest.raises(ConfigError, match="the cards name gte, minilm"):
        read_cards(paths)
    anna, cleo = read_cards([paths[0], paths[2]])
    assert (anna.embedder, cleo.embedder) == ("minilm", "")
    assert "embedder" not in cleo.model_dump(mode="json")
