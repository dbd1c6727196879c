"""A whole agent as a process, over a real graph with random weights: it answers with every kind,
and nothing of what models are trained and exported with comes along.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from comitia.inference.cards import find_card
from comitia.inference.export.make import export
from tests.unit.inference_models import decoder_config, write_decoder

ROOT = Path(__file__).parents[2]
MODEL = """
name: tiny
kind: decoder
summary: random weights
licence: none
source: {path: ../weights}
recipe: {builder: direct, form: fp32, context_tokens: 4000}
"""
CARD = """
name: {name}
version: 1
description: Fills the rows of an engine.
model: {model}
skills:
  s:
    choice: {{item: "A diary says: {{input}}\\nIt was"}}
    text: {{item: "A diary says: {{input}}\\nAnd then", tokens_max: 96}}
    json: {{item: "A diary says: {{input}}\\nAs JSON:", tokens_max: 40}}
"""


def filled(folder: Path, model: str, rows: int, **settings: str) -> dict[str, Any]:
    """What a process of two agents tells whose engine of so many rows was filled; see
    agent_process.py.
    """
    cards = [folder / f"{name}.yaml" for name in ("anna", "bert")]
    for card in cards:
        card.write_text(CARD.format(name=card.stem, model=model), encoding="utf-8")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("COMITIA_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.agent_process", str(rows)],
        env=variables
        | {"COMITIA_AGENT_CARDS": os.pathsep.join(map(str, cards)), "COMITIA_BOOTSTRAP": "none:1"}
        | {"COMITIA_ENGINE_ROWS": str(rows), "COMITIA_LOG_LEVEL": "WARNING"}
        | settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_agents_share_a_batch_answer_with_every_kind_and_import_nothing_heavy(
    tmp_path: Path,
) -> None:
    write_decoder(tmp_path / "weights", decoder_config("llama", max_position_embeddings=4096))
    cache, models = tmp_path / "cache", tmp_path / "models"
    models.mkdir()
    (models / "tiny.yaml").write_text(MODEL, encoding="utf-8")
    export(find_card(models, "tiny"), cache)
    places = {"COMITIA_MODELS_DIR": str(models), "COMITIA_CACHE_DIR": str(cache)}
    told = filled(tmp_path, "tiny", 4, COMITIA_ENGINE_CACHE_MIB="64", **places)
    assert told["texts"]["answers"] == ["text"]
    assert told["choices"]["answers"] == ["option_id"]
    # Random weights may not come to an end within the tokens; whoever does keeps to the schema.
    assert set(told["json"]["answers"]) <= {"json", "None"}
    assert told["texts"]["tokens"] > 1_000
    # Each agent has two texts: beside each other, not one after the other.
    assert told["texts"]["sequences"] > 2.5
    assert told["imported"] == []
