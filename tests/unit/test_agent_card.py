"""Agent cards: strict reading with errors that name file and field, the digest, the published
message, the rule of versions.
"""

from pathlib import Path

import pytest

from comitia.cards import card_key
from comitia.errors import ConfigError
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.format_pb2 import FormatKind
from comitia_agent.card import read_card, read_cards
from comitia_agent.registry import must_publish

CARD = """
name: critic
version: 2
description: Says good or bad.
model: tiny
skills:
  sentiment:
    choice:
      item: "Review: {input}"
      words: {yes: good, no: bad}
      examples:
        - {input: A joy., answer: yes}
"""
ROOT = Path(__file__).parents[2]


def write(folder: Path, text: str, name: str = "card.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_options_named_yes_and_no_stay_text(tmp_path: Path) -> None:
    choice = read_card(write(tmp_path, CARD)).skills["sentiment"].choice
    assert choice is not None
    assert choice.words == {"yes": "good", "no": "bad"}
    assert choice.examples[0].answer == "yes"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 2", "version: 0", "version: "),
        ("version: 2\n", "", "version: Field required"),
        ("name: critic", "name: Critic!", "name: "),
        ("model: tiny", "model: tiny\nmodle: tiny", "modle: Extra inputs"),
        ("{input}", "{inputs}", "skills.sentiment.choice.item: must hold {input} exactly once"),
        ("choice:", "choices:", "skills.sentiment.choices: Extra inputs"),
        ("words:", "calibration: {bias: {yes: 1}}\n      words:", "without source"),
        ("model: tiny", "model: tiny\nmodel: other", "'model' stands twice"),
        ("name: critic", "name: [critic", "cannot be read as an agent card"),
    ],
)
def test_a_wrong_card_is_refused_by_file_and_field(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    path = write(tmp_path, CARD.replace(old, new))
    with pytest.raises(ConfigError) as error:
        read_card(path)
    assert str(path) in str(error.value)
    assert told in str(error.value)


def test_a_missing_card_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        read_card(tmp_path / "nowhere.yaml")


def test_the_key_moves_with_every_part_of_the_card_and_with_the_model(tmp_path: Path) -> None:
    def key(text: str, model: str) -> str:
        return card_key(read_card(write(tmp_path, text)).message(model))

    first = key(CARD, "sha256:a")
    assert first.startswith("critic@2@sha256:")
    assert key("# a remark\n" + CARD, "sha256:a") == first
    assert key(CARD.replace("A joy.", "A delight."), "sha256:a") != first
    assert key(CARD, "sha256:b") != first


def test_agents_of_one_process_share_a_model_and_no_name(tmp_path: Path) -> None:
    first = write(tmp_path, CARD, "a.yaml")
    second = write(tmp_path, CARD, "b.yaml")
    third = write(tmp_path, CARD.replace("critic", "other").replace("tiny", "huge"), "c.yaml")
    with pytest.raises(ConfigError, match="several of the cards are named 'critic'"):
        read_cards([first, second])
    with pytest.raises(ConfigError, match="one process per model"):
        read_cards([first, third])
    with pytest.raises(ConfigError, match="COMITIA_AGENT_CARDS"):
        read_cards([])


def test_a_card_is_published_once_and_never_changed_under_its_version() -> None:
    card = AgentCard(name="critic", version=1, skills=["s"])
    longer = AgentCard(name="critical", version=1, skills=["s"])
    standing = [card_key(card), card_key(longer)]
    assert not must_publish(standing, card)
    assert must_publish(standing, AgentCard(name="critic", version=2, skills=["s"]))
    with pytest.raises(ConfigError, match="Raise 'version'"):
        must_publish(standing, AgentCard(name="critic", version=1, skills=["t"]))


def test_our_own_cards_are_at_least_five_that_differ() -> None:
    profiles = [read_card(path) for path in sorted((ROOT / "agents").glob("*.yaml"))]
    assert len({profile.name for profile in profiles}) >= 5
    assert {profile.model for profile in profiles} == {"smollm2-135m-instruct", "minilm-l6-v2"}
    assert all("sentiment" in profile.skills for profile in profiles)
    assert sum("answer" in profile.skills for profile in profiles) >= 3
    texts = {skill.model_dump_json() for p in profiles for skill in p.skills.values()}
    assert len(texts) == sum(len(profile.skills) for profile in profiles)


def test_the_message_offers_what_the_card_can_do(tmp_path: Path) -> None:
    message = read_card(write(tmp_path, CARD)).message("sha256:a")
    assert (message.name, message.version, list(message.skills)) == ("critic", 2, ["sentiment"])
    assert list(message.formats) == [
        FormatKind.FORMAT_KIND_CHOICE,
        FormatKind.FORMAT_KIND_RANKING,
    ]
    assert message.model.digest == "sha256:a"
