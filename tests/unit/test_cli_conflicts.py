"""`comitia conflicts`: what waits for a person, what no longer does, and what it says of each."""

import io
import json
import time
from pathlib import Path

import pytest

from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_EXPIRED,
    Decision,
    DecisionStatus,
)
from comitia.v1.task_pb2 import Task
from comitia_cli.client.conflicts import Conflict
from comitia_cli.client.decisions import Found
from comitia_cli.output import TextConsole
from comitia_cli.show.conflicts import conflict_table, escalation_view, span, time_text
from comitia_cli.show.decision import one_line
from tests.unit.cli_support import Panel
from tests.unit.conflict_world import escalated
from tests.unit.settle_world import FAR_MS, Court


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))


def rows(court: Court, *arguments: str) -> list[dict[str, object]]:
    done = court.call("conflicts", *arguments)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def revision(status: DecisionStatus, expired: bool) -> Decision:
    made = Decision(task_id="t1", revision=1, status=status)
    made.settlement.by, made.settlement.because = "ann", "I looked"
    made.settlement.expired = expired
    return made


def test_it_says_what_waits_and_all_that_a_person_needs() -> None:
    court = Court()
    court.escalate("late")
    court.escalate("soon", FAR_MS - 1)
    decided = Decision(task_id="t2", status=DECISION_STATUS_DECIDED)
    decided.value.option_id = "a"
    court.tell(decided)
    found = rows(court)
    assert [row["task_id"] for row in found] == ["soon", "late"], "what expires first comes first"
    place = next(one for one in court.records("decisions") if one.key == b"soon")
    assert (found[0]["partition"], found[0]["offset"]) == (place.partition, place.offset)
    assert (found[0]["revision"], found[0]["state"], found[0]["reason"]) == (0, "open", "always")
    assert (found[0]["question"], found[0]["skill"]) == ("Which?", "sentiment")
    candidates = [(c["value"], c["agents"]) for c in found[0]["candidates"]]  # type: ignore[attr-defined]
    assert candidates == [("a", ["a0", "a1"]), ("b", ["a2"]), ("c", ["a3"])]


@pytest.mark.parametrize("expired", [False, True])
def test_what_is_settled_or_has_expired_is_listed_only_on_demand(expired: bool) -> None:
    court = Court()
    court.escalate()
    status = DECISION_STATUS_EXPIRED if expired else DECISION_STATUS_DECIDED
    court.tell(revision(status, expired))
    assert rows(court) == []
    (row,) = rows(court, "--all")
    assert row["state"] == "settled"
    assert ("nobody settled it" in str(row["settled"])) == expired


def test_a_conflict_whose_time_is_over_waits_no_more() -> None:
    court = Court()
    court.escalate(expires_ms=int(time.time() * 1000) - 1)
    assert rows(court) == []
    assert [row["state"] for row in rows(court, "--all")] == ["expired"]


def test_only_those_since_a_time() -> None:
    court = Court()
    court.escalate()
    assert len(rows(court, "--since", "1970-01-01T00:00+00:00")) == 1
    assert rows(court, "--since", "2099-01-01T00:00+00:00") == []


def test_a_person_reads_how_long_is_left_and_which_command_settles_it() -> None:
    court = Court()
    made = court.escalate()
    (record,) = court.records("decisions")
    out = io.StringIO()
    console = TextConsole(file=out, width=160)
    console.print(conflict_table([Conflict(Found(made, record))], FAR_MS - 7_200_000))
    console.print(escalation_view(made))
    text = " ".join(out.getvalue().split())
    assert " 2 h always a 0.50, b 0.25, c 0.25" in text
    assert 'comitia settle t1 --value V --because "..." (for V write one of a, b, c)' in text
    assert "until 2100-01-01 00:00:00 UTC; then it ends without a value" in text


def test_a_time_that_no_calendar_has_breaks_nothing() -> None:
    assert [time_text(ms) for ms in (-1, 2**62)] == [f"{ms} ms after 1970" for ms in (-1, 2**62)]
    assert time_text(253_402_300_799_999) == "9999-12-31 23:59:59"


def test_spans_are_rounded_down_to_one_unit() -> None:
    assert [span(s) for s in (0, 59, 60, 7_199, 90_000)] == ["0 s", "59 s", "1 min", "1 h", "1 d"]


def test_a_waiting_ask_ends_with_the_command_that_settles_it() -> None:
    def left_to_you(task: Task) -> Decision:
        made, _ = escalated()
        made.task_id = task.id
        return made

    done = Panel(left_to_you).call("ask", "Which?", "--options", "a,b,c")
    assert done.exit_code == 3
    task_id = json.loads(done.stdout)["taskId"]
    assert f"left it to you; settle it: comitia settle {task_id} --value V" in done.stderr


def test_a_stream_of_decisions_says_what_is_left_to_a_person_and_who_settled_it() -> None:
    made, _ = escalated()
    assert "always: left to a person" in one_line(made).plain
    line = one_line(revision(DECISION_STATUS_EXPIRED, expired=True)).plain
    assert line.startswith("EXPIRED  nobody settled it in time, and its policy ended it with no")
    settled = revision(DECISION_STATUS_DECIDED, expired=False)
    settled.value.option_id = "b"
    assert (
        "DECIDED  b  ann settled it as b because “I looked” (revision 1)" in one_line(settled).plain
    )
    assert "votes" not in one_line(settled).plain
