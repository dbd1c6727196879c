"""`comitia ask`, `explain`, `tail`, `cancel`: what is printed, and with which code they end."""

import asyncio
import io
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse
from rich.console import Console
from typer.testing import CliRunner

from comitia.config import KafkaSettings
from comitia.errors import Retryable
from comitia.ports import Log, Outgoing
from comitia.runtime.partitioner import partition_of
from comitia.topics import Names
from comitia.v1.command_pb2 import Command
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_cli.client import decisions
from comitia_cli.main import app
from comitia_cli.shell import Shell
from comitia_cli.show.decision import one_line, whole
from tests.unit.cli_support import Panel, first_option


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COMITIA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("COMITIA_BOOTSTRAP", raising=False)


def test_a_decision_is_one_line_of_proto3_json_in_a_pipe() -> None:
    panel = Panel()
    done = panel.call("ask", "A gripping film.", "--options", "positive, negative")
    assert done.exit_code == 0, done.output
    decision = Parse(done.stdout, Decision())
    assert decision.value.option_id == "positive"
    assert done.stdout.count("\n") == 1
    (task,) = panel.tasks()
    assert task.id == decision.task_id
    assert [option.id for option in task.format.choice.options] == ["positive", "negative"]
    assert (task.input.text, task.skill, task.timeout_ms) == ("A gripping film.", "answer", 30_000)


def test_without_options_a_text_is_asked_for() -> None:
    panel = Panel()
    assert panel.call("ask", "Why?", "--timeout", "2m", "--skill", "reasons").exit_code == 0
    (task,) = panel.tasks()
    assert task.format.WhichOneof("kind") == "text"
    assert (task.skill, task.timeout_ms) == ("reasons", 120_000)


def test_everybody_is_heard_where_that_is_asked_for() -> None:
    panel = Panel()
    panel.call("ask", "Why?")
    panel.call("ask", "Why?", "--all")
    assert sorted(task.policy.wait_for_all for task in panel.tasks()) == [False, True]


def test_another_status_than_decided_is_exit_code_3() -> None:
    def no_agent(task: Task) -> Decision:
        status = DecisionStatus.DECISION_STATUS_NO_AGENT
        return Decision(task_id=task.id, status=status, explanation="no agent has this skill")

    done = Panel(no_agent).call("ask", "Why?")
    assert done.exit_code == 3
    assert Parse(done.stdout, Decision()).status == DecisionStatus.DECISION_STATUS_NO_AGENT


def test_no_decision_in_time_is_exit_code_4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "SLACK_MS", 0)
    done = Panel(lambda task: None).call("ask", "Why?", "--timeout", "10ms")
    assert done.exit_code == 4
    assert "comitia explain" in done.stderr


def test_five_megabytes_are_refused_before_anything_is_sent() -> None:
    panel = Panel()
    done = panel.call("ask", "x" * 5_000_000)
    assert done.exit_code == 2
    assert "5,000,005 bytes" in done.stderr
    assert "262,144" in done.stderr
    assert panel.tasks() == []


def test_a_duration_that_is_none_says_how_to_write_one() -> None:
    done = Panel().call("ask", "Why?", "--timeout", "soon")
    assert done.exit_code == 2
    assert "500ms, 30s, 2m" in done.stderr


def test_a_broker_that_is_away_is_one_line_and_exit_code_5() -> None:
    async def away(settings: KafkaSettings) -> Log:
        raise Retryable(f"connecting to {settings.bootstrap}: refused")

    done = CliRunner().invoke(
        app, ["ask", "Why?", "--bootstrap", "nowhere:1"], obj=Shell(open_log=away)
    )
    assert done.exit_code == 5
    assert done.stderr.startswith("comitia: no Apache Kafka answers at nowhere:1")
    assert done.stderr.count("\n") == 1


def test_without_any_broker_the_message_names_both_ways_out() -> None:
    done = CliRunner().invoke(app, ["ask", "Why?"], obj=Shell())
    assert done.exit_code == 2
    assert "comitia up" in done.stderr
    assert "--bootstrap" in done.stderr


def test_tail_shows_what_is_kept() -> None:
    panel = Panel()
    for question in ("a", "b", "c"):
        panel.call("ask", question)
    done = panel.call("tail", "--from-beginning", "--count", "3")
    assert done.exit_code == 0
    ids = {Parse(line, Decision()).task_id for line in done.stdout.splitlines()}
    assert ids == {task.id for task in panel.tasks()}


def test_explain_finds_the_decision_by_the_id_alone() -> None:
    panel = Panel()
    for question in ("a", "b", "c", "d"):
        panel.call("ask", question, "--options", "x,y")
    wanted = panel.tasks()[0].id
    done = panel.call("explain", wanted)
    assert done.exit_code == 0
    assert Parse(done.stdout, Decision()).task_id == wanted


def test_explain_says_who_is_waited_for_whatever_else_stands_in_the_log() -> None:
    panel = Panel(lambda task: None)
    opened = PanelEvent(task_id="t-1")
    for seat, agent in enumerate(("ada", "bo")):
        opened.panel_opened.seats.add(seat=seat, agent=agent)
        opened.panel_opened.assignments.add(id=f"for-{agent}", seat=seat)
    answer = PanelEvent(task_id="t-1")
    answer.answer.agent, answer.answer.assignment_id = "bo", "for-bo"

    async def put() -> None:
        await panel.put("panel-events", "t-1", opened)
        await panel.put("panel-events", "t-1", answer)
        writer = await panel.writer()
        topic, partition = Names().topic("panel-events"), partition_of("t-1", 4)
        await (await writer.send(Outgoing(topic, b"\xff t-1 \xff", b"t-1", (), partition)))

    asyncio.run(put())
    done = panel.call("explain", "t-1")
    assert done.exit_code == 4
    assert "1 of 2 agents have answered, waiting for ada" in done.stderr


def test_one_line_cuts_a_long_value_and_the_whole_keeps_it() -> None:
    decision = Decision(status=DecisionStatus.DECISION_STATUS_DECIDED)
    decision.value.text = "honey " * 40
    assert decision.value.text.strip() not in one_line(decision).plain
    shown = io.StringIO()
    Console(width=1000, file=shown).print(whole(decision))
    assert decision.value.text.strip() in shown.getvalue()


def test_explain_of_an_unknown_task_says_so() -> None:
    done = Panel().call("explain", "nobody")
    assert done.exit_code == 4
    assert "nothing is known of task nobody" in done.stderr


def test_cancel_is_a_command_under_the_tasks_key() -> None:
    panel = Panel()
    assert panel.call("cancel", "t-1", "--because", "asked twice").exit_code == 0
    (record,) = panel.records("commands")
    command = Command.FromString(record.value or b"")
    assert record.key == b"t-1"
    assert (command.cancel.task_id, command.cancel.reason) == ("t-1", "asked twice")


def test_a_decision_of_a_person_counts_over_the_first() -> None:
    panel = Panel(lambda task: None)
    first = first_option(Task(id="t-1"))
    second = Decision(task_id="t-1", revision=1, status=first.status)
    second.value.text = "no"

    async def put() -> None:
        await panel.put("decisions", "t-1", first)
        await panel.put("decisions", "t-1", second)

    asyncio.run(put())
    lines = panel.call("explain", "t-1").stdout.splitlines()
    assert [Parse(line, Decision()).revision for line in lines] == [0, 1]


def test_a_question_may_come_from_standard_input() -> None:
    panel = Panel()
    assert panel.call("ask", "-", stdin="A gripping\nfilm.").exit_code == 0
    assert panel.tasks()[0].input.text == "A gripping\nfilm."
