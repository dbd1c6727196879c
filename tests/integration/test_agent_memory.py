"""How much memory a whole agent has resident whose engine is full, with SmolLM2 in int8."""

from pathlib import Path

import pytest

from comitia.errors import ConfigError
from comitia.inference.cards import find_card
from comitia.inference.export.make import ensure
from tests.unit.test_agent_process import ROOT, filled

NAME = "smollm2-135m-instruct"


@pytest.mark.parametrize(("rows", "mib_max"), [(16, 800), (4, 500)])
def test_a_full_engine_stays_within_its_memory(
    tmp_path: Path, cache_dir: Path, rows: int, mib_max: int
) -> None:
    """Rows of 512 tokens: texts, then choices and JSON in the memory that these left. The first
    JSON brings a table of the vocabulary with it, some 50 MiB.
    """
    try:
        ensure(find_card(ROOT / "models", NAME), cache_dir)
    except ConfigError as error:
        pytest.skip(f"the model cannot be had here: {error}")
    places = {"COMITIA_MODELS_DIR": str(ROOT / "models"), "COMITIA_CACHE_DIR": str(cache_dir)}
    told = filled(tmp_path, NAME, rows, **places)
    assert told["texts"]["tokens"] > 448, "the last bucket of 512"
    assert told["choices"]["VmHWM"] <= mib_max, told
    assert told["json"]["VmHWM"] <= told["choices"]["VmHWM"] + 80, told
