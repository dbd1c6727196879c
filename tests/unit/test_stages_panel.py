"""Tasks of stages through the real loops on LocalLog: router, aggregator and three agents."""

from collections.abc import Awaitable, Callable, Sequence

from comitia.effects import Effect, Publish, Recorded
from comitia.v1 import decision_pb2 as d
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.command_pb2 import Command
from comitia.v1.control_pb2 import Control
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_router.limits import Limits
from tests.unit import panel_world
from tests.unit.panel_world import COMMANDS, NAMES, Panel, answer_to
from tests.unit.runtime_world import until
from tests.unit.stage_world import staged_task
from tests.unit.test_sizes_of_topics import lower
from tests.unit.test_stages_walk import FIVE

STAGES = panel_world.STAGES
Status = d.DecisionStatus


def saying(checks: Sequence[str], silent: str = "") -> panel_world.Answer:
    """An agent that answers with the stage's name and its attempt, its checks like this, and to
    `silent` nothing.
    """

    async def answer(recorded: Recorded[Assignment]) -> Sequence[Effect]:
        assignment = recorded.message
        task = assignment.task
        if task.stage == silent:
            return ()
        event = answer_to(assignment)
        if task.stage == "check":
            attempt = int(task.id.rsplit(":", 1)[1])
            event.answer.value.option_id = checks[min(attempt, len(checks)) - 1]
        else:
            event.answer.value.text = task.id.removeprefix("t1:")
        topic, partition = assignment.reply_topic, assignment.reply_partition
        return (Publish(topic, task.id, event, partition),)

    return answer


def run(
    task: Task, agent: panel_world.Answer, more: Callable[[Panel], Awaitable[None]] | None = None
) -> Panel:
    panel = Panel()
    panel.answers = dict.fromkeys(NAMES, agent)

    async def story() -> None:
        await panel.publish(task, task.id)
        if more is not None:
            await more(panel)
        await panel.decided(task.id)
        opened = [one.stage_opened for one in panel.events() if one.HasField("stage_opened")]
        for child in opened:
            await panel.decided(child.child_id)

    panel.run(story)
    return panel


def found(panel: Panel) -> dict[str, str]:
    return {
        name.removeprefix("t1:"): Status.Name(made.status).removeprefix("DECISION_STATUS_")
        for name, made in panel.decisions().items()
    }


def test_five_panels_one_after_another_with_a_check_that_fails_once() -> None:
    panel = run(staged_task(*FIVE), saying(["no", "yes"]))
    made = panel.decisions()["t1"]
    assert made.value.text == "write:1"
    assert [f"{one.stage}:{one.attempt}" for one in made.stages] == [
        "understand:1", "retrieve:1", "solve:1", "check:1", "solve:2", "check:2", "write:1",
    ]  # fmt: skip
    assert set(found(panel).values()) == {"DECIDED"}
    assert made.cost.assignments == 21
    # One log for all of it.
    logged = panel.world.records("comitia.panel-events.v1")
    assert len({record.partition for record in logged}) == 1
    assert not panel.letters()


def test_a_middle_stage_that_times_out() -> None:
    stages = (*FIVE[:2], {**FIVE[2], "timeoutMs": 500}, *FIVE[3:])
    panel = run(staged_task(*stages), saying(["yes"], silent="solve"))
    assert found(panel) == {
        "understand:1": "DECIDED", "retrieve:1": "DECIDED", "solve:1": "EXPIRED", "t1": "EXPIRED",
    }  # fmt: skip


def test_a_middle_stage_that_nobody_can_sit_in() -> None:
    stages = (*FIVE[:2], {**FIVE[2], "skill": "juggling"}, *FIVE[3:])
    panel = run(staged_task(*stages), saying(["yes"]))
    assert found(panel)["solve:1"] == found(panel)["t1"] == "NO_AGENT"
    assert "Stage solve ended NO_AGENT" in panel.decisions()["t1"].explanation


def test_a_task_that_is_cancelled_in_a_middle_stage() -> None:
    async def cancel(panel: Panel) -> None:
        await until(lambda: len(panel.world.messages(STAGES, Task)) == 3)
        command = Command()
        command.cancel.task_id = "t1"
        await panel.world.write(COMMANDS, "t1", command)

    panel = run(staged_task(*FIVE), saying(["yes"], silent="solve"), cancel)
    assert found(panel) == {
        "understand:1": "DECIDED", "retrieve:1": "DECIDED", "t1": "CANCELLED",
        "solve:1": "CANCELLED",
    }  # fmt: skip
    # Whoever works on the stage is told to stop.
    stopped = panel.world.messages("comitia.control.v1", Control)
    assert stopped[-1].task_id == "t1:solve:1"
    assert stopped[-1].reason == "CANCELLED"


def test_the_same_task_again_opens_no_stage_twice() -> None:
    task = staged_task(*FIVE)

    async def again(panel: Panel) -> None:
        await until(lambda: len(panel.world.messages(STAGES, Task)) == 2)
        await panel.publish(task, task.id)

    panel = run(task, saying(["yes"]), again)
    ids = [child.id for child in panel.world.messages(STAGES, Task)]
    assert len(ids) == len(set(ids)) == 5
    assert not panel.letters()


def test_a_stage_that_cannot_be_read_fails_its_root() -> None:
    async def unreadable(panel: Panel) -> None:
        await until(lambda: len(panel.world.messages(STAGES, Task)) == 1)
        await panel.world.write(STAGES, "t1", b"\xff\xff")

    panel = run(staged_task(*FIVE), saying(["yes"], silent="understand"), unreadable)
    made = panel.decisions()["t1"]
    assert (Status.Name(made.status), made.dead_letter.topic) == (
        "DECISION_STATUS_FAILED", "comitia.dead-letters.v1",
    )  # fmt: skip
    assert found(panel)["understand:1"] == "CANCELLED"


def test_a_stage_that_is_too_large_is_refused_and_tells_its_parent() -> None:
    task = staged_task({"name": "a"}, {"name": "b"})
    panel = Panel(limits=Limits(input_bytes_max=10))
    panel.answers = dict.fromkeys(NAMES, saying(["yes"]))

    async def story() -> None:
        await panel.publish(task, task.id)
        await panel.decided(task.id)

    panel.run(story)
    assert found(panel) == {"a:1": "DECIDED", "b:1": "REJECTED", "t1": "REJECTED"}
    assert panel.decisions()["t1"].dead_letter.topic == "comitia.dead-letters.v1"


def test_a_stage_whose_decision_does_not_fit_fails_its_task() -> None:
    panel = Panel()
    panel.answers = dict.fromkeys(NAMES, panel_world.saying(16_000))
    choice = {"choice": {"options": [{"id": "yes"}, {"id": "no"}]}}
    task = staged_task({"name": "a", "policy": {"waitForAll": True}}, format=choice)

    async def story() -> None:
        lower(panel, panel_world.DECISIONS, 20_000)
        await panel.publish(task, task.id)
        made = await panel.decided(task.id)
        assert "Stage a ended FAILED" in made.explanation
        assert panel.decisions()["t1:a:1"].dead_letter == made.dead_letter

    panel.run(story)
    assert found(panel) == {"a:1": "FAILED", "t1": "FAILED"}


def test_a_user_who_calls_a_task_a_stage_reaches_nobody_elses() -> None:
    task = staged_task(*FIVE)

    async def forge(panel: Panel) -> None:
        await until(lambda: len(panel.world.messages(STAGES, Task)) == 1)
        forged = Task(root_id="t1", parent_id="t1", stage="understand")
        # Some of them come into the partition of the task that they are aimed at.
        for number in range(20):
            forged.id = f"forged-{number}"
            await panel.publish(forged, forged.id)
            await panel.decided(forged.id)
        said = [one for one in panel.events() if one.WhichOneof("event") == "stage_ended"]
        assert not said

    panel = run(task, saying(["yes"], silent="understand"), forge)
    assert found(panel)["t1"] == "EXPIRED"


def test_events_of_stages_name_their_parent() -> None:
    panel = run(staged_task({"name": "a"}, {"name": "b"}), saying(["yes"]))
    said: list[PanelEvent] = [
        one for one in panel.events() if one.WhichOneof("event") in ("stage_opened", "stage_ended")
    ]
    assert [one.WhichOneof("event") for one in said] == ["stage_opened", "stage_ended"] * 2
    assert {one.task_id for one in said} == {"t1"}
    assert not said[1].stage_ended.decision.ballots
