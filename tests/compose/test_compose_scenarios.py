"""What an operator does to the core of docker-compose.yml, and what must hold: on a Docker engine.

Skipped, with the reason, where there is no engine, no image or no model.
"""

import json

import pytest

from tests.compose.compose_load import Load, Outcome
from tests.compose.compose_stack import Stack, await_that, comitia

AGENTS = ("critic", "labeller", "librarian", "one-word", "reporter")
OURS = ("router", "aggregator", "learner", *AGENTS)
DECIDED = "DECISION_STATUS_DECIDED"
# Tasks that are under way when something happens to a service.
UNDER_WAY = 6


def under_way(load: Load) -> None:
    """Until so many more tasks are in the log."""
    enough = len(load.acknowledged) + UNDER_WAY
    await_that(lambda: len(load.acknowledged) >= enough, f"{UNDER_WAY} tasks are published")


def test_a_task_is_decided(stack: Stack) -> None:
    asked = ("A delight from start to end.", "--skill", "sentiment", "--options")
    how = ("positive,negative", "--all", "--timeout", "2m", "--json")
    ran = comitia("ask", *asked, *how, "--bootstrap", stack.bootstrap)
    assert ran.returncode == 0, ran.stderr
    decision = json.loads(ran.stdout)
    assert decision["status"] == DECIDED
    assert decision["value"] == {"optionId": "positive"}
    assert {ballot["agent"] for ballot in decision["ballots"]} == set(AGENTS)
    assert decision["delivery"] == "DELIVERY_EXACTLY_ONCE"


@pytest.mark.parametrize("service", OURS)
def test_a_service_has_no_rights_and_writes_nothing(stack: Stack, service: str) -> None:
    status = stack.inside(service, "cat", "/proc/1/status")
    rights = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {rights[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "0" * 16
    }
    assert rights["NoNewPrivs"] == "1"
    assert rights["Uid"].split()[0] == "10001"
    # What it holds of itself is tried, too: its own folder, the system's, and that of the models.
    for place in ("/opt/comitia/x", "/etc/x", "/var/lib/comitia/x"):
        said = stack.inside(service, "sh", "-c", f"touch {place} 2>&1", allowed=(1,))
        assert "Read-only file system" in said, place
    stack.inside(service, "touch", "/tmp/x")
    host = stack.look(service)["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]


def test_kafka_has_no_rights(stack: Stack) -> None:
    said = stack.inside(
        "kafka", "sh", "-c", "grep -h CapEff /proc/1/status; touch /etc/x 2>&1", allowed=(1,)
    )
    assert "0000000000000000" in said
    assert "Permission denied" in said


def test_a_killed_agent_comes_back(stack: Stack, outcome: Outcome, loads: list[Load]) -> None:
    began = stack.started_at("critic")
    with Load(stack.bootstrap, "kill") as load:
        loads.append(load)
        under_way(load)
        stack.kill("critic")
        stack.await_healthy("critic", since=began)
        under_way(load)
    assert stack.look("critic")["RestartCount"] == 1
    assert outcome.await_all(load).keys() == {DECIDED}


@pytest.mark.parametrize("service", ["aggregator", "librarian"])
def test_a_cut_network_is_survived(
    stack: Stack, outcome: Outcome, loads: list[Load], service: str
) -> None:
    began = stack.started_at(service)
    with Load(stack.bootstrap, f"cut-{service}") as load:
        loads.append(load)
        under_way(load)
        stack.cut(service)
        # Beyond the session's timeout, so that the group goes on without it.
        for _ in range(5):
            under_way(load)
        stack.mend(service)
        under_way(load)
    assert outcome.await_all(load).keys() == {DECIDED}
    stack.await_healthy(service)
    assert stack.started_at(service) == began, "it did not survive, it was started again"


def test_stopping_each_service_loses_nothing(
    stack: Stack, outcome: Outcome, loads: list[Load]
) -> None:
    with Load(stack.bootstrap, "stop") as load:
        loads.append(load)
        for service in (*OURS, "kafka"):
            under_way(load)
            began = stack.started_at(service)
            stack.stop(service)
            assert stack.look(service)["State"]["ExitCode"] in _AFTER_STOP[service == "kafka"]
            stack.start(service)
            stack.await_healthy(service, since=began)
    assert outcome.await_all(load).keys() == {DECIDED}
    for service in OURS:
        stack.await_healthy(service)


# A JVM that was asked to end says so; ours end as if nothing had been left to do.
_AFTER_STOP = {False: (0,), True: (0, 143)}


def test_the_log_of_all_scenarios_holds_what_is_promised(
    outcome: Outcome, loads: list[Load]
) -> None:
    if not loads:
        pytest.skip("no scenario has run")
    report = outcome.report(loads)
    assert report.ok, report.examples
    assert report.facts["manifest"] == sum(len(load.acknowledged) for load in loads)
