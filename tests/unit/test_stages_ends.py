"""How a task of stages ends before its last stage: failure goes up, cancels and the deadline go
down, and whatever is lost between two records, everything is decided once.
"""

import pytest

from comitia.v1 import decision_pb2 as d
from comitia.v1.panel_event_pb2 import PanelEvent, TaskCancelled, TaskFailed
from comitia_aggregator.stages import of_a_stage
from tests.unit.stage_world import EVENTS, Said, World, option, staged_task, text, tiny
from tests.unit.test_stages_walk import FIVE

THREE = ({"name": "a"}, {"name": "b"}, {"name": "c"})
CHECKED: Said = {"check": [option("no"), option("yes")]}


def cancel(task_id: str) -> PanelEvent:
    return PanelEvent(task_id=task_id, task_cancelled=TaskCancelled(by="ann", reason="enough"))


def status(world: World) -> dict[str, str]:
    return {
        task_id: d.DecisionStatus.Name(made.status).removeprefix("DECISION_STATUS_")
        for task_id, made in world.decisions().items()
    }


def test_a_stage_that_times_out_ends_the_task() -> None:
    stages = (THREE[0], {"name": "b", "timeoutMs": 500}, THREE[2])
    world = World({"b": [None]}).run(staged_task(*stages))
    assert status(world) == {"t1:a:1": "DECIDED", "t1:b:1": "EXPIRED", "t1": "EXPIRED"}
    made = world.decisions()["t1"]
    assert [one.stage for one in made.stages] == ["a", "b"]
    assert "Stage b ended EXPIRED, and the task with it." in made.explanation
    assert not made.HasField("value")
    assert made.decided_by == ""


def test_a_stage_that_nobody_can_sit_in_ends_the_task() -> None:
    world = World({}).run(staged_task(THREE[0], {"name": "b", "skill": "juggling"}, THREE[2]))
    assert status(world) == {"t1:a:1": "DECIDED", "t1:b:1": "NO_AGENT", "t1": "NO_AGENT"}


def test_a_stage_that_is_refused_ends_the_task() -> None:
    empty = {"name": "b", "input": "{c}"}
    world = World({}).run(staged_task(THREE[0], empty, THREE[2]))
    assert status(world) == {"t1:a:1": "DECIDED", "t1:b:1": "REJECTED", "t1": "REJECTED"}
    assert "input.text: it is empty" in world.decisions()["t1"].explanation


def test_a_stage_whose_record_is_lost_ends_the_task_and_says_where_it_is_kept() -> None:
    failed = PanelEvent(task_id="t1:b:1", task_failed=TaskFailed(reason="unreadable"))
    failed.task_failed.dead_letter.offset = 9
    world = World({}, before={7: failed}).run(staged_task(*THREE))
    assert status(world) == {"t1:a:1": "DECIDED", "t1:b:1": "FAILED", "t1": "FAILED"}
    assert world.decisions()["t1"].dead_letter.offset == 9


def test_a_cancel_of_the_task_takes_the_open_stage_with_it() -> None:
    world = World({"b": [None]}, idle=(cancel("t1"),)).run(staged_task(*THREE))
    assert status(world) == {"t1:a:1": "DECIDED", "t1": "CANCELLED", "t1:b:1": "CANCELLED"}
    assert "The task was cancelled by ann: enough." in world.decisions()["t1"].explanation
    child = world.decisions()["t1:b:1"].explanation
    assert "the task that it is a stage of ended CANCELLED" in child


def test_a_cancel_of_a_stage_ends_the_task() -> None:
    world = World({"b": [None]}, idle=(cancel("t1:b:1"),)).run(staged_task(*THREE))
    assert status(world) == {"t1:a:1": "DECIDED", "t1:b:1": "CANCELLED", "t1": "CANCELLED"}


@pytest.mark.parametrize("at", range(16))
def test_wherever_the_cancel_comes_everything_ends(at: int) -> None:
    """Between any two records: no stage goes on without its task, and none begins behind it."""
    world = World({}, before={at: cancel("t1")}).run(staged_task(*THREE))
    found = status(world)
    assert found["t1"] == ("DECIDED" if at >= 13 else "CANCELLED")
    assert set(found) == {"t1", *world.walk()}
    assert world.state.open == 0


def test_the_deadline_ends_the_task_and_the_stage_that_is_open() -> None:
    world = World({"b": [None]}).run(staged_task(*THREE, timeoutMs=10_000))
    parent = world.events[0].message.panel_opened
    assert status(world)["t1"] == "EXPIRED"
    # Its last stage gets the time that a vote so far takes to be told.
    assert world.made[1].append_ms < parent.deadline_ms


def test_a_task_whose_stage_never_opens_ends_at_its_deadline() -> None:
    world = World({}, lose=("t1:a:1",)).run(staged_task(*THREE))
    made = world.decisions()["t1"]
    assert made.status == d.DECISION_STATUS_EXPIRED
    assert "The deadline came in stage a." in made.explanation
    assert world.made[0].append_ms >= world.events[0].message.panel_opened.deadline_ms


def test_without_room_a_task_that_was_let_in_goes_on() -> None:
    world = World({}, open_tasks_max=2).run(staged_task(*THREE))
    assert status(world)["t1"] == "DECIDED"
    # Its answers may come before their panel.
    assert of_a_stage(PanelEvent(task_id="t1:a:1"))
    assert not of_a_stage(PanelEvent(task_id="t1"))
    assert not of_a_stage(PanelEvent(task_id="t1:a:9"))


def test_what_fits_no_input_fails_the_task() -> None:
    doubled = {"name": "b", "input": "{a}{a}"}
    world = World({"a": [text("x" * 200_000)]}).run(staged_task(THREE[0], doubled))
    made = world.decisions()["t1"]
    assert made.status == d.DECISION_STATUS_FAILED
    assert "stage b would be given 40000" in made.explanation
    assert "name fewer stages in its input" in made.explanation


def test_what_fits_no_decision_fails_the_task() -> None:
    rules = tiny(decision_bytes_max=6_000)
    world = World({"a": [text("x" * 3_000)]}, rules=rules).run(staged_task(*THREE))
    made = world.decisions()["t1"]
    assert made.status == d.DECISION_STATUS_FAILED
    assert "ask less of them" in made.explanation


def test_what_is_said_twice_of_a_stage_counts_once() -> None:
    world = World(CHECKED).run(staged_task(*FIVE))
    events = [one.message for one in world.events]
    again = World(CHECKED)
    # All that the log says of stages comes once more, in the middle of the next ones.
    said = [one for one in events if one.WhichOneof("event") in ("stage_opened", "stage_ended")]
    again.before = {3 + 2 * number: event for number, event in enumerate(said)}
    again.run(staged_task(*FIVE))
    assert again.walk() == world.walk()
    assert again.decisions()["t1"].value == world.decisions()["t1"].value


def ended(name: str, said: str) -> PanelEvent:
    event = PanelEvent(task_id="t1")
    told = event.stage_ended
    told.child_id, told.stage = f"t1:{name}:1", name
    told.decision.status = d.DECISION_STATUS_DECIDED
    told.decision.value.text = said
    return event


def test_the_end_of_another_stage_says_nothing_of_the_open_one() -> None:
    world = World({"b": [None]}, idle=(ended("a", "once more"),)).run(staged_task(*THREE))
    assert status(world) == {"t1:a:1": "DECIDED", "t1:b:1": "EXPIRED", "t1": "EXPIRED"}


def test_a_stage_ends_only_after_the_log_shows_it_opened() -> None:
    world = World({}, before={1: ended("a", "too early")}).run(staged_task(*THREE))
    assert world.decisions()["t1"].stages[0].value == text("a 1")


def test_the_parent_holds_what_it_will_need_and_says_how_much() -> None:
    world = World({"a": [text("y" * 5_000)], "b": [None]}, lose=("t1:b:1",))
    task = staged_task(*THREE)
    task.input.text = "x" * 10_000
    sizes = world.sizes
    world.run(task)
    assert sizes[0] > 10_000
    assert sizes[-1] > sizes[0] + 5_000
    assert world.state.open == 0


CRASHES = range(40)


@pytest.mark.parametrize("crash", CRASHES)
def test_wherever_the_owner_is_lost_another_comes_to_the_same_end(crash: int) -> None:
    world, lost = World(CHECKED), World(CHECKED, crash=crash)
    whole = world.run(staged_task(*FIVE)).decisions()["t1"]
    assert world.appends <= len(CRASHES)
    made = lost.run(staged_task(*FIVE)).decisions()["t1"]
    assert lost.walk() == world.walk()
    assert set(lost.decisions()) == {"t1", *lost.walk()}
    assert made == whole
    openings = [one for one in lost.published if one.topic == EVENTS]
    assert len(openings) == len([one for one in world.published if one.topic == EVENTS])


@pytest.mark.parametrize("crash", range(9))
def test_wherever_the_owner_is_lost_a_cancel_is_carried_out(crash: int) -> None:
    for at in range(8):
        world = World({"b": [None]}, crash=crash, before={at: cancel("t1")})
        world.run(staged_task(*THREE))
        found = status(world)
        assert found["t1"] == "CANCELLED"
        assert set(found) == {"t1", *world.walk()}
        assert world.state.open == 0
