"""What surrounds the supervisor: the plan, the board, the folders, `down`, and the start of a whole
system.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from comitia.errors import ConfigError
from comitia_cli.main import app
from comitia_cli.places import disk_bytes, folder_of, human_bytes, size_bytes
from comitia_cli.system.board import Board, SystemState
from comitia_cli.system.building import words
from comitia_cli.system.plan import make_plan
from comitia_cli.system.supervisor import ServiceState, bound

MODEL = """
name: {name}
kind: encoder
summary: A model for tests
licence: Apache-2.0
source: {{path: nowhere}}
recipe: {{builder: direct, form: fp32, context_tokens: 256, pooling: mean}}
"""


@pytest.fixture
def cards(tmp_path: Path) -> tuple[Path, Path]:
    agents, models = tmp_path / "agents", tmp_path / "models"
    agents.mkdir()
    models.mkdir()
    for name in ("small", "large"):
        (models / f"{name}.yaml").write_text(MODEL.format(name=name))
    for name, model in (("ada", "small"), ("bo", "large"), ("cy", "small")):
        (agents / f"{name}.yaml").write_text(f"name: {name}\nmodel: {model}\n")
    return agents, models


def test_agents_that_share_a_model_share_a_process(cards: tuple[Path, Path]) -> None:
    agents, models = cards
    plan = make_plan(agents, models, {"COMITIA_BOOTSTRAP": "here:1"})
    services = {service.name: service for service in plan.services}
    assert sorted(services) == ["agent-large", "agent-small", "aggregator", "learner", "router"]
    shared = services["agent-small"].env["COMITIA_AGENT_CARDS"].split(os.pathsep)
    assert [Path(path).stem for path in shared] == ["ada", "cy"]
    assert {service.env["COMITIA_BOOTSTRAP"] for service in plan.services} == {"here:1"}
    assert [card.name for card in plan.models] == ["large", "small"]


def test_a_fit_of_the_learner_takes_one_core(cards: tuple[Path, Path]) -> None:
    threads = {
        service.name
        for service in make_plan(*cards, {}).services
        if service.env.get("OPENBLAS_NUM_THREADS") == "1"
    }
    assert threads == {"learner"}


def test_a_missing_model_is_named(cards: tuple[Path, Path]) -> None:
    agents, models = cards
    (agents / "di.yaml").write_text("name: di\nmodel: huge\n")
    with pytest.raises(ConfigError, match=r"di\.yaml.*huge"):
        make_plan(agents, models, {})


def test_an_embedder_is_built_but_has_no_process_of_its_own(cards: tuple[Path, Path]) -> None:
    agents, models = cards
    (agents / "bo.yaml").write_text("name: bo\nmodel: small\nembedder: large\n")
    plan = make_plan(agents, models, {})
    assert [card.name for card in plan.models] == ["large", "small"]
    assert "agent-large" not in [service.name for service in plan.services]
    (agents / "bo.yaml").write_text("name: bo\nmodel: small\nembedder: huge\n")
    with pytest.raises(ConfigError, match=r"bo\.yaml.*huge"):
        make_plan(agents, models, {})


def test_two_cards_of_one_name_are_refused(cards: tuple[Path, Path]) -> None:
    agents, models = cards
    (agents / "di.yaml").write_text("name: ada\nmodel: small\n")
    with pytest.raises(ConfigError, match="both describe ada"):
        make_plan(agents, models, {})


def test_a_second_claim_says_where_the_first_is_reached(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.claim()
    board.write(SystemState(os.getpid(), "127.0.0.1:19092", phase="ready"))
    with pytest.raises(ConfigError, match=r"already up on 127.0.0.1:19092.*comitia down"):
        Board(tmp_path).claim()
    board.release()
    assert Board(tmp_path).read() is None


def test_the_board_keeps_every_service(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.claim()
    state = SystemState(
        os.getpid(), "here:1", broker=ServiceState("broker"), services=[ServiceState("router")]
    )
    board.write(state)
    assert Board(tmp_path).read() == state
    board.release()


def test_what_a_killed_supervisor_left_counts_for_nothing(tmp_path: Path) -> None:
    script = (
        "import os, pathlib\n"
        "from comitia_cli.system.board import Board, SystemState\n"
        f"board = Board(pathlib.Path({str(tmp_path)!r}))\n"
        "board.claim()\n"
        "board.write(SystemState(os.getpid(), 'here:1'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    board = Board(tmp_path)
    assert not board.up()
    assert board.read() is None
    assert board.stale_pid() is not None
    board.claim()
    board.release()
    assert board.stale_pid() is None


def test_an_unwritable_state_directory_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="COMITIA_STATE_DIR"):
        Board(tmp_path / "file" / "state").claim()


def test_cards_are_looked_for_where_one_works_then_in_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_of("models", None).name == "models"
    (tmp_path / "models").mkdir()
    assert folder_of("models", None) == (tmp_path / "models").resolve()
    with pytest.raises(ConfigError, match="--models"):
        folder_of("models", tmp_path / "nowhere")


def test_down_when_nothing_is_up_says_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["down"], env={"COMITIA_STATE_DIR": str(tmp_path)})
    assert (done.exit_code, done.stderr) == (0, "comitia: nothing was up\n")


def test_purge_removes_what_is_comitias_and_nothing_else(tmp_path: Path) -> None:
    state, cache = tmp_path / "state", tmp_path / "cache"
    (state / "logs").mkdir(parents=True)
    (state / "logs" / "router.log").write_text("12345")
    (cache / "models" / "small").mkdir(parents=True)
    (cache / "mine.txt").write_text("keep")
    env = {"COMITIA_STATE_DIR": str(state), "COMITIA_CACHE_DIR": str(cache)}
    size = disk_bytes(state / "logs" / "router.log")
    asked = CliRunner().invoke(app, ["down", "--purge"], env=env)
    assert asked.exit_code == 2
    assert "--yes" in asked.stderr
    assert (state / "logs" / "router.log").exists()
    done = CliRunner().invoke(app, ["down", "--purge", "--yes"], env=env)
    assert done.exit_code == 0
    sizes = {row["path"]: row["bytes"] for row in map(json.loads, done.stdout.splitlines())}
    assert sizes[str(state / "logs")] == size
    assert not state.exists()
    assert [path.name for path in cache.iterdir()] == ["mine.txt"]


def test_a_log_that_grew_is_moved_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "router.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        bound(log, 50)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "router.log.1").read_bytes() == b"x" * 100


def test_doctor_says_when_both_wheels_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from comitia_cli.system import machine

    monkeypatch.setattr(machine, "_installed", lambda package: "1.0")
    env = {"COMITIA_STATE_DIR": str(tmp_path), "COMITIA_CACHE_DIR": str(tmp_path)}
    done = CliRunner().invoke(app, ["doctor"], env=env)
    assert done.exit_code == 1
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["onnxruntime"]["verdict"] == "wrong"
    assert "pip uninstall" in rows["onnxruntime"]["words"]


def test_progress_in_words() -> None:
    assert words("fetching x", 12_000_000, 92_900_000) == "fetching x: 12.0 MB of 92.9 MB"
    assert words("building x", 1, 3) == "building x"
    assert human_bytes(999) == "999 B"


def test_sizes_count_files_of_all_depths(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("123")
    assert size_bytes(tmp_path) == disk_bytes(tmp_path / "a" / "b" / "c")
    assert size_bytes(tmp_path / "none") == 0
