"""The user of a chaos run: what is in the manifest was acknowledged, and says what was sent."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comitia.topics import Names
from comitia.v1.command_pb2 import Command
from comitia.v1.task_pb2 import Task
from tests.chaos import publish
from tests.chaos.publish import WEIGHTS, Publisher

Delivered = Callable[[Any, Any], None]


class Producer:
    """Keeps what is produced; refuses every third record that is asked about."""

    def __init__(self, _: dict[str, Any]) -> None:
        self.sent: list[tuple[str, bytes, str | None, bool]] = []
        self._asked: list[Delivered] = []

    def poll(self, _: float) -> None:
        return

    def produce(
        self, topic: str, value: bytes, key: str | None, on_delivery: Delivered | None = None
    ) -> None:
        refused = on_delivery is not None and len(self._asked) % 3 == 2
        self.sent.append((topic, value, key, refused))
        if on_delivery is not None:
            self._asked.append(on_delivery)
            on_delivery("refused" if refused else None, None)

    def flush(self, _: float) -> None:
        return


@pytest.fixture
async def published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Publisher, Producer, list[dict[str, str]]]:
    """A publisher that has published 300 tasks, its producer, its manifest."""
    producer = Producer({})
    monkeypatch.setattr(publish, "Producer", lambda _: producer)
    monkeypatch.setattr(publish, "WEIGHTS", dict.fromkeys(WEIGHTS, 1))
    publisher = Publisher("127.0.0.1:1", Names("p."), 7, tmp_path / "manifest.jsonl")
    await publisher.run(300, 0.1)
    publisher.close()
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    return publisher, producer, [json.loads(line) for line in lines]


Published = tuple[Publisher, Producer, list[dict[str, str]]]


def test_the_manifest_holds_what_was_acknowledged_and_nothing_else(published: Published) -> None:
    publisher, producer, lines = published
    assert len(lines) == 200
    assert publisher.acknowledged == {line["id"] for line in lines if line["id"]}
    sent = {
        hashlib.sha256(value).hexdigest() for _, value, _, refused in producer.sent if not refused
    }
    assert {line["sha256"] for line in lines} <= sent


def test_every_kind_is_sent_as_its_name_says(published: Published) -> None:
    _, producer, lines = published
    assert {line["kind"] for line in lines} == set(WEIGHTS)
    values: dict[str, list[bytes]] = {}
    for topic, value, key, _ in producer.sent:
        if topic == "p.comitia.tasks.v1":
            values.setdefault(key or "", []).append(value)
    cancelled = {
        Command.FromString(value).cancel.task_id
        for topic, value, _, _ in producer.sent
        if topic == "p.comitia.commands.v1"
    }
    for line in lines:
        mine = values[line["id"]]
        if line["kind"] == "duplicate":
            assert len(mine) > 1 and len(set(mine)) == 1
        elif line["kind"] == "other_content":
            assert len(set(mine)) == 2
        elif line["kind"] == "oversize":
            assert len(Task.FromString(mine[0]).input.text) > 256 * 1024
        assert (line["kind"] == "cancelled") <= (line["id"] in cancelled)
        assert (line["kind"] == "unreadable") == (line["id"] == "")
