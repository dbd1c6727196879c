"""`comitia agents`, `topics` and `dlq` on a log in memory."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from comitia.cards import digest_of
from comitia.ports import TopicSpec
from comitia.testing.local_log import LocalTopic
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.task_pb2 import Task
from comitia_cli.client.catalogue import compare
from tests.unit.cli_support import NAMES, Panel

CARD = """
name: {name}
version: {version}
description: {description}
skills: [answer]
noHeartbeat: {silent}
"""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMITIA_STATE_DIR", str(tmp_path / "state"))


def write(path: Path, version: int = 1, description: str = "Mine.", silent: str = "true") -> str:
    path.write_text(
        CARD.format(name="mine", version=version, description=description, silent=silent)
    )
    return str(path)


def listed(panel: Panel) -> list[dict[str, object]]:
    done = panel.call("agents")
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_added_agent_has_an_inbox_and_is_listed(tmp_path: Path) -> None:
    panel = Panel()
    assert panel.call("agents", "add", write(tmp_path / "card.yaml")).exit_code == 0
    (agent,) = listed(panel)
    assert agent["alive"] is True
    assert agent["card"] == {
        "name": "mine",
        "version": 1,
        "description": "Mine.",
        "skills": ["answer"],
        "noHeartbeat": True,
    }
    assert asyncio.run(panel.describe([NAMES.inbox("mine")]))


def test_the_same_card_again_changes_nothing(tmp_path: Path) -> None:
    panel = Panel()
    card = write(tmp_path / "card.yaml")
    panel.call("agents", "add", card)
    assert panel.call("agents", "add", card).exit_code == 0
    assert len(panel.records("agents")) == 1


def test_another_card_of_the_same_version_is_refused_and_a_higher_version_taken(
    tmp_path: Path,
) -> None:
    panel = Panel()
    panel.call("agents", "add", write(tmp_path / "a.yaml"))
    other = panel.call("agents", "add", write(tmp_path / "b.yaml", description="Other."))
    assert other.exit_code == 2
    assert "give yours version 2" in other.stderr
    assert panel.call("agents", "add", write(tmp_path / "c.yaml", version=2)).exit_code == 0
    older = panel.call("agents", "add", write(tmp_path / "a.yaml"))
    assert older.exit_code == 2
    assert "already at version 2" in older.stderr
    (agent,) = listed(panel)
    assert agent["card"]["version"] == 2  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: Not Good\nversion: 1\nskills: [a]", "a-z 0-9 -"),
        ("name: mine\nskills: [a]", "version"),
        ("name: mine\nversion: 1", "skills"),
        ("name: mine\nversion: 1\nskills: [a]\ncolour: red", "colour"),
        ("name: mine\nversion: 1\nmodel: smollm2\nskills: {answer: {}}", "folder of agents"),
        ("[1, 2", "cannot be read"),
    ],
)
def test_a_card_that_cannot_be_used_says_why(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(text)
    done = Panel().call("agents", "add", str(path))
    assert done.exit_code == 2
    assert says in done.stderr


def test_an_agent_is_alive_for_three_heartbeats(tmp_path: Path) -> None:
    panel = Panel()
    card = AgentCard(name="mine", version=1, skills=["answer"])
    beat = Heartbeat(agent="mine", version=1, interval_ms=2_000)

    async def beat_once() -> None:
        await panel.put("agents", f"mine@1@{digest_of(card)}", card)
        await panel.put("heartbeats", "mine", beat)

    asyncio.run(beat_once())
    assert listed(panel)[0]["alive"] is True
    panel.clock.advance(6_001)
    asyncio.run(panel.put("heartbeats", "router", Heartbeat(service="router", interval_ms=2_000)))
    assert listed(panel)[0]["alive"] is False


def test_a_removed_agent_is_gone_and_may_come_back(tmp_path: Path) -> None:
    panel = Panel()
    for version in (1, 2):
        panel.call("agents", "add", write(tmp_path / "card.yaml", version=version))
    assert panel.call("agents", "remove", "mine").exit_code == 0
    assert listed(panel) == []
    again = panel.call("agents", "remove", "mine")
    assert again.exit_code == 2
    assert "no agent is called 'mine'" in again.stderr
    panel.call("agents", "add", write(tmp_path / "card.yaml", version=1))
    assert len(listed(panel)) == 1


def test_a_running_agent_is_not_removed() -> None:
    panel = Panel()
    card = AgentCard(name="mine", version=1, skills=["answer"])
    beat = Heartbeat(agent="mine", version=1, interval_ms=2_000)

    async def put() -> None:
        await panel.put("agents", f"mine@1@{digest_of(card)}", card)
        await panel.put("heartbeats", "mine", beat)

    asyncio.run(put())
    done = panel.call("agents", "remove", "mine")
    assert done.exit_code == 2
    assert "stop it first" in done.stderr
    assert len(listed(panel)) == 1


def test_of_two_cards_the_first_stands() -> None:
    panel = Panel()
    first = AgentCard(name="mine", version=1, skills=["a"], no_heartbeat=True)
    second = AgentCard(name="mine", version=1, skills=["b"], no_heartbeat=True)

    async def put() -> None:
        for card in (first, second):
            await panel.put("agents", f"mine@1@{digest_of(card)}", card)

    asyncio.run(put())
    (agent,) = listed(panel)
    assert agent["card"]["skills"] == ["a"]  # type: ignore[index]


def test_missing_topics_are_named_and_made() -> None:
    panel = Panel()
    panel._topics.pop(NAMES.topic("feedback"))
    done = panel.call("topics")
    assert done.exit_code == 1
    states = {row["topic"]: row["exists"] for row in map(json.loads, done.stdout.splitlines())}
    assert states[NAMES.topic("feedback")] is False
    assert states[NAMES.topic("tasks")] is True
    assert panel.call("topics", "--apply").exit_code == 0
    assert panel.call("topics").exit_code == 0


def test_inboxes_of_agents_that_have_no_card_yet_are_made_by_name() -> None:
    panel = Panel()
    own = ("--inbox", "mine", "--inbox", "mine.high")
    done = panel.call("topics", "--apply", *own)
    assert done.exit_code == 0, done.output
    made = {json.loads(line)["topic"] for line in done.stdout.splitlines()}
    assert {NAMES.inbox("mine"), NAMES.inbox("mine", high=True)} <= made
    assert panel.call("topics", "--inbox", "Not a name").exit_code == 2


def test_a_setting_that_differs_is_told_with_both_values() -> None:
    (wanted,) = [spec for spec in NAMES.specs() if spec.name == NAMES.topic("tasks")]
    config = {**wanted.config, "message.timestamp.type": "CreateTime"}
    found = TopicSpec(wanted.name, 6, 1, config)
    assert dict(compare(wanted, found).differs) == {
        "message.timestamp.type": ("LogAppendTime", "CreateTime"),
        "partitions": ("4", "6"),
    }


def test_a_difference_that_services_bear_is_no_failure_of_apply_and_another_is() -> None:
    panel = Panel()
    tasks = NAMES.topic("tasks")
    (wanted,) = [spec for spec in NAMES.specs() if spec.name == tasks]
    panel._topics[tasks] = LocalTopic(replace(wanted, partitions=8), ())
    assert panel.call("topics").exit_code == 1
    grown = panel.call("topics", "--apply")
    assert grown.exit_code == 0
    assert "partitions is 8" in grown.stderr
    config = {**wanted.config, "message.timestamp.type": "CreateTime"}
    panel._topics[tasks] = LocalTopic(replace(wanted, config=config), ())
    refused = panel.call("topics", "--apply")
    assert refused.exit_code == 1
    assert "no service starts on this" in refused.stderr


def test_a_missing_topic_stops_a_command_with_what_to_do() -> None:
    panel = Panel()
    panel._topics.clear()
    done = panel.call("ask", "Why?")
    assert done.exit_code == 2
    assert "comitia topics --apply" in done.stderr


def letters() -> Panel:
    panel = Panel()
    readable = DeadLetter(
        topic=NAMES.topic("tasks"),
        offset=5,
        value=Task(id="t-1").SerializeToString(),
        service="router",
        reason="DUPLICATE_ID",
        error="t-1 was asked with another content",
        task_id="t-1",
    )
    bytes_only = DeadLetter(
        topic=NAMES.topic("tasks"), value=b"\xff\xfe", service="router", reason="UNREADABLE"
    )

    async def put() -> None:
        for letter in (readable, bytes_only):
            await panel.put("dead-letters", "k", letter)

    asyncio.run(put())
    return panel


def test_dead_letters_are_listed_and_shown_with_their_originals() -> None:
    panel = letters()
    rows = [json.loads(line) for line in panel.call("dlq", "list").stdout.splitlines()]
    assert [(row["offset"], row["deadLetter"]["reason"]) for row in rows] == [
        (0, "DUPLICATE_ID"),
        (1, "UNREADABLE"),
    ]
    assert json.loads(panel.call("dlq", "show", "0").stdout)["original"] == {"id": "t-1"}
    assert json.loads(panel.call("dlq", "show", "1").stdout)["original"] is None


def test_a_dead_letter_that_is_not_there_is_said_so() -> None:
    done = letters().call("dlq", "show", "7")
    assert done.exit_code == 2
    assert "comitia dlq list" in done.stderr
