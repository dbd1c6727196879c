"""`comitia dlq` on a log in memory: what is open, what is put back and what is refused."""

import asyncio
import io
import json
import time
from typing import Any

import pytest

from comitia.effects import DeadLetter
from comitia.ports import Outgoing, Record
from comitia.runtime import dead_letters
from comitia.topics import Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.dead_letter_pb2 import DeadLetter as DeadLetterMessage
from comitia.v1.decision_pb2 import DECISION_STATUS_REJECTED, Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_cli.client.letters import Letter
from comitia_cli.output import TextConsole
from comitia_cli.show import letters as show
from tests.unit.cli_support import NAMES, Panel
from tests.unit.runtime_world import World

HEADERS = (("traceparent", b"00-abc"), ("mine", b"\x00\xff"))
FRAME = b"\x00\x00\x00\x00\x07\x00"


def undecided(task: Task) -> Decision | None:
    return None


def an_inbox_work(task_id: str, deadline_ms: int) -> bytes:
    work = Assignment(id="a", deadline_ms=deadline_ms)
    work.task.id = task_id
    return work.SerializeToString()


def a_panel(*originals: tuple[str, bytes | None], reason: str = "HANDLER_FAILED") -> Panel:
    """A panel with a dead letter for each (topic, value); keys are t-<n>."""
    panel = Panel(undecided)
    runtime = World().runtime("router")

    async def put() -> None:
        await panel.create([NAMES.inbox_spec("anna")])
        writer = await panel.writer()
        for number, (topic, value) in enumerate(originals):
            record = Record(topic, 3, 70 + number, 1_000, f"t-{number}".encode(), value, HEADERS)
            why = DeadLetter(reason, "it broke", f"t-{number}")
            await (await writer.send(dead_letters.letter(runtime, record, why)))
        await writer.close()

    asyncio.run(put())
    return panel


def tasks(*ids: str) -> list[tuple[str, bytes | None]]:
    return [(NAMES.topic("tasks"), Task(id=one).SerializeToString()) for one in ids]


def listed(panel: Panel, *options: str) -> list[dict[str, Any]]:
    done = panel.call("dlq", "list", *options)
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_replayed_is_the_original_with_key_and_headers_and_is_done_then() -> None:
    value = FRAME + Task(id="t-0").SerializeToString()
    panel = a_panel((NAMES.topic("tasks"), value), *tasks("t-1"))
    done = panel.call("dlq", "replay", "0")
    assert done.exit_code == 0, done.stderr
    (sent,) = panel.records("tasks")
    assert (sent.key, sent.value, sent.headers) == (b"t-0", value, HEADERS)
    said = json.loads(done.stdout)
    assert (said["offset"], said["action"], said["taskId"]) == (0, "REPLAYED", "t-0")
    assert said["to"]["topic"] == NAMES.topic("tasks")
    assert [row["offset"] for row in listed(panel)] == [1]
    assert [row["state"] for row in listed(panel, "--all")] == ["REPLAYED", "OPEN"]


def test_what_is_discarded_is_kept_and_no_longer_open() -> None:
    panel = a_panel(*tasks("t-0", "t-1", "t-2"))
    assert panel.call("dlq", "discard", "1").exit_code == 0
    assert [row["offset"] for row in listed(panel)] == [0, 2]
    done = panel.call("dlq", "discard", "--all")
    assert len(done.stdout.splitlines()) == 2
    assert listed(panel) == []
    assert [row["state"] for row in listed(panel, "--all")] == ["DISCARDED"] * 3
    assert panel.records("tasks") == []


def test_filters_choose_by_reason_and_task() -> None:
    panel = a_panel(*tasks("t-0", "t-1", "t-2"))
    assert listed(panel, "--reason", "UNREADABLE") == []
    assert len(listed(panel, "--reason", "HANDLER_FAILED")) == 3
    assert [row["offset"] for row in listed(panel, "--task", "t-1")] == [1]
    panel.call("dlq", "replay", "--task", "t-1", "--reason", "HANDLER_FAILED")
    assert [r.key for r in panel.records("tasks")] == [b"t-1"]
    panel.call("dlq", "replay", "--all")
    assert sorted(r.key or b"" for r in panel.records("tasks")) == [b"t-0", b"t-1", b"t-2"]
    assert panel.call("dlq", "replay", "--all").exit_code == 0
    assert len(panel.records("tasks")) == 3


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_a_choice_must_be_made_and_must_exist(verb: str) -> None:
    panel = a_panel(*tasks("t-0"))
    for arguments, said in [
        ((), "--all, --reason or --task"),
        (("0", "--all"), "not both"),
        (("0", "9"), "no dead letter at offset 9"),
    ]:
        done = panel.call("dlq", verb, *arguments)
        assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert panel.records("tasks") == []
    assert [row["offset"] for row in listed(panel)] == [0]


def test_an_assignment_past_its_deadline_is_refused_and_another_is_put_back() -> None:
    inbox, now_ms = NAMES.inbox("anna"), round(time.time() * 1000)
    panel = a_panel(
        (inbox, an_inbox_work("t-0", now_ms - 60_000)), (inbox, an_inbox_work("t-1", 2**50))
    )
    done = panel.call("dlq", "replay", "--all")
    assert done.exit_code == 6
    assert "letter 0 is not replayed: its deadline passed 60 s ago" in done.stderr
    assert [json.loads(line)["offset"] for line in done.stdout.splitlines()] == [1]
    assert [row["offset"] for row in listed(panel)] == [0]


def test_a_decided_task_is_asked_again_under_a_new_id_only() -> None:
    panel = a_panel(*tasks("t-0"))
    ended = Decision(task_id="t-0", status=DECISION_STATUS_REJECTED)
    asyncio.run(panel.put("decisions", "t-0", ended))
    done = panel.call("dlq", "replay", "0")
    assert done.exit_code == 6
    assert "task t-0 ended REJECTED" in done.stderr
    assert "--new-id" in done.stderr
    assert panel.tasks() == []
    done = panel.call("dlq", "replay", "0", "--new-id")
    assert done.exit_code == 0, done.stderr
    (again,) = panel.tasks()
    assert again.id == json.loads(done.stdout)["taskId"] == "t-0.again-0-0"
    assert panel.records("tasks")[0].key == b"t-0.again-0-0"
    assert listed(panel) == []


def test_a_task_of_the_longest_id_gets_a_new_one_that_is_valid() -> None:
    panel = a_panel((NAMES.topic("tasks"), Task(id="x" * 128).SerializeToString()))
    assert panel.call("dlq", "replay", "0", "--new-id").exit_code == 0
    (again,) = panel.tasks()
    assert len(again.id) == 128
    assert again.id.endswith("x.again-0-0")


def test_an_event_goes_back_into_the_partition_of_its_task() -> None:
    event = PanelEvent(task_id="t-0").SerializeToString()
    panel = a_panel((NAMES.topic("panel-events"), event))
    assert panel.call("dlq", "replay", "0").exit_code == 0
    (sent,) = panel.records("panel-events")
    assert (sent.partition, sent.value) == (3, event)


@pytest.mark.parametrize(
    ("original", "said"),
    [
        ((NAMES.topic("decisions"), Decision().SerializeToString()), "nobody but a service"),
        (("another.topic", b"x"), "nobody but a service"),
        ((NAMES.topic("tasks"), b"x" * 9_000_000), "not hold the whole original (of 9000000"),
        ((NAMES.topic("tasks"), None), "it holds no value; the record was at"),
    ],
)
def test_what_cannot_be_put_back_is_refused_with_a_sentence(
    original: tuple[str, bytes | None], said: str
) -> None:
    panel = a_panel(original)
    done = panel.call("dlq", "replay", "0")
    assert done.exit_code == 6
    assert said in done.stderr
    assert len(listed(panel)) == 1


def test_a_new_id_is_for_readable_tasks_only() -> None:
    card = AgentCard(name="anna", version=1).SerializeToString()
    panel = a_panel((NAMES.topic("agents"), card), (NAMES.topic("tasks"), b"\xff"))
    done = panel.call("dlq", "replay", "--all", "--new-id")
    assert done.exit_code == 6
    assert done.stderr.count("only a task that can be read") == 2
    assert panel.call("dlq", "replay", "--all").exit_code == 0
    assert panel.records("agents")[0].value == card


def test_a_letter_dealt_with_is_not_replayed_once_more() -> None:
    panel = a_panel(*tasks("t-0"))
    panel.call("dlq", "discard", "0")
    done = panel.call("dlq", "replay", "0")
    assert (done.exit_code, "it was discarded already" in done.stderr) == (6, True)
    assert panel.tasks() == []


def test_a_letter_dealt_with_is_not_discarded_once_more() -> None:
    panel = a_panel(*tasks("t-0", "t-1"))
    panel.call("dlq", "replay", "0")
    done = panel.call("dlq", "discard", "0", "1")
    assert (done.exit_code, "letter 0 was replayed already" in done.stderr) == (0, True)
    assert [row["state"] for row in listed(panel, "--all")] == ["REPLAYED", "DISCARDED"]


def test_a_record_that_is_no_letter_is_passed_over_aloud() -> None:
    panel = a_panel(*tasks("t-0"))

    async def put() -> None:
        await panel.put("dead-letters", "k", Task())
        writer = await panel.writer()
        await (await writer.send(Outgoing(NAMES.topic("dead-letters"), b"\xff", b"k")))

    asyncio.run(put())
    done = panel.call("dlq", "list")
    assert done.exit_code == 0
    assert "passed over" in done.stderr


def test_marks_of_one_prefix_speak_of_its_letters() -> None:
    names = Names("staging.")
    letter = Record(names.topic("dead-letters"), 0, 5, 1, None, b"x")
    sent = dead_letters.mark(letter, "DISCARDED", "cli", World().runtime().codec)
    assert (sent.topic, sent.partition, sent.key) == (letter.topic, 0, None)
    assert dict(sent.headers)["comitia_resolves"] == b"5"


def test_on_a_terminal_a_letter_is_told_in_words() -> None:
    letter = DeadLetterMessage(
        topic="comitia.tasks.v1",
        service="router",
        reason="TOO_LARGE",
        error="the task has 9 bytes",
        attempts=3,
        task_id="t-1",
        value=b"\xff" * 300,
    )
    record = Record("comitia.dead-letters.v1", 0, 7, 1_700_000_000_000, None, b"")
    console = TextConsole(width=150, record=True, file=io.StringIO())
    console.print(show.table([Letter(letter, record), Letter(letter, record, "REPLAYED")]))
    console.print(show.whole(Letter(letter, record, "DISCARDED"), None))
    console.print(show.whole(Letter(letter, record), {"id": "t-1"}))
    said = console.export_text()
    for part in ("TOO_LARGE", "open", "replayed", "tried 3 times", "2023-11-14", "comitia explain"):
        assert part in said
    assert "and 44 bytes more" in said
    assert '"id": "t-1"' in said
