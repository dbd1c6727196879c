"""What is too large is said before it is sent: tasks, cards, reasons; and what a cluster's topic
does not take is a line that was refused, not the end of the file.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import ClassVar, cast

import pytest

from comitia.errors import Poison
from comitia.ports import Ack, Outgoing, Writer
from comitia.v1.decision_pb2 import Decision
from comitia_cli.client.journal import Journal
from comitia_cli.client.publishing import Publication
from comitia_cli.client.tasks import INPUT_BYTES_MAX, TASK_BYTES_MAX, Defaults
from tests.unit.cli_support import NAMES, Panel


def a_line(text: str, option: str = "") -> str:
    options = [{"id": "yes", "text": option}, {"id": "no"}]
    return json.dumps({"input": {"text": text}, "format": {"choice": {"options": options}}})


def a_file(folder: Path, *lines: str) -> str:
    path = folder / "tasks.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (a_line("x" * INPUT_BYTES_MAX), "the input has 262,148 bytes, at most 262,144"),
        (a_line("a", "x" * TASK_BYTES_MAX), "at most 524,288 (512 KiB) are accepted"),
    ],
)
def test_a_task_that_is_too_large_is_a_refused_line(tmp_path: Path, line: str, said: str) -> None:
    panel = Panel()
    done = panel.call("publish", a_file(tmp_path, a_line("a"), line, a_line("b")))
    assert done.exit_code == 6
    assert "line 2: " in done.stderr
    assert said in done.stderr
    assert sorted(task.input.text for task in panel.tasks()) == ["a", "b"]


def test_a_task_that_this_clusters_topic_does_not_take_is_a_refused_line(tmp_path: Path) -> None:
    panel = Panel()
    config = cast(dict[str, str], panel.topic(NAMES.topic("tasks")).spec.config)
    config["max.message.bytes"] = "70000"
    lines = (a_line("a"), a_line("x" * 80_000), a_line("b"))
    done = panel.call("publish", a_file(tmp_path, *lines), "--wait")
    assert done.exit_code == 6
    assert "line 2: " in done.stderr
    assert "max.message.bytes" in done.stderr
    assert "2 published, 2 decided, 0 ended otherwise, 1 line refused" in done.stderr
    assert sorted(task.input.text for task in panel.tasks()) == ["a", "b"]


def test_a_question_that_is_too_large_is_not_asked() -> None:
    panel = Panel()
    done = panel.call("ask", "-", stdin="x" * (INPUT_BYTES_MAX + 1))
    assert (done.exit_code, "shorten it" in done.stderr) == (2, True)
    options = "yes," + "x" * TASK_BYTES_MAX
    done = panel.call("ask", "Why?", "--options", options)
    assert (done.exit_code, "the task has" in done.stderr) == (2, True)
    assert panel.tasks() == []


@pytest.mark.parametrize("option", ["--because", "--root"])
def test_a_cancel_that_says_too_much_is_not_sent(option: str) -> None:
    panel = Panel()
    rest = ("--because", "enough") if option == "--root" else ()
    done = panel.call("cancel", "t-1", option, "x" * 2_000, *rest)
    assert done.exit_code == 2
    assert f"{option}: it has 2000 bytes; at most 1024" in done.stderr
    assert panel.records("commands") == []


def test_a_card_that_is_too_large_is_not_published(tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text(f"name: anna\nversion: 1\nskills: [answer]\nrole: {'r' * 70_000}\n")
    panel = Panel()
    done = panel.call("agents", "add", str(card))
    assert (done.exit_code, "bytes; at most 65536" in done.stderr) == (2, True), done.stderr
    assert panel.records("agents") == []


async def test_a_task_that_the_broker_refuses_after_all_is_a_refused_line(tmp_path: Path) -> None:
    # Somebody made the topic smaller after its limit was looked up.
    class Smaller:
        async def send(self, record: Outgoing) -> Awaitable[Ack]:
            acknowledged = asyncio.get_running_loop().create_future()
            if b"second" in (record.value or b""):
                acknowledged.set_exception(Poison("larger than the topic takes", "TOO_LARGE"))
            else:
                acknowledged.set_result(Ack(record.topic, 0, 0, 0))
            return acknowledged

    class Watcher:
        refusals: ClassVar[list[tuple[int, str]]] = []

        def sent(self, line: int) -> None:
            pass

        def refused(self, line: int, why: str) -> None:
            self.refusals.append((line, why))

        def decided(self, decision: Decision) -> None:
            pass

    async def lines() -> AsyncIterator[bytes]:
        for text in ("first", "second", "third"):
            yield a_line(text).encode()

    publication = Publication(Journal(None, "run"), Watcher())
    await publication.publish(lines(), cast(Writer, Smaller()), "tasks", Defaults())
    assert Watcher.refusals == [(2, "larger than the topic takes")]
    assert (publication.tally.published, publication.tally.refused) == (2, 1)
    assert len(publication.tally.open) == 2
