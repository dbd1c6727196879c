"""`comitia feedback`: what was said is about the right decision, of the right kind, and the same
when it is said twice.
"""

import asyncio
import json
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse

from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.value_pb2 import Value
from tests.unit.cli_support import Panel


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))


def decided(
    task_id: str, value: Value, options: tuple[str, ...] = (), revision: int = 0
) -> Decision:
    """A decision of two ballots for `value`."""
    status = DecisionStatus.DECISION_STATUS_DECIDED
    made = Decision(task_id=task_id, revision=revision, status=status, option_ids=options)
    made.value.CopyFrom(value)
    for seat, agent in enumerate(("ada", "bo")):
        made.ballots.add(seat=seat, agent=agent).value.CopyFrom(value)
    return made


def choice(task_id: str, revision: int = 0) -> Decision:
    return decided(task_id, Value(option_id="yes"), ("yes", "no"), revision)


def panel_with(*decisions: Decision) -> Panel:
    panel = Panel(lambda task: None)

    async def put() -> None:
        for one in decisions:
            await panel.put("decisions", one.task_id, one)

    asyncio.run(put())
    return panel


def said(panel: Panel) -> list[Feedback]:
    return [Feedback.FromString(record.value or b"") for record in panel.records("feedback")]


def test_feedback_names_the_decision_that_it_speaks_of() -> None:
    panel = panel_with(*(choice(f"t-{n}") for n in range(12)))
    done = panel.call("feedback", "t-7", "--correct", "no", "--by", "eva")
    assert done.exit_code == 0, done.output
    (one,) = said(panel)
    (record,) = (r for r in panel.records("decisions") if r.key == b"t-7")
    assert (one.decision_partition, one.decision_offset) == (record.partition, record.offset)
    assert (one.task_id, one.correct.option_id, one.by) == ("t-7", "no", "eva")
    assert panel.records("feedback")[0].key == b"t-7"
    assert Parse(done.stdout, Feedback()) == one


def test_the_same_feedback_has_the_same_id_and_another_one_another() -> None:
    panel = panel_with(choice("t-1"), choice("t-2"))
    for task, correct, by in (
        ("t-1", "no", "eva"),
        ("t-1", "no", "eva"),
        ("t-1", "yes", "eva"),
        ("t-1", "no", "tom"),
        ("t-2", "no", "eva"),
    ):
        assert panel.call("feedback", task, "--correct", correct, "--by", by).exit_code == 0
    ids = [one.id for one in sorted(said(panel), key=lambda one: one.id)]
    assert (len(ids), len(set(ids))) == (5, 4)
    assert panel.call("feedback", "t-1", "--correct", "no", "--id", "mine").exit_code == 0
    assert "mine" in {one.id for one in said(panel)}


def test_a_persons_verdict_leaves_the_panels_ballots_to_be_judged() -> None:
    verdict = Decision(task_id="t-1", revision=2, status=DecisionStatus.DECISION_STATUS_DECIDED)
    panel = panel_with(choice("t-1"), choice("t-1", revision=1), verdict)
    assert panel.call("feedback", "t-1", "--correct", "no").exit_code == 0
    (one,) = said(panel)
    found = {(r.partition, r.offset): r for r in panel.records("decisions")}
    about = found[one.decision_partition, one.decision_offset]
    assert Decision.FromString(about.value or b"").revision == 1


@pytest.mark.parametrize(
    ("value", "given", "expected"),
    [
        (Value(option_id="yes"), "yes", Value(option_id="yes")),
        (Value(text="Paris"), "Rome, of course", Value(text="Rome, of course")),
        (Value(number=3), "41.5", Value(number=41.5)),
        (Value(json='{"a": 1}'), '{"a": 2}', Value(json='{"a": 2}')),
    ],
)
def test_a_value_is_read_as_the_kind_that_was_asked_for(
    value: Value, given: str, expected: Value
) -> None:
    panel = panel_with(decided("t-1", value))
    assert panel.call("feedback", "t-1", "--correct", given).exit_code == 0
    assert said(panel)[0].correct == expected


def test_a_ranking_has_ranks_with_ties() -> None:
    ranking = Value()
    for tier in (["a"], ["b", "c"]):
        ranking.ranking.tiers.add(option_ids=tier)
    panel = panel_with(decided("t-1", ranking))
    assert panel.call("feedback", "t-1", "--correct", "c > a = b").exit_code == 0
    tiers = said(panel)[0].correct.ranking.tiers
    assert [list(tier.option_ids) for tier in tiers] == [["c"], ["a", "b"]]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("t-9", "--correct", "yes"), 4, "no decision of this task"),
        (("t-1", "--correct", "maybe"), 2, "none of the task's options: yes, no"),
        (("t-2", "--correct", "many"), 2, "is no number"),
        (("t-3", "--correct", "yes"), 2, "ended NO_AGENT and nobody voted"),
        (("t-1",), 2, "--correct"),
        ((), 2, "TASK_ID and --correct, or --file"),
        (("t-1", "--file", "x.csv"), 2, "TASK_ID and --correct, or --file"),
        (("--file", "x.txt"), 2, ".csv or .jsonl"),
        (("--file", "absent.csv"), 2, "cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    arguments: tuple[str, ...], code: int, words: str
) -> None:
    nobody = Decision(task_id="t-3", status=DecisionStatus.DECISION_STATUS_NO_AGENT)
    panel = panel_with(choice("t-1"), decided("t-2", Value(number=1)), nobody)
    done = panel.call("feedback", *arguments)
    assert (done.exit_code, done.stdout) == (code, ""), done.output
    assert words in " ".join(done.stderr.split())
    assert said(panel) == []


def test_a_table_is_sent_but_for_its_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "right.csv"
    path.write_bytes(
        b"\xef\xbb\xbftask_id,correct,by\n"
        b"t-1,no,\n"
        b"t-2,42,eva\n"
        b"\n"
        b"t-9,no,\n"
        b"t-1,perhaps,\n"
        b"t-1,,\n"
        b"t-1,n\xff,\n"
        b"t-1,no,tom,too many\n"
        b't-3,"yes, on\nbalance",\n'
    )
    others = decided("t-2", Value(number=1)), decided("t-3", Value(text="no"))
    panel = panel_with(choice("t-1"), *others)
    done = panel.call("feedback", "--file", str(path), "--by", "team")
    assert done.exit_code == 6
    found = {one.task_id: one for one in said(panel)}
    assert {task: one.by for task, one in found.items()} == {
        "t-1": "team",
        "t-2": "eva",
        "t-3": "team",
    }
    assert found["t-3"].correct.text == "yes, on\nbalance"
    for line in (5, 6, 7, 8, 9):
        assert f"line {line}: " in done.stderr
    assert "line 8: not UTF-8 text" in done.stderr
    assert "3 sent, 5 lines refused" in done.stderr
    printed = [json.loads(line)["taskId"] for line in done.stdout.splitlines()]
    assert printed == ["t-1", "t-2", "t-3"]


def test_lines_of_json_may_hold_values_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "right.jsonl"
    lines: list[dict[str, object]] = [
        {"task_id": "t-1", "correct": "no", "id": "own"},
        {"taskId": "t-2", "correct": 42},
        {"task_id": "t-3", "correct": {"a": [1]}},
        {"task_id": "t-4", "correct": 1},
        {"task_id": "t-1", "correct": ["no"]},
        {"task_id": "t-1", "correct": "no", "why": "x"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_text(text + "not JSON\n[1]\n")
    others = (
        decided("t-2", Value(number=1)),
        decided("t-3", Value(json="{}")),
        decided("t-4", Value(option_id="0"), ("0", "1")),
    )
    panel = panel_with(choice("t-1"), *others)
    done = panel.call("feedback", "--file", str(path))
    assert done.exit_code == 6
    found = {one.task_id: one for one in said(panel)}
    assert found["t-1"].id == "own"
    assert found["t-2"].correct.number == 42
    assert json.loads(found["t-3"].correct.json) == {"a": [1]}
    assert found["t-4"].correct.option_id == "1"
    assert "line 6: 'why' is no field" in done.stderr
    for line in (5, 7, 8):
        assert f"line {line}: " in done.stderr


def test_a_quotation_mark_that_is_left_open_is_told_with_the_lines_that_it_takes(
    tmp_path: Path,
) -> None:
    panel = panel_with(*(choice(f"t-{number}") for number in range(4)))
    path = tmp_path / "right.csv"
    path.write_text('task_id,correct\nt-0,yes\n"t-1"x,yes\nt-2,"yes"\n"t-3,yes\n\n')
    done = panel.call("feedback", "--file", str(path))
    assert done.exit_code == 6
    assert "line 3: not CSV (',' expected after '\"'): close each quotation mark" in done.stderr
    assert "line 5: read as one up to line 6, not CSV (unexpected end of data)" in done.stderr
    assert "2 sent, 2 lines refused" in done.stderr
    assert {one.task_id for one in said(panel)} == {"t-0", "t-2"}


def test_a_table_without_its_heading_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "right.csv"
    path.write_text("t-1,no\n")
    done = panel_with(choice("t-1")).call("feedback", "--file", str(path))
    assert done.exit_code == 2
    assert "heading" in done.stderr


def test_lines_may_come_from_standard_input() -> None:
    panel = panel_with(choice("t-1"))
    line = '{"task_id": "t-1", "correct": "no"}\n'
    assert panel.call("feedback", "--file", "-", stdin=line).exit_code == 0
    assert len(said(panel)) == 1
