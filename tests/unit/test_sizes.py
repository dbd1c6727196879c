"""What is too large, at every hop: it is kept, its task ends in a decision that says so, and
whatever comes next goes on. All in a panel of the real router, aggregator and workers.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from comitia.effects import Effect, Recorded
from comitia.errors import Poison
from comitia.runtime.partitioner import partition_of
from comitia.v1 import decision_pb2 as d
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.cancel_pb2 import Cancel
from comitia.v1.command_pb2 import Command
from comitia.v1.heartbeat_pb2 import Heartbeat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_aggregator.state import Rules
from comitia_router.agents import AgentTable
from comitia_router.limits import Limits
from tests.unit.panel_world import (
    AGENTS,
    COMMANDS,
    DECISIONS,
    EVENTS,
    NAMES,
    PARTITIONS,
    TASKS,
    Answer,
    Panel,
    a_task,
    saying,
)
from tests.unit.runtime_world import until

KIB = 1024
SMALL = Limits(input_bytes_max=1_000, task_bytes_max=2_000, command_bytes_max=300)


def large_input(task: Task) -> None:
    task.input.text = "x" * 1_001


def large_options(task: Task) -> None:
    task.format.choice.options[0].text = "x" * 3_000


def too_large_for_tasks(task: Task) -> None:
    """More than a router takes, and nearly what the topic takes."""
    task.input.text = "x" * 1_000_000


@pytest.mark.parametrize("change", [large_input, large_options, too_large_for_tasks])
def test_a_task_over_its_limit_is_kept_and_rejected_and_the_next_is_decided(
    change: Callable[[Task], None],
) -> None:
    panel = Panel(SMALL)

    async def story() -> None:
        task = a_task("large")
        change(task)
        await panel.publish(task, "large")
        await panel.publish(a_task("next"), "next")
        decision = await panel.decided("large")
        assert decision.status == d.DECISION_STATUS_REJECTED
        assert "TOO_LARGE" in decision.explanation
        assert "bytes; shorten" in decision.explanation
        (letter,) = panel.letters()
        assert (letter.topic, letter.reason, letter.task_id) == (TASKS, "TOO_LARGE", "large")
        assert Task.FromString(letter.value) == task
        assert decision.dead_letter.offset == 0
        assert (await panel.decided("next")).status == d.DECISION_STATUS_DECIDED

    panel.run(story)


def test_a_task_that_exactly_fits_is_decided() -> None:
    task = a_task("fits")
    panel = Panel(Limits(input_bytes_max=task.input.ByteSize(), task_bytes_max=task.ByteSize()))

    async def story() -> None:
        await panel.publish(task, "fits")
        assert (await panel.decided("fits")).status == d.DECISION_STATUS_DECIDED
        assert panel.letters() == []

    panel.run(story)


def test_a_command_over_its_limit_is_kept_and_its_task_decided_without_it() -> None:
    panel = Panel(SMALL)

    async def story() -> None:
        cancel = Command(cancel=Cancel(task_id="t", reason="x" * 400))
        await panel.world.write(COMMANDS, "t", cancel)
        await panel.publish(a_task("t"), "t")
        assert (await panel.decided("t")).status == d.DECISION_STATUS_DECIDED
        await until(lambda: len(panel.letters()) == 1)
        assert (panel.letters()[0].reason, panel.letters()[0].topic) == ("TOO_LARGE", COMMANDS)

    panel.run(story)


def test_a_long_reason_of_a_cancel_is_cut_in_the_decision() -> None:
    panel = Panel(rules=Rules(DECISIONS, cancel_bytes_max=10))

    async def story() -> None:
        cancel = Command(cancel=Cancel(task_id="t", reason="r" * 400, by="b" * 400))
        await panel.world.write(COMMANDS, "t", cancel)
        await until(lambda: len(panel.events()) == 1)
        await panel.publish(a_task("t"), "t")
        decision = await panel.decided("t")
        said = f"The task was cancelled by {'b' * 10}: {'r' * 10}."
        assert (decision.status, decision.explanation) == (d.DECISION_STATUS_CANCELLED, said)

    panel.run(story)


async def too_large(recorded: Recorded[Assignment]) -> Sequence[Effect]:
    raise Poison("the answer has 300000 bytes of 262144", "TOO_LARGE")


@pytest.mark.parametrize(
    ("answer", "service", "topic"),
    [
        # The agent sees it itself; the topic refuses it; the aggregator does not count it.
        (too_large, "agent", "comitia.inbox.ben.v1"),
        (saying(5_000_000), "agent", "comitia.inbox.ben.v1"),
        (saying(300_000), "aggregator", EVENTS),
    ],
)
def test_an_answer_over_its_limit_is_kept_and_an_abstention_in_the_decision(
    answer: Answer, service: str, topic: str
) -> None:
    panel = Panel()
    panel.answers = {"ben": answer}

    async def story() -> None:
        await panel.publish(a_task("t"), "t")
        decision = await panel.decided("t")
        assert decision.status == d.DECISION_STATUS_DECIDED
        (abstained,) = (b for b in decision.ballots if b.HasField("abstention"))
        assert abstained.agent == "ben"
        assert "bytes" in abstained.abstention.detail
        (letter,) = panel.letters()
        assert (letter.service, letter.topic) == (service, topic)
        assert (letter.reason, letter.task_id) == ("TOO_LARGE", "t")
        await panel.publish(a_task("next"), "next")
        await panel.decided("next")

    panel.run(story)


def test_an_answer_over_its_limit_that_precedes_its_panel_is_held_small() -> None:
    panel = Panel()

    async def story() -> None:
        event = PanelEvent(task_id="t")
        event.answer.assignment_id = "nobody's"
        event.answer.rationale = "x" * 300_000
        await panel.world.write(EVENTS, "t", event, partition=partition_of("t", PARTITIONS))
        await until(lambda: len(panel.letters()) == 1)
        assert panel.letters()[0].reason == "TOO_LARGE"
        await panel.publish(a_task("t"), "t")
        assert (await panel.decided("t")).status == d.DECISION_STATUS_DECIDED

    panel.run(story)


def test_prose_of_answers_is_cut_in_the_decision() -> None:
    panel = Panel(rules=Rules(DECISIONS, rationale_bytes_max=10))
    panel.answers = {"ben": saying(1_000)}

    async def story() -> None:
        await panel.publish(a_task("t"), "t")
        decision = await panel.decided("t")
        assert [b.rationale for b in decision.ballots if b.agent == "ben"] == ["x" * 10]

    panel.run(story)


def test_a_decision_over_its_own_limit_leaves_prose_out() -> None:
    panel = Panel(rules=Rules(DECISIONS, decision_bytes_max=16 * KIB))
    panel.answers = dict.fromkeys(NAMES, saying(10_000))

    async def story() -> None:
        await panel.publish(a_task("t"), "t")
        decision = await panel.decided("t")
        assert decision.status == d.DECISION_STATUS_DECIDED
        assert decision.ByteSize() <= 16 * KIB
        assert "left out" in decision.explanation
        assert panel.letters() == []

    panel.run(story)


@pytest.mark.parametrize("length", [300, 1_000_000])
def test_an_event_whose_task_id_is_too_long_is_kept_and_decides_nothing(length: int) -> None:
    panel = Panel()

    async def story() -> None:
        event = PanelEvent(task_id="i" * length)
        event.task_cancelled.reason = "no"
        await panel.world.write(EVENTS, "k v", event, partition=0)
        await until(lambda: len(panel.letters()) == 1)
        assert (panel.letters()[0].reason, panel.letters()[0].task_id) == ("INVALID_ID", "")
        assert panel.decisions() == {}

    panel.run(story)


def a_card(name: str = "anna", **more: object) -> AgentCard:
    return AgentCard(name=name, version=1, skills=["answer"], **more)  # type: ignore[arg-type]


def test_a_card_over_its_limit_is_refused() -> None:
    table = AgentTable(Limits(card_bytes_max=100, card_skills_max=2))
    with pytest.raises(Poison, match="bytes; at most 100"):
        table.learn(a_card(role="r" * 100))
    many = a_card()
    many.skills.extend("bc")
    with pytest.raises(Poison, match="3 skills; at most 2"):
        table.learn(many)
    table.learn(a_card())


def test_a_card_over_its_limit_goes_to_the_dead_letters() -> None:
    panel = Panel(replace(SMALL, card_bytes_max=100))

    async def story() -> None:
        await panel.world.write(AGENTS, "dora@1@x", a_card("dora", role="r" * 100))
        await until(lambda: len(panel.letters()) == 1)
        assert panel.letters()[0].reason == "INVALID_CARD"

    panel.run(story)


def test_the_table_of_agents_is_bounded() -> None:
    table = AgentTable(Limits(agents_max=2, instances_max=2))
    table.learn(a_card("anna"))
    table.beat(Heartbeat(agent="ben", instance="1", interval_ms=10), 0)
    table.beat(Heartbeat(agent="cleo", instance="1", interval_ms=10), 0)
    with pytest.raises(Poison) as caught:
        table.learn(a_card("cleo"))
    assert caught.value.reason == "TOO_MANY"
    table.learn(a_card("ben"))
    for number in range(10):
        table.beat(Heartbeat(agent="anna", instance=str(number), interval_ms=10), number)
    table.beat(Heartbeat(agent="anna", instance="x" * 10_000, interval_ms=10), 99)
    assert set(table._agents) == {"anna", "ben"}
    assert set(table._agents["anna"].beats) == {"8", "9"}
