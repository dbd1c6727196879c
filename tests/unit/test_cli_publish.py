"""`comitia publish`: nothing lost, nothing published twice under another id, bad lines named."""

import json
import time
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse

from comitia.errors import Retryable
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.task_pb2 import Task
from comitia_cli.client import publishing
from tests.unit.cli_support import Panel


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))


def line(text: str, **more: object) -> str:
    return json.dumps({"input": {"text": text}, **more}) + "\n"


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(line(f"question {n}") for n in range(40)))
    return path


def test_every_line_becomes_a_task_and_every_decision_a_line(questions: Path) -> None:
    panel = Panel()
    done = panel.call("publish", str(questions), "--wait", "--skill", "reviews")
    assert done.exit_code == 0, done.output
    tasks = panel.tasks()
    assert {task.input.text for task in tasks} == {f"question {n}" for n in range(40)}
    assert {task.skill for task in tasks} == {"reviews"}
    decided = {Parse(row, Decision()).task_id for row in done.stdout.splitlines()}
    assert decided == {task.id for task in tasks}
    assert "40 published, 40 decided" in done.stderr


def test_bad_lines_are_named_and_the_others_published(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(
        line("one").encode()
        + b"{not json\n"
        + line("two", id="mine").encode()
        + b'{"input": {"text": "x"}, "priority": "PRIORITY_ODD"}\n'
        + b"\n"
        + b'{"input": {"text": "\xff"}}\n'
        + line("x" * 300_000).encode()
        + line("three").encode()
    )
    panel = Panel()
    done = panel.call("publish", str(path))
    assert done.exit_code == 6
    assert {task.input.text for task in panel.tasks()} == {"one", "two", "three"}
    assert "mine" in {task.id for task in panel.tasks()}
    refused = [row for row in done.stderr.splitlines() if row.startswith("comitia: line ")]
    assert [row.split()[2] for row in refused] == ["2:", "4:", "6:", "7:"]
    assert "262,144" in refused[3]


def test_a_broken_run_goes_on_with_the_same_ids(
    questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "WINDOW", 4)
    panel = Panel()
    appended = 0

    def away_after_ten(operation: str, subject: str) -> Exception | None:
        nonlocal appended
        if operation == "append" and "tasks" in subject:
            appended += 1
            if appended > 10:
                return Retryable("the broker is away")
        return None

    panel.fault = away_after_ten
    broken = panel.call("publish", str(questions), "--wait")
    assert broken.exit_code == 5
    assert "run the same command again" in broken.stderr
    first = {task.id for task in panel.tasks()}
    panel.fault = lambda operation, subject: None

    done = panel.call("publish", str(questions), "--wait")
    assert done.exit_code == 0, done.output
    assert "going on after line" in done.stderr
    tasks = panel.tasks()
    ids = {task.id for task in tasks}
    assert first <= ids
    assert len(ids) == 40
    # What the broken run had acknowledged is not sent again, but for the window in flight.
    assert len(tasks) <= 40 + 4
    assert "40 decided" in done.stderr


def test_a_complete_run_is_not_resumed(questions: Path) -> None:
    panel = Panel()
    panel.call("publish", str(questions))
    panel.call("publish", str(questions))
    assert len({task.id for task in panel.tasks()}) == 80


def test_what_stays_undecided_is_told_and_can_be_waited_for_again(
    questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "SLACK_MS", 0)
    slow = True

    def all_but_one(task: Task) -> Decision | None:
        if slow and task.input.text == "question 7":
            return None
        return Decision(task_id=task.id, status=DecisionStatus.DECISION_STATUS_DECIDED)

    panel = Panel(all_but_one)
    done = panel.call("publish", str(questions), "--wait", "--timeout", "10ms")
    assert done.exit_code == 4
    assert "1 without a decision" in done.stderr
    slow = False
    again = panel.call("publish", str(questions), "--wait", "--timeout", "10ms")
    assert again.exit_code == 0, again.output
    assert len(panel.tasks()) == 40


def test_tasks_that_were_decided_before_under_their_ids_are_found(tmp_path: Path) -> None:
    path = tmp_path / "named.jsonl"
    path.write_text(line("a", id="one") + line("b", id="two"))
    # The panel decides an id once, as the aggregator does.
    panel = Panel()
    # What was decided an hour ago by the broker's clock is forgotten; LocalLog's began in 2023.
    panel.clock.advance(int(time.time() * 1000) - panel.clock.now_ms())
    assert panel.call("publish", str(path), "--wait").exit_code == 0
    again = panel.call("publish", str(path), "--wait")
    assert again.exit_code == 0, again.output
    assert "2 decided" in again.stderr


def test_another_status_makes_the_run_end_with_3(questions: Path) -> None:
    status = DecisionStatus.DECISION_STATUS_EXPIRED
    panel = Panel(lambda task: Decision(task_id=task.id, status=status))
    assert panel.call("publish", str(questions), "--wait").exit_code == 3


def test_what_is_left_to_a_person_is_counted_apart(questions: Path) -> None:
    def made(task: Task) -> Decision:
        decision = Decision(task_id=task.id, status=DecisionStatus.DECISION_STATUS_ESCALATED)
        decision.escalation.reason = "no value won"
        return decision

    done = Panel(made).call("publish", str(questions), "--wait")
    assert done.exit_code == 3
    assert "40 ended otherwise, 40 of them left to you (`comitia conflicts`)" in done.stderr


def test_standard_input_is_read_to_its_end() -> None:
    panel = Panel()
    done = panel.call("publish", "-", "--wait", stdin=line("a") + line("b"))
    assert done.exit_code == 0, done.output
    assert {task.input.text for task in panel.tasks()} == {"a", "b"}


def test_a_missing_file_is_named() -> None:
    done = Panel().call("publish", "nowhere.jsonl")
    assert done.exit_code == 2
    assert "nowhere.jsonl" in done.stderr
