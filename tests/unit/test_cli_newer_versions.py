"""What the command line makes of words that only a newer version knows, and of odd headers."""

import io

from comitia.ports import Record
from comitia.v1.decision_pb2 import Decision
from comitia_cli.client.letters import _resolved
from comitia_cli.output import TextConsole
from comitia_cli.show.decision import one_line, small_print, whole

NEWER = 99


def text_of(*things: object) -> str:
    out = io.StringIO()
    console = TextConsole(file=out, width=120)
    for thing in things:
        console.print(thing)
    return out.getvalue()


def test_a_decision_of_a_newer_version_is_shown_with_numbers_for_what_is_unknown() -> None:
    decision = Decision(task_id="t1")
    decision.MergeFromString(b"\x18\x63\x30\x63")  # status and method 99
    decision.ballots.add(agent="anna").abstention.MergeFromString(b"\x08\x63")
    assert (decision.status, decision.method) == (NEWER, NEWER)
    shown = text_of(one_line(decision), whole(decision), small_print(decision))
    assert "99" in one_line(decision).plain
    assert "abstains (99)" in shown
    assert "method 99," in shown


def test_a_mark_with_a_number_that_is_no_offset_is_none() -> None:
    def mark(value: bytes) -> int | None:
        return _resolved(Record("dead", 0, 1, 0, None, b"", (("comitia_resolves", value),)))

    assert mark(b"7") == 7
    assert mark(b"9" * 5_000) is None
    assert mark(b"x") is None
