"""`comitia explain` on a task of stages: each with its own decision, loops and branches, one trace;
and where such a task is while it is not decided.
"""

import asyncio
import io
from pathlib import Path

import pytest

from comitia.v1.decision_pb2 import Decision
from comitia_cli.output import TextConsole
from comitia_cli.show.decision import one_line
from comitia_cli.show.stages import open_stage, stages_view
from tests.unit.cli_support import Panel
from tests.unit.stage_world import World, option, staged_task
from tests.unit.test_stages_walk import FIVE


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def world() -> World:
    """Its check fails once and sends it back."""
    return World({"check": [option("no"), option("yes")]}).run(staged_task(*FIVE))


def shown(decision: Decision, children: dict[str, Decision]) -> list[str]:
    out = io.StringIO()
    TextConsole(file=out, width=160, highlight=False).print(stages_view(decision, children))
    return [line.strip() for line in out.getvalue().splitlines()]


def test_every_stage_stands_in_its_order_with_its_own_decision(world: World) -> None:
    made = world.decisions()
    decision = made.pop("t1")
    lines = shown(decision, made)
    heads = [line.split("  ")[0] for line in lines if line[:1].isdigit()]
    assert heads == [
        "1. understand", "2. retrieve", "3. solve", "4. check", "5. solve (attempt 2)",
        "6. check (attempt 2)", "7. write",
    ]  # fmt: skip
    after = lines[lines.index("4. check  t1:check:1") :]
    assert after[1].startswith("DECIDED  no  1 of 1 votes, margin 1.00")
    assert [line for line in after if line.split(" to ")[0] in ("on", "back")] == [
        "back to solve", "on to check", "on to write",
    ]  # fmt: skip
    assert lines[-1] == f"all stages in one trace: {decision.trace_id}"
    assert "by stage write" in one_line(decision).plain


def test_what_is_not_kept_any_more_and_a_trace_that_broke_are_told(world: World) -> None:
    made = world.decisions()
    decision = made.pop("t1")
    del made["t1:check:1"]
    made["t1:write:1"].trace_id = "ff" * 16
    lines = shown(decision, made)
    assert "DECIDED  no  (its own decision is not kept any more)" in lines
    assert lines[-1].startswith("stages are spread over 2 traces")


def test_it_finds_the_stages_and_a_stage_by_its_id_alone(world: World) -> None:
    panel = Panel(lambda task: None)

    async def put() -> None:
        for decision in world.decisions().values():
            await panel.put("decisions", "t1", decision)
        for event in world.events:
            await panel.put("panel-events", "t1", event.message)

    asyncio.run(put())
    whole = panel.call("explain", "t1")
    assert whole.exit_code == 0, whole.output
    assert whole.stdout.count("\n") == 1
    # No partition is named after it: it stands in its parent's.
    stage = panel.call("explain", "t1:check:2")
    assert stage.exit_code == 0, stage.output
    assert '"optionId": "yes"' in stage.stdout


def test_while_it_goes_on_it_says_in_which_stage_it_is(world: World) -> None:
    events = [one.message for one in world.events]
    until = max(n for n, one in enumerate(events) if one.HasField("stage_opened"))
    words = open_stage([one for one in events[: until + 1] if one.task_id == "t1"])
    assert words.startswith(
        "6 stages have ended (understand, retrieve, solve, check, solve, check)"
    )
    assert words.endswith("it waits for t1:write:1: comitia explain t1:write:1")
