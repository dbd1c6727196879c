"""`comitia model`: from a card to a build and what its form costs, for a person and for a pipe."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from comitia.inference.export import quality
from comitia_cli.main import app
from tests.unit.inference_models import CONTEXT, decoder_config, write_decoder

CARD = """
name: mine
kind: decoder
licence: none
summary: random weights
source: {{path: weights}}
recipe: {{builder: direct, form: {form}, context_tokens: 96}}
{more}
"""


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("COMITIA_EXPORT_PYTHON", raising=False)
    monkeypatch.setenv("COMITIA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(quality, "TOKENS_MAX", 4 * CONTEXT)
    write_decoder(tmp_path / "weights", decoder_config("qwen3"))
    (tmp_path / "mine.yaml").write_text(CARD.format(form="int8", more=""))
    return tmp_path


def model(cards: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["model", *words, "--models", str(cards)])


def test_a_build_says_what_its_form_costs(cards: Path) -> None:
    exported = json.loads(model(cards, "export", "mine").stdout)
    assert exported["attentionNodes"] == 3
    assert exported["quality"]["known_from"] == "a measurement"
    measured = json.loads(model(cards, "measure", "mine").stdout)
    assert measured["form"] == "int8"
    assert measured["perplexity_ratio"] == exported["quality"]["perplexity_ratio"]
    ratio = measured["perplexity_ratio"]
    more = f"quality: {{int8: {{perplexity_ratio: {ratio}, agreement: 0.5}}}}"
    (cards / "mine.yaml").write_text(CARD.format(form="int8", more=more))
    listed = json.loads(model(cards, "list", "--json").stdout)
    assert (listed["form"], listed["perplexityRatio"]) == ("int8", ratio)


def test_a_card_that_states_too_much_ends_with_an_error(cards: Path) -> None:
    more = "quality: {int8: {perplexity_ratio: 0.5, agreement: 1}}"
    (cards / "mine.yaml").write_text(CARD.format(form="int8", more=more))
    done = model(cards, "measure", "mine")
    assert done.exit_code == 2
    assert "its card states 0.5" in " ".join(done.stderr.split())


def test_a_reference_asks_before_it_downloads(cards: Path) -> None:
    done = model(cards, "reference", "mine")
    assert done.exit_code == 2
    assert "was not agreed to" in " ".join(done.stderr.split())
