"""What a newer version writes: unknown fields survive every hop on which their message is carried,
and unknown kinds are passed over without harm to anything else. On the real handlers and loops.
"""

from collections.abc import Sequence

import pytest
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from comitia.effects import Effect, Publish, Recorded
from comitia.v1 import decision_pb2 as d
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.command_pb2 import Command
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia.v1.verdict_pb2 import Verdict
from tests.unit.panel_world import COMMANDS, EVENTS, NAMES, Panel, a_task, answer, answer_to
from tests.unit.runtime_world import M, until

FIELD, SAID = 1_000, b"from a newer version"
# Tag of field 1000 with length-delimited content, as a varint; then its length.
UNKNOWN = bytes([0xC2, 0x3E, len(SAID)]) + SAID


def newer(message: M) -> M:
    """The message with a field that today's classes do not know."""
    message.MergeFromString(UNKNOWN)
    return message


def has_unknown(message: Message) -> bool:
    unknown = UnknownFieldSet(message)
    return len(unknown) == 1 and (unknown[0].field_number, unknown[0].data) == (FIELD, SAID)


def parts(task: Task) -> Sequence[Message]:
    """Where this test puts a newer field into a task."""
    policy, options = task.policy, task.format.choice.options
    return (task, task.input, policy, task.format, task.format.choice, *options, task.budget)


def a_newer_task(task_id: str) -> Task:
    task = a_task(task_id)
    for part in parts(task):
        newer(part)
    return task


def inbox(panel: Panel) -> list[Assignment]:
    return [
        work
        for name in NAMES
        for work in panel.world.messages(panel.world.names.inbox(name), Assignment)
    ]


async def newer_answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
    assignment = recorded.message
    event = answer_to(assignment)
    for part in (event, event.answer, event.answer.value, event.answer.usage):
        newer(part)
    topic, partition = assignment.reply_topic, assignment.reply_partition
    return (Publish(topic, assignment.task.id, event, partition),)


def test_a_newer_task_reaches_agents_and_log_as_it_was_and_newer_values_the_decision() -> None:
    panel = Panel()
    panel.answers = dict.fromkeys(NAMES, newer_answer)

    async def story() -> None:
        task = a_newer_task("t")
        await panel.publish(task, "t")
        decision = await panel.decided("t")
        assert decision.status == d.DECISION_STATUS_DECIDED
        (opened,) = (e.panel_opened for e in panel.events() if e.HasField("panel_opened"))
        carried = [opened.task, *(work.task for work in inbox(panel))]
        assert len(carried) == 1 + len(NAMES)
        for found in carried:
            assert found.SerializeToString(deterministic=True) == task.SerializeToString(
                deterministic=True
            )
            assert all(has_unknown(part) for part in parts(found))
        assert has_unknown(decision.value)
        assert all(has_unknown(ballot.value) for ballot in decision.ballots)
        assert all(has_unknown(ballot.usage) for ballot in decision.ballots)

    panel.run(story)


def test_a_newer_task_that_is_refused_is_told_to_its_log_as_it_was() -> None:
    panel = Panel()

    async def story() -> None:
        task = a_newer_task("t")
        task.skill = "nobody has it"
        await panel.publish(task, "t")
        assert (await panel.decided("t")).status == d.DECISION_STATUS_NO_AGENT
        (refused,) = (e.task_refused for e in panel.events())
        assert all(has_unknown(part) for part in parts(refused.task))

    panel.run(story)


def test_a_newer_verdict_reaches_the_log_as_it_was() -> None:
    panel = Panel()

    async def story() -> None:
        verdict = newer(Verdict(task_id="t"))
        newer(verdict.value).option_id = "yes"
        await panel.world.write(COMMANDS, "t", Command(verdict=verdict))
        await until(lambda: len(panel.events()) == 1)
        (event,) = panel.events()
        assert has_unknown(event.verdict)
        assert has_unknown(event.verdict.value)

    panel.run(story)


def test_a_dead_letter_keeps_a_newer_original_byte_for_byte() -> None:
    panel = Panel()

    async def story() -> None:
        task = a_newer_task("")
        await panel.publish(task, "no id")
        await until(lambda: len(panel.letters()) == 1)
        assert panel.letters()[0].value == task.SerializeToString()

    panel.run(story)


def test_the_same_newer_task_twice_is_one_task_and_another_newer_field_is_another() -> None:
    panel = Panel()

    async def story() -> None:
        await panel.publish(a_newer_task("t"), "t")
        await panel.decided("t")
        await panel.publish(a_newer_task("t"), "t")
        await until(lambda: len([e for e in panel.events() if e.HasField("panel_opened")]) == 2)
        assert panel.letters() == []
        await panel.publish(a_task("t"), "t")
        await until(lambda: len(panel.letters()) == 1)
        assert panel.letters()[0].reason == "DUPLICATE_ID"
        assert len(panel.decisions()) == 1

    panel.run(story)


def test_an_event_of_a_newer_kind_is_passed_over() -> None:
    panel = Panel()
    asked: list[str] = []

    async def slow(recorded: Recorded[Assignment]) -> Sequence[Effect]:
        asked.append(recorded.message.task.id)
        # Between the panel and the answer that decides it.
        await panel.world.write(EVENTS, "t", newer(PanelEvent(task_id="t")), partition(recorded))
        return await answer(recorded)

    def partition(recorded: Recorded[Assignment]) -> int:
        return recorded.message.reply_partition

    async def story() -> None:
        for number in range(4):
            await panel.world.write(EVENTS, "x", newer(PanelEvent(task_id="x")), number)
        await panel.publish(a_task("t"), "t")
        assert (await panel.decided("t")).status == d.DECISION_STATUS_DECIDED
        assert asked
        # Nothing of it stays open: the mark passes it.
        await until(
            lambda: (
                sum(
                    panel.world.committed("comitia.aggregator", EVENTS, number) or 0
                    for number in range(4)
                )
                == len(panel.events())
            )
        )
        assert panel.letters() == []

    panel.answers = {"ben": slow}
    panel.run(story)


def test_a_command_of_a_newer_kind_is_kept_for_a_newer_router() -> None:
    panel = Panel()

    async def story() -> None:
        await panel.world.write(COMMANDS, "t", newer(Command()))
        await until(lambda: len(panel.letters()) == 1)
        assert has_unknown(Command.FromString(panel.letters()[0].value))

    panel.run(story)


@pytest.mark.parametrize("part", ["input", "format"])
def test_a_task_of_a_newer_kind_is_rejected_with_a_sentence(part: str) -> None:
    panel = Panel()

    async def story() -> None:
        task = a_task("t")
        task.ClearField(part)
        newer(getattr(task, part))
        await panel.publish(task, "t")
        decision = await panel.decided("t")
        assert decision.status == d.DECISION_STATUS_REJECTED
        assert f"{part}: it is empty; set one of" in decision.explanation

    panel.run(story)
