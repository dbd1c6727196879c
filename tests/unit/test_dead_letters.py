"""Dead letters: what they tell, and that a task whose record was poison still ends in a decision,
whichever hop the record was on.
"""

from collections.abc import Sequence

import pytest

from comitia.effects import Effect, Publish, Recorded
from comitia.errors import Poison, Retryable
from comitia.ports import Record
from comitia.runtime import dead_letters
from comitia.v1 import decision_pb2 as d
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.command_pb2 import Command
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import Decision
from comitia_aggregator.state import Rules
from tests.unit.panel_world import (
    COMMANDS,
    DECISIONS,
    EVENTS,
    LETTERS,
    TASKS,
    Panel,
    a_task,
    answer_to,
)
from tests.unit.runtime_world import World, until
from tests.unit.workers_world import Story, work

GARBAGE = b"\xff\xff not protobuf"


def test_a_letter_tells_class_stack_and_origin_in_the_headers_of_kip_1034() -> None:
    def fails() -> None:
        raise KeyError("lookup")

    try:
        try:
            fails()
        except KeyError as error:
            raise Poison("KeyError: 'lookup'", "HANDLER_FAILED", attempts=3) from error
    except Poison as poison:
        why = dead_letters.given_up(poison, "t")
    original = Record("a.topic", 2, 7, 1, b"k", b"v", (("mine", b"\x00"),))
    sent = dead_letters.letter(World().runtime("router"), original, why)
    found = dict(sent.headers)
    errors = {k.rpartition(".")[2]: v for k, v in found.items() if k.startswith("__streams.errors")}
    assert set(errors) == {"exception", "stacktrace", "message", "topic", "partition", "offset"}
    assert errors["exception"] == b"KeyError"
    assert errors["message"] == b"KeyError: 'lookup'"
    assert (errors["topic"], errors["partition"], errors["offset"]) == (b"a.topic", b"2", b"7")
    assert b"in fails" in errors["stacktrace"]
    assert DeadLetter.FromString(sent.value or b"").attempts == 3


def test_the_class_of_an_error_that_has_no_cause_is_its_own() -> None:
    why = dead_letters.given_up(Poison("no", "INVALID_ID"), "")
    assert why.exception == "comitia.errors.Poison"


@pytest.mark.parametrize(("last", "reason"), [(Poison("no"), "POISON"), (KeyError(), None)])
def test_a_letter_tells_how_often_the_answer_was_attempted(
    last: Exception, reason: str | None
) -> None:
    s = Story()

    async def story() -> None:
        s.agent.failing = {"a": [Retryable("busy"), Retryable("busy"), last]}
        await s.write(work("a"))
        await s.start()
        await until(lambda: s.mark == 1)
        (letter,) = s.world.messages(LETTERS, DeadLetter)
        assert (letter.attempts, letter.reason) == (3, reason or "HANDLER_FAILED")

    s.run(story)


def test_exhausted_retries_tell_how_many_there_were() -> None:
    s = Story()

    async def story() -> None:
        s.agent.failing = {"a": [Retryable("busy")] * 1_000}
        await s.write(work("a", s.world.clock.now_ms() + 3_000))
        await s.start()
        await until(lambda: s.mark == 1)
        (letter,) = s.world.messages(LETTERS, DeadLetter)
        assert (letter.reason, letter.attempts) == ("RETRIES_EXHAUSTED", len(s.agent.begun))
        assert letter.attempts > 2

    s.run(story)


def test_an_unreadable_task_ends_rejected() -> None:
    panel = Panel()

    async def story() -> None:
        await panel.publish(GARBAGE, "t-1")
        decision = await panel.decided("t-1")
        assert decision.status == d.DECISION_STATUS_REJECTED
        assert "UNREADABLE" in decision.explanation
        (letter,) = panel.letters()
        assert (letter.value, letter.task_id) == (GARBAGE, "t-1")
        assert decision.dead_letter.topic == LETTERS
        # Read again after its decision is forgotten, it is looked up from then on.
        (event,) = panel.events()
        (appended,) = panel.world.records(TASKS)
        assert event.task_refused.task_appended_ms == appended.timestamp_ms > 0

    panel.run(story)


@pytest.mark.parametrize("poison", [GARBAGE, Command()])
def test_a_command_that_is_none_is_kept_and_its_task_decided_as_if_it_had_not_come(
    poison: bytes | Command,
) -> None:
    panel = Panel()

    async def story() -> None:
        await panel.world.write(COMMANDS, "t-1", poison)
        await panel.publish(a_task("t-1"), "t-1")
        assert (await panel.decided("t-1")).status == d.DECISION_STATUS_DECIDED
        await until(lambda: len(panel.letters()) == 1)
        assert panel.letters()[0].reason == "UNREADABLE"

    panel.run(story)


def test_an_unreadable_assignment_is_kept_and_its_task_decided_without_that_seat() -> None:
    panel = Panel()

    async def story() -> None:
        await panel.world.write("comitia.inbox.anna.v1", "t-1", GARBAGE)
        await panel.publish(a_task("t-1"), "t-1")
        decision = await panel.decided("t-1")
        assert decision.status == d.DECISION_STATUS_DECIDED
        await until(lambda: len(panel.letters()) == 1)
        assert (panel.letters()[0].reason, panel.letters()[0].service) == ("UNREADABLE", "agent")

    panel.run(story)


def test_an_assignment_that_fails_for_good_leaves_an_abstention_in_the_decision() -> None:
    panel = Panel()

    async def fails(recorded: object) -> tuple[()]:
        raise ZeroDivisionError("a bug")

    async def story() -> None:
        await panel.publish(a_task("t-1"), "t-1")
        decision = await panel.decided("t-1")
        assert decision.status == d.DECISION_STATUS_DECIDED
        abstained = [b.agent for b in decision.ballots if b.HasField("abstention")]
        assert abstained == ["ben"]
        (letter,) = panel.letters()
        assert (letter.reason, letter.task_id) == ("HANDLER_FAILED", "t-1")
        assert Assignment.FromString(letter.value).task.id == "t-1"

    panel.answers = {"ben": fails}
    panel.run(story)


def test_an_unreadable_event_ends_its_task_failed() -> None:
    panel = Panel()

    async def story() -> None:
        await panel.world.write(EVENTS, "t-1", GARBAGE)
        decision = await panel.decided("t-1")
        assert decision.status == d.DECISION_STATUS_FAILED
        (letter,) = panel.letters()
        assert (letter.topic, letter.value, letter.task_id) == (EVENTS, GARBAGE, "t-1")
        assert decision.dead_letter.topic == LETTERS

    panel.run(story)


def test_a_decision_that_does_not_fit_is_kept_and_a_small_one_takes_its_place() -> None:
    # No bound of its own, so that the topic's is met.
    panel = Panel(rules=Rules(DECISIONS, answer_bytes_max=2**30, decision_bytes_max=2**30))

    async def story() -> None:
        task = a_task("t-1")
        task.format.text.SetInParent()
        await panel.publish(task, "t-1")
        decision = await panel.decided("t-1")
        assert decision.status == d.DECISION_STATUS_FAILED
        assert "the decision could not be published" in decision.explanation
        (letter,) = panel.letters()
        assert (letter.topic, letter.reason) == (DECISIONS, "TOO_LARGE")
        assert Decision.FromString(letter.value).task_id == "t-1"

    panel.answers = dict.fromkeys(("anna", "ben", "cleo"), at_length)
    panel.run(story)


async def at_length(recorded: Recorded[Assignment]) -> Sequence[Effect]:
    """An answer that the log takes, and of which a decision cannot hold three."""
    assignment = recorded.message
    event = answer_to(assignment)
    event.answer.value.text = "x" * 2_000_000
    topic, partition = assignment.reply_topic, assignment.reply_partition
    return (Publish(topic, assignment.task.id, event, partition),)
