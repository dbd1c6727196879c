"""What shipped cards state of their form is what is measured, and int8 stays within 1 % of fp32's
perplexity.

Runs under `make test-export`: an fp32 build and two readings of 8,176 tokens take their time.
"""

import os
from pathlib import Path

import pytest

from comitia.config import DirectorySettings
from comitia.inference.cards import find_card
from comitia.inference.export.remake import measure_build
from comitia.inference.pull import pull
from comitia.inference.store import source_folder

MODELS = Path(__file__).parents[2] / "models"

pytestmark = pytest.mark.skipif(
    "COMITIA_EXPORT_PYTHON" not in os.environ,
    reason="needs the export environment: make test-export",
)


def quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def test_smollm2_costs_what_its_card_states(tmp_path: Path) -> None:
    card = find_card(MODELS, "smollm2-135m-instruct")
    kept = DirectorySettings().cache_dir
    pull(card, kept)
    place = source_folder(card, tmp_path)
    place.parent.mkdir(parents=True)
    place.symlink_to(source_folder(card, kept))
    found = measure_build(card, tmp_path, quiet)
    assert found["known_from"] == "a measurement"
    assert float(str(found["perplexity_ratio"])) <= 1.01
    assert float(str(found["agreement"])) >= 0.94
