"""Sizes and topics: what the largest task needs fits into every topic on its way, and a topic that
somebody makes smaller by hand, while it is in use, stops nothing.
"""

from typing import cast

import pytest

from comitia.topics import INBOX, TOPICS
from comitia.v1 import decision_pb2 as d
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import ListedAssignment, PanelEvent, PanelOpened, Seat
from comitia_aggregator.state import Rules
from comitia_router.limits import Limits
from tests.unit.panel_world import DECISIONS, EVENTS, LETTERS, NAMES, Panel, a_task, saying

KIB = 1024


def lower(panel: Panel, topic: str, bytes_max: int) -> None:
    """What somebody does by hand to a topic that is in use."""
    config = cast(dict[str, str], panel.world.log.topic(topic).spec.config)
    config["max.message.bytes"] = str(bytes_max)


@pytest.mark.parametrize("topic", ["comitia.inbox.anna.v1", EVENTS])
def test_a_topic_made_too_small_by_hand_rejects_what_does_not_fit(topic: str) -> None:
    panel = Panel()

    async def story() -> None:
        lower(panel, topic, 70_000)
        task = a_task("large")
        task.input.text = "x" * 100_000
        await panel.publish(task, "large")
        decision = await panel.decided("large")
        assert decision.status == d.DECISION_STATUS_REJECTED
        assert "TOO_LARGE" in decision.explanation
        assert {letter.reason for letter in panel.letters()} == {"TOO_LARGE"}
        await panel.publish(a_task("small"), "small")
        assert (await panel.decided("small")).status == d.DECISION_STATUS_DECIDED

    panel.run(story)


def test_decisions_made_too_small_by_hand_fail_and_keep_the_whole() -> None:
    panel = Panel()
    panel.answers = dict.fromkeys(NAMES, saying(16_000))

    async def story() -> None:
        lower(panel, DECISIONS, 20_000)
        await panel.publish(a_task("t"), "t")
        assert (await panel.decided("t")).status == d.DECISION_STATUS_FAILED
        (letter,) = panel.letters()
        kept = Decision.FromString(letter.value)
        assert (kept.status, len(kept.ballots)) == (d.DECISION_STATUS_DECIDED, 3)

    panel.run(story)


@pytest.mark.parametrize("bytes_max", [600 * KIB, 64 * KIB])
def test_dead_letters_made_too_small_by_hand_keep_the_beginning(bytes_max: int) -> None:
    panel = Panel(Limits(input_bytes_max=1_000))

    async def story() -> None:
        lower(panel, LETTERS, bytes_max)
        task = a_task("large")
        task.input.text = "x" * 900_000
        headers = (("large", b"h" * 50_000),)
        await panel.publish(task, "large", headers=headers)
        decision = await panel.decided("large")
        assert decision.status == d.DECISION_STATUS_REJECTED
        (letter,) = panel.letters()
        assert 0 < len(letter.value) < bytes_max
        assert task.SerializeToString().startswith(letter.value)
        assert "cut to" in letter.error
        (record,) = panel.world.records(LETTERS)
        assert dict(record.headers)["comitia_original_bytes"] == str(task.ByteSize()).encode()

    panel.run(story)


def test_the_largest_task_of_the_largest_panel_fits_into_every_topic_on_its_way() -> None:
    limits = Limits()
    task = a_task("t" * 128)
    task.format.choice.options[0].text = "x" * (limits.task_bytes_max - task.ByteSize() - 10)
    assert task.ByteSize() <= limits.task_bytes_max
    assert limits.task_bytes_max < TOPICS["tasks"].bytes_max
    panel = f"{task.id}@{'f' * 12}-{2**40}"
    opened = PanelOpened(panel_id=panel, task=task, deadline_ms=2**50, task_appended_ms=2**50)
    for seat in range(limits.seats_max):
        opened.seats.append(Seat(seat=seat, agent="a" * 64, role="r" * 1_000, reason="w" * 200))
        for sample in range(limits.samples_max):
            name = f"{panel}.{seat}.{sample}.1"
            opened.assignments.append(ListedAssignment(id=name, seat=seat, sample=sample, round=1))
    largest = PanelEvent(task_id=task.id, panel_opened=opened)
    assert largest.ByteSize() + 10 * KIB < TOPICS["panel-events"].bytes_max
    work = Assignment(id="i" * 300, panel_id=panel, task=task, role="r" * 1_000)
    assert work.ByteSize() + 10 * KIB < INBOX.bytes_max
    assert Rules(DECISIONS).decision_bytes_max + 10 * KIB < TOPICS["decisions"].bytes_max
    assert Rules(DECISIONS).answer_bytes_max + 10 * KIB < TOPICS["panel-events"].bytes_max
