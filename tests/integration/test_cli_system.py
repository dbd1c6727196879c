"""The command line on Apache Kafka: a system that keeps running whatever is killed, and is gone
when it is told to stop.

No agents run here, so that no model is needed: every task ends as NO_AGENT, which takes the whole
way from the router to the aggregator's decision.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from comitia_cli.places import Places
from comitia_cli.shell import open_kafka
from comitia_cli.system import system as module
from comitia_cli.system.board import Board
from comitia_cli.system.plan import Plan, program
from comitia_cli.system.service import ServiceSpec
from comitia_cli.system.supervisor import ServiceState
from comitia_cli.system.system import System, Wanted

PREFIX = "cli-system."
WAIT_S = 120


def without_agents(_agents: Path, _models: Path, env: dict[str, str]) -> Plan:
    names = ("router", "aggregator", "learner")
    return Plan(tuple(ServiceSpec(n, (program(f"comitia-{n}"),), env) for n in names), (), ())


@asynccontextmanager
async def running(
    broker: str, where: Places, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[System]:
    monkeypatch.setattr(module, "make_plan", without_agents)
    stop = asyncio.Event()
    wanted = Wanted(broker, where.state, where.state)
    system = System(wanted, where, open_kafka, lambda state: None)
    work = asyncio.create_task(system.run(stop))
    started = asyncio.create_task(system.started.wait())
    try:
        async with asyncio.timeout(WAIT_S):
            await asyncio.wait([work, started], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
        yield system
    finally:
        started.cancel()
        stop.set()
        await work


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COMITIA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COMITIA_PREFIX", PREFIX)
    return Places(tmp_path / "state", tmp_path / "cache")


async def comitia(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run the command as a user does: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "comitia_cli.main", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    return process.returncode or 0, out.decode(), err.decode()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - the states are plain values
            await asyncio.sleep(0.05)


async def test_every_task_is_decided_while_services_are_killed(
    broker: str, where: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(f'{{"input": {{"text": "{n}"}}}}\n' for n in range(100)))
    async with running(broker, where, monkeypatch) as system:
        publishing = asyncio.create_task(comitia("publish", str(path), "--wait"))
        for state in system.state.services:
            killed, restarts = state.pid, state.restarts
            os.kill(killed, signal.SIGKILL)
            await until(_back(state, restarts))
            assert state.pid != killed
        code, out, err = await publishing
    # NO_AGENT is a decision, though not DECIDED: exit code 3.
    assert code == 3, err
    decisions = [json.loads(line) for line in out.splitlines()]
    assert len({decision["taskId"] for decision in decisions}) == 100
    assert {decision["status"] for decision in decisions} == {"DECISION_STATUS_NO_AGENT"}


def _back(state: ServiceState, restarts: int) -> Callable[[], bool]:
    return lambda: state.restarts > restarts and state.phase == "ready"


async def test_the_commands_find_the_running_system_and_its_topics(
    broker: str, where: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("COMITIA_BOOTSTRAP", raising=False)
    async with running(broker, where, monkeypatch) as system:
        assert system.state.ready_s > 0
        # The prefix comes with the address: neither is given to the commands.
        monkeypatch.delenv("COMITIA_PREFIX")
        code, out, err = await comitia("topics")
        assert code == 0, err
        assert all(json.loads(line)["topic"].startswith(PREFIX) for line in out.splitlines())
        code, out, _ = await comitia("ask", "Anybody?", "--skill", "nobody-has-this")
        decision = json.loads(out)
        assert (code, decision["status"]) == (3, "DECISION_STATUS_NO_AGENT")
        code, out, _ = await comitia("explain", decision["taskId"])
        assert (code, json.loads(out)["taskId"]) == (0, decision["taskId"])
        code, out, err = await comitia("up")
        assert code == 1
        assert f"already up on {broker}" in err
        assert json.loads(out)["phase"] == "ready"
        code, out, err = await comitia("doctor")
        rows = {(row["area"], row["name"]): row for row in map(json.loads, out.splitlines())}
        assert rows["cluster", "transactions"]["verdict"] == "ok", err
        assert rows["topics", "settings"]["verdict"] == "ok", err
        assert rows["topics", "retention"]["verdict"] == "ok", err
        assert "1 exactly-once" in rows["cluster", "delivery"]["words"], rows
    assert Board(where.state).read() is None


async def test_nothing_outlives_a_killed_supervisor(
    broker: str, where: Places, tmp_path: Path
) -> None:
    script = f"""
import asyncio, pathlib
from tests.integration.test_cli_system import without_agents
from comitia_cli.system import system as module
from comitia_cli.places import Places
from comitia_cli.shell import open_kafka
module.make_plan = without_agents
where = Places(pathlib.Path({str(where.state)!r}), pathlib.Path({str(where.cache)!r}))
wanted = module.Wanted({broker!r}, where.state, where.state)
system = module.System(wanted, where, open_kafka, lambda state: None)
asyncio.run(system.run(asyncio.Event()))
"""
    supervisor = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    board = Board(where.state)
    await until(lambda: (state := board.read()) is not None and state.phase == "ready")
    state = board.read()
    assert state is not None
    services = [psutil.Process(service.pid) for service in state.services]
    supervisor.kill()
    await supervisor.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, services, WAIT_S)
    assert not alive
    assert board.stale_pid() == supervisor.pid
    code, _, err = await comitia("down")
    assert (code, "nothing was up" in err) == (0, True)


async def test_a_cluster_that_is_away_is_said_in_one_line(where: Places) -> None:
    code, out, err = await comitia("ask", "Why?", "--bootstrap", "127.0.0.1:9")
    assert (code, out) == (5, "")
    assert "127.0.0.1:9" in err
    assert err.count("\n") == 1
    code, _, err = await comitia("doctor", "--bootstrap", "127.0.0.1:9")
    assert (code, err) == (1, "")
