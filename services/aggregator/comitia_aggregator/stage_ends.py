"""What the end of a task means to those above and below it: a stage's decision is told to its
parent, a parent's decision says how each stage went, and a stage that is still open is cancelled. A
decision that leaves in; effects of the same transaction, or the whole decision, out. Pure.
"""

from collections.abc import Iterable
from dataclasses import replace

from comitia.effects import Publish
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, Decision, DecisionStatus, StageRecord
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened, TaskCancelled
from comitia_aggregator import explain
from comitia_aggregator.stage_tasks import child_id
from comitia_aggregator.state import Rules, TaskState, cut

TOKENS_MAX = 2**64 - 1


def whole(state: TaskState, made: Decision) -> Decision:
    """The decision on a staged task with what its stages did and cost; any other unchanged."""
    staged = state.staged
    if staged is None or staged.made:
        return made
    records = [StageRecord.FromString(data) for data in staged.ended]
    made.stages.extend(records)
    cost = made.cost
    cost.prompt_tokens = min(TOKENS_MAX, sum(one.cost.prompt_tokens for one in records))
    cost.completion_tokens = min(TOKENS_MAX, sum(one.cost.completion_tokens for one in records))
    cost.worked_ms = min(TOKENS_MAX, sum(one.cost.worked_ms for one in records))
    cost.assignments = min(2**32 - 1, sum(one.cost.assignments for one in records))
    made.explanation = " ".join((*_walk(records), made.explanation))
    state.staged = replace(staged, made=made.SerializeToString())
    return made


def others(
    state: TaskState, panel: PanelOpened, made: Decision, rules: Rules
) -> tuple[Publish, ...]:
    """What the task's decision says to its parent, and to the stage that is open."""
    told_parent = told(panel, made, rules, state.traceparent)
    return (*told_parent, *stop_child(state, panel, made, rules))


def told(panel: PanelOpened, made: Decision, rules: Rules, traceparent: str) -> tuple[Publish, ...]:
    """What a stage's parent is told of its decision; nothing where the task is no stage."""
    task = panel.task
    if not task.parent_id:
        return ()
    event = PanelEvent(task_id=task.parent_id)
    ended = event.stage_ended
    ended.child_id, ended.stage = made.task_id, task.stage
    said = ended.decision
    said.CopyFrom(made)
    for name in ("ballots", "late", "missing", "tied", "steps", "escalation", "task_digest"):
        said.ClearField(name)
    said.explanation = cut(made.explanation, rules.reason_bytes_max)
    topic = rules.names.topic("panel-events")
    # After the decision: where that cannot be published, it is not told either.
    return (Publish(topic, task.root_id, event, order=1, traceparent=traceparent),)


def stop_child(
    state: TaskState, panel: PanelOpened, made: Decision, rules: Rules
) -> tuple[Publish, ...]:
    """Cancel the stage that was open, or asked for, when its parent ended."""
    staged = state.staged
    if staged is None or not staged.stage:
        return ()
    name = DecisionStatus.Name(made.status).removeprefix("DECISION_STATUS_")
    child = child_id(state.task_id, staged.stage, staged.attempt)
    said = TaskCancelled(reason=f"the task that it is a stage of ended {name}")
    event = PanelEvent(task_id=child, task_cancelled=said)
    key = panel.task.root_id or state.task_id
    topic = rules.names.topic("panel-events")
    return (Publish(topic, key, event, order=1, traceparent=state.traceparent),)


def _walk(records: Iterable[StageRecord]) -> Iterable[str]:
    """A sentence for each stage that has ended."""
    for record in records:
        again = f" ({record.attempt})" if record.attempt > 1 else ""
        why = explain.short(record.explanation, explain.REASON_CHARACTERS_MAX)
        if record.status == DECISION_STATUS_DECIDED:
            value = explain.shown(record.value)
            # A vote's explanation begins with what it decided.
            said = why if why.startswith(value) else f"{value}. {why}"
            yield f"Stage {record.stage}{again}: {said}"
        else:
            name = DecisionStatus.Name(record.status).removeprefix("DECISION_STATUS_")
            yield f"Stage {record.stage}{again} ended {name}: {why}"
