"""`comitia settle`: a verdict that names what it settles, and every way in which it settles
nothing, held against the aggregator's own rules.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from typer.testing import Result

from comitia.errors import ConfigError
from comitia.ports import Record, TopicSpec
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.verdict_pb2 import Verdict
from comitia_aggregator.conflict import REFUSED
from comitia_cli.client.settling import Outcome, _follow, read_value
from comitia_cli.commands.settle import _who_was_first
from comitia_cli.shell import Shell
from tests.unit.cli_support import NAMES
from tests.unit.settle_world import Court


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))


def settle(court: Court, value: str = "b", *more: str, because: str = "I looked") -> Result:
    asked = ("settle", "t1", "--value", value, "--because", because, "--by", "ann")
    return court.call(*asked, "--timeout", "5s", *more)


def test_a_verdict_makes_the_next_revision() -> None:
    court = Court()
    court.escalate()
    done = settle(court)
    assert done.exit_code == 0, done.output
    revision = json.loads(done.stdout)
    assert (revision["revision"], revision["value"]) == (1, {"optionId": "b"})
    assert (revision["decidedBy"], revision["settlement"]["because"]) == ("person", "I looked")
    (said,) = court.verdicts()
    place = court.records("decisions")[0]
    assert (said.revision, said.decision_offset, said.by) == (0, place.offset, "ann")


def test_the_same_word_again_is_no_error_and_nothing_is_sent() -> None:
    court = Court()
    court.escalate()
    settle(court)
    again = settle(court)
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["revision"] == 1
    assert len(court.verdicts()) == 1


def test_who_comes_after_another_is_told_whom() -> None:
    court = Court()
    court.escalate()
    settle(court)
    late = settle(court, "a", because="no, look")
    assert late.exit_code == 2
    assert "ann settled it as b because “I looked” (revision 1)" in late.stderr
    assert len(court.verdicts()) == 1


def test_of_two_at_once_one_stands_and_the_other_hears_which() -> None:
    other = Verdict(task_id="t1", decision_offset=-1, by="bob", because="mine first")
    other.value.option_id = "c"
    court = Court(first=other)
    court.escalate()
    done = settle(court)
    assert done.exit_code == 1
    assert "too late: bob settled it as c because “mine first”" in done.stderr


class Told:
    """A feed that gives one record after the other."""

    def __init__(self, *records: tuple[str, Message]) -> None:
        self._records = list(records)

    async def next(self) -> list[Record]:
        topic, message = self._records.pop(0)
        return [Record(topic, 0, 0, 0, b"t1", message.SerializeToString())]


def test_a_refusal_of_somebody_elses_word_is_not_taken_for_ones_own() -> None:
    mine = Verdict(task_id="t1", by="ann", because="I looked")
    others = Verdict(task_id="t1", by="bob", because="I did not")
    letters = []
    for said, task_id in ((others, "t1"), (mine, "t9"), (mine, "t1")):
        value = PanelEvent(task_id=task_id, verdict=said).SerializeToString()
        letters.append(("dead", DeadLetter(reason=REFUSED, task_id=task_id, value=value)))
    letters[-1][1].error = "too late"
    revision = ("decisions", Decision(task_id="t1", revision=1))
    for told, expected in (
        ((*letters[:2], revision), Outcome(revision[1])),
        ((*letters, revision), Outcome(None, "too late")),
    ):
        feed: Any = Told(*told)
        assert asyncio.run(_follow(feed, "decisions", mine)) == expected


def test_who_is_refused_for_being_late_hears_who_was_first() -> None:
    """Another's revision came after the decisions were read and before the verdict."""
    court = Court()
    court.escalate()
    settle(court, "c")

    async def look() -> Outcome:
        async with Shell(open_log=court.open).session("local:1") as session:
            return await _who_was_first(session, ("t1", ""), Verdict(), Outcome(None, "too late"))

    revision = asyncio.run(look()).revision
    assert revision is not None
    assert (revision.revision, revision.value.option_id) == (1, "c")


class Narrow(Court):
    """Dead letters are hidden from this user."""

    async def describe(self, topics: Sequence[str]) -> Mapping[str, TopicSpec]:
        hidden = NAMES.topic("dead-letters")
        return await super().describe([name for name in topics if name != hidden])


def test_settling_needs_no_right_to_read_dead_letters() -> None:
    court = Narrow()
    court.escalate()
    assert settle(court).exit_code == 0


def test_what_the_aggregator_refuses_is_told() -> None:
    """A panel that has moved on: its conflict waits under another revision."""
    court = Court()
    court.escalate()
    court._waiting["t1"].state.conflict = b""  # type: ignore[union-attr]
    done = settle(court)
    assert done.exit_code == 2
    assert "the verdict was refused: no decision of this task waits for a person" in done.stderr


def test_nothing_is_lost_where_nobody_answers_in_time() -> None:
    court = Court(deaf=True)
    court.escalate()
    done = court.call("settle", "t1", "--value", "b", "--because", "so", "--timeout", "200ms")
    assert done.exit_code == 4
    assert "Nothing is lost" in done.stderr
    assert "comitia explain t1" in done.stderr
    assert len(court.verdicts()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("t9", "--value", "b", "--because", "so"), 4, "no decision of task t9 is in the log"),
        (("t1", "--value", "d", "--because", "so"), 2, "none of the options; write one of a, b, c"),
        (("t1", "--value", "b", "--because", " "), 2, "--because: it is empty"),
        (("t1", "--value", "b", "--because", "x" * 5000), 2, "at most 4096"),
        (("t1", "--value", "b", "--because", "so", "--revision", "3"), 2, "revision 0 does"),
        (("t2", "--value", "b", "--because", "so"), 2, "ended DECIDED and is not left to a person"),
    ],
)
def test_what_cannot_settle_anything_is_refused_before_it_is_sent(
    arguments: tuple[str, ...], code: int, words: str
) -> None:
    court = Court()
    court.escalate()
    court.tell(Decision(task_id="t2", status=DecisionStatus.DECISION_STATUS_DECIDED))
    done = court.call("settle", *arguments)
    assert done.exit_code == code, done.output
    assert words in done.stderr
    assert court.verdicts() == []


def test_a_conflict_whose_time_is_over_is_left_to_its_policy() -> None:
    court = Court()
    court.escalate(expires_ms=2_000_000)
    done = settle(court)
    assert done.exit_code == 2
    assert "its time is over" in done.stderr


def test_every_kind_of_answer_is_read_and_says_what_to_write_instead() -> None:
    formats = {kind: AnswerFormat() for kind in ("text", "number", "ranking", "json")}
    for kind, given in formats.items():
        getattr(given, kind).SetInParent()
    formats["number"].number.min, formats["number"].number.unit = 1, "EUR"
    formats["json"].json.schema = '{"type": "object"}'
    for option in "ab":
        formats["ranking"].ranking.options.add(id=option)
    assert read_value("why not", formats["text"]).text == "why not"
    assert read_value("1.5", formats["number"]).number == 1.5
    assert len(read_value("b > a", formats["ranking"]).ranking.tiers) == 2
    assert read_value('{"x": 1}', formats["json"]).json == '{"x": 1}'
    for kind, wrong, words in (
        ("number", "0", r"below the minimum 1; write a number from 1 \(EUR\)"),
        ("ranking", "b > c", "write all of a, b, the best first"),
        ("json", "{", 'write a JSON document for the schema {"type"'),
        ("text", " ", "write a text"),
    ):
        with pytest.raises(ConfigError, match=words):
            read_value(wrong, formats[kind])
