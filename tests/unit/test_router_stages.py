"""What the router makes of tasks with stages, and of stages: who is seated where, until when, and
what it refuses.
"""

import pytest

from comitia.effects import Publish, Recorded
from comitia.errors import Poison
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened, TaskRefused
from comitia.v1.task_pb2 import Task
from tests.unit.stage_world import PARTITION, STAGES, TASKS, World, staged_task

APPENDED_MS = 1_000_000


def a_stage() -> Task:
    task = staged_task()
    task.ClearField("policy")
    task.id, task.root_id, task.parent_id, task.stage = "t1:a:1", "t1", "t1", "a"
    task.deadline_ms = APPENDED_MS + 500
    return task


def said(task: Task, topic: str) -> list[Publish]:
    router = World({}).router
    recorded = Recorded(task, topic, 0, 0, APPENDED_MS)
    on = router.on_stage if topic == STAGES else router.on_task
    effects = on(recorded, APPENDED_MS)
    assert all(isinstance(effect, Publish) for effect in effects)
    return [effect for effect in effects if isinstance(effect, Publish)]


def opened(task: Task, topic: str) -> tuple[list[Assignment], PanelOpened]:
    *assignments, event = said(task, topic)
    assert isinstance(event.message, PanelEvent)
    assert (event.key, event.partition) == ("t1", PARTITION)
    return [one.message for one in assignments], event.message.panel_opened  # type: ignore[misc]


def refused(task: Task, topic: str) -> TaskRefused:
    (publish,) = said(task, topic)
    assert isinstance(publish.message, PanelEvent)
    return publish.message.task_refused


def test_a_task_of_stages_is_opened_without_anybody() -> None:
    assignments, panel = opened(staged_task({"name": "a"}, {"name": "b"}), TASKS)
    assert (assignments, list(panel.seats)) == ([], [])
    assert panel.panel_id
    assert [stage.name for stage in panel.task.policy.stages] == ["a", "b"]
    assert panel.deadline_ms == APPENDED_MS + panel.task.timeout_ms


def test_a_stage_is_seated_in_the_log_of_its_root() -> None:
    assignments, panel = opened(a_stage(), STAGES)
    assert [one.reply_partition for one in assignments] == [PARTITION]
    assert (panel.task.id, panel.task.parent_id) == ("t1:a:1", "t1")


def test_a_stage_ends_no_later_than_its_parent_however_late_it_is_read() -> None:
    assignments, panel = opened(a_stage(), STAGES)
    assert panel.deadline_ms == APPENDED_MS + 500
    assert max(one.deadline_ms for one in assignments) <= APPENDED_MS + 500


@pytest.mark.parametrize("field", ["root_id", "parent_id", "stage", "deadline_ms"])
def test_only_stages_name_a_parent(field: str) -> None:
    task = staged_task()
    task.ClearField("policy")
    setattr(task, field, 7 if field == "deadline_ms" else "x")
    found = refused(task, TASKS)
    assert f"{field}: only stages of a task have it" in found.reason
    # Nobody is told of it who might take it for a stage.
    assert not (found.task.root_id or found.task.parent_id or found.task.stage)


def test_the_ids_of_stages_fit() -> None:
    task = staged_task({"name": "a"})
    task.id = "x" * 92
    assert len(said(task, TASKS)) == 1
    task.id = "x" * 93
    assert "with policy.stages use at most 92" in refused(task, TASKS).reason


def test_a_stage_has_no_stages() -> None:
    task = a_stage()
    task.policy.stages.add(name="b")
    found = refused(task, STAGES)
    assert "give the stage a policy of its own" in found.reason
    assert (found.task.root_id, found.task.parent_id, found.task.stage) == ("t1", "t1", "a")


def test_a_stage_is_not_left_to_a_person() -> None:
    task = a_stage()
    task.policy.steps.add().person.expires_ms = 1_000
    assert "give the stage a policy without such a step" in refused(task, STAGES).reason


@pytest.mark.parametrize("field", ["root_id", "parent_id"])
def test_a_stage_without_a_parent_is_no_stage(field: str) -> None:
    task = a_stage()
    task.ClearField(field)
    with pytest.raises(Poison) as raised:
        said(task, STAGES)
    assert field in str(raised.value)


def test_a_stage_that_could_not_be_asked_is_refused_before_any_is() -> None:
    one_option = {"choice": {"options": [{"id": "yes"}]}}
    task = staged_task({"name": "a"}, {"name": "b", "format": one_option})
    assert refused(task, TASKS).reason.startswith("policy.stages[1].format.choice")
    task = staged_task({"name": "a", "skill": "x" * 65})
    assert refused(task, TASKS).reason.startswith("policy.stages[0].skill: it has 65")
