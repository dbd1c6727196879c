"""Cards: what is shipped can be read, and each slip is named with file, key and rule."""

from pathlib import Path

import pytest

from comitia.errors import ConfigError
from comitia.inference.cards import PathSource, WheelSource, find_card, list_cards, read_card

SHIPPED = Path(__file__).parents[2] / "models"
DIGEST = "a" * 64
CARD = f"""
name: mine
kind: decoder
licence: MIT
summary: a model
source:
  package: some-package
  version: "1.0"
  bytes: 10
  sha256: {DIGEST}
  files:
    - {{name: model.gguf, member: some/model.gguf, sha256: {DIGEST}}}
recipe:
  builder: direct
  form: int8
  context_tokens: 512
"""


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_shipped_cards_say_where_their_weights_come_from() -> None:
    cards = {card.name: card for card in list_cards(SHIPPED)}
    assert {"smollm2-135m-instruct", "minilm-l6-v2"} <= set(cards)
    for card in cards.values():
        assert isinstance(card.source, WheelSource)
        assert card.licence == "Apache-2.0"
    assert find_card(SHIPPED, "minilm-l6-v2").recipe.pooling == "mean"


def test_a_path_source_lies_beside_its_card(tmp_path: Path) -> None:
    own = CARD[: CARD.index("source:")] + "source: {path: weights}\n"
    card = read_card(write(tmp_path, own + CARD[CARD.index("recipe:") :]))
    assert card.source == PathSource(str(tmp_path / "weights"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: decoder", "kind: oracle", "'kind' must be one of decoder, encoder, not 'oracle'"),
        ("kind: decoder", "", "'kind' is missing"),
        ("name: mine", "name: ../mine", "'name' must be up to 80 letters"),
        ("licence: MIT", "license: MIT", "'licence' is missing"),
        ('"1.0"', "1.0", "'source.version' must be text"),
        ("bytes: 10", "bytes: ten", "'source.bytes' must be a whole number"),
        (f"bytes: 10\n  sha256: {DIGEST}", "bytes: 10\n  sha256: abc", "'source.sha256' must be"),
        ("form: int8", "form: int2", "'recipe.form' must be one of fp32, fp16, bf16, int8"),
        ("form: int8", "form: int8\n  seed: 1", "'recipe.seed' is not known here"),
        ("builder: direct", "builder: optimum", "'recipe.form' must be fp32"),
        ("context_tokens: 512", "context_tokens: true", "'recipe.context_tokens' must be a whole"),
        ("member: some/model.gguf, ", "", r"'source.files\[0\].member' is missing"),
        ("recipe:", "recipe: 5\nother:", "recipe must be a mapping"),
        ("name: mine", "name: [mine", "cannot be read as a model card"),
    ],
)
def test_a_slip_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in CARD
    path = write(tmp_path, CARD.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message) as caught:
        read_card(path)
    assert str(path) in str(caught.value)


def test_names_are_single_and_known(tmp_path: Path) -> None:
    write(tmp_path, CARD)
    with pytest.raises(ConfigError, match=r"No model is called 'yours'.*has: mine"):
        find_card(tmp_path, "yours")
    write(tmp_path, CARD, "other.yaml")
    with pytest.raises(ConfigError, match="both describe 'mine'"):
        list_cards(tmp_path)
    with pytest.raises(ConfigError, match="no folder of model cards"):
        list_cards(tmp_path / "nowhere")
