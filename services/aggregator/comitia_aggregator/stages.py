"""A task of stages, one panel after another: the parent's side of `step`. Its state and an event
in; the next stage's opening with its child task, or the parent's decision, out. Pure.

The parent moves only by what its log says: a child that was asked for is open once StageOpened is
read, and has ended once StageEnded is. What was due before and is not in the log is due again. A
stage that is not DECIDED ends the parent as it ended itself; the parent's end takes an open child
with it.
"""

from dataclasses import replace

from comitia.effects import Effect, Publish, Recorded
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_ESCALATED,
    DECISION_STATUS_EXPIRED,
    DECISION_STATUS_FAILED,
    DECISION_STATUS_NO_QUORUM,
    DECISION_STATUS_OVER_BUDGET,
    Decision,
    DecisionStatus,
    StageRecord,
)
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened
from comitia_aggregator import decision, explain
from comitia_aggregator.decision import Ending
from comitia_aggregator.stage_graph import onward, stage_of
from comitia_aggregator.stage_tasks import (
    CHILD_ID,
    CannotEnter,
    OutOfTime,
    OverBudget,
    child_id,
    child_of,
)
from comitia_aggregator.state import Rules, Staged, TaskState, cut

# What becomes due: effects, or the parent's decision, which the caller publishes.
Due = tuple[Effect, ...] | Decision
Event = Recorded[PanelEvent]
# Of the largest decision, the part that all stages' records may take, and the last value again.
RECORDS_PART = 3


def of_a_stage(event: PanelEvent) -> bool:
    """Whether there is room for it, however much is open: a task that was let in has one stage at a
    time, and refused in the middle it would have been worked on for nothing. Before the panel the
    id alone can tell, and may mislead: what is held then is bounded as ever.
    """
    if event.WhichOneof("event") == "panel_opened":
        return bool(event.panel_opened.task.parent_id)
    return CHILD_ID.fullmatch(event.task_id) is not None


def begin(state: TaskState, panel: PanelOpened, at_ms: int, rules: Rules) -> Due:
    """Enter the first stage. `at_ms`: broker's clock, epoch milliseconds."""
    state.staged = Staged()
    state.timer_ms = panel.deadline_ms
    return _enter(state, panel, panel.task.policy.stages[0].name, (at_ms, rules))


def moved(state: TaskState, event: Event, rules: Rules) -> Due:
    """A stage was opened, or has ended."""
    if event.message.WhichOneof("event") == "stage_opened":
        return stage_opened(state, event, rules)
    return stage_ended(state, event, rules)


def stage_opened(state: TaskState, event: Event, rules: Rules) -> Due:
    """The log shows a child. What was due before that was read, and is something else, is due
    again.
    """
    staged = state.staged
    if staged is None:
        return ()
    asked = child_id(state.task_id, staged.stage, staged.attempt)
    news = not staged.opened and event.message.stage_opened.child_id == asked
    if news:
        state.staged = replace(staged, opened=True)
    if staged.made:
        return Decision.FromString(staged.made)
    if news or staged.opened or not staged.stage:
        return ()
    panel = PanelOpened.FromString(state.panel)
    return _enter(state, panel, staged.stage, (staged.asked_ms, rules))


def stage_ended(state: TaskState, event: Event, rules: Rules) -> Due:
    """The open child is decided: go on, or end. Of any other child it says nothing."""
    staged = state.staged
    if staged is None or staged.made or not staged.opened:
        return ()
    ended = event.message.stage_ended
    if ended.child_id != child_id(state.task_id, staged.stage, staged.attempt):
        return ()
    panel = PanelOpened.FromString(state.panel)
    record = _record(staged, ended.child_id, ended.decision, rules)
    data = record.SerializeToString()
    state.size_bytes += len(data)
    state.staged = replace(staged, ended=(*staged.ended, data), stage="", attempt=0, opened=False)
    when = (event.append_ms, rules)
    if record.status != DECISION_STATUS_DECIDED:
        name = DecisionStatus.Name(record.status).removeprefix("DECISION_STATUS_")
        said = f"Stage {record.stage} ended {name}, and the task with it."
        letter = ended.decision.dead_letter if ended.decision.HasField("dead_letter") else None
        return _end(state, panel, Ending(record.status, said, letter), when)
    size, most = sum(map(len, state.staged.ended)), rules.decision_bytes_max // RECORDS_PART
    if size > most:
        said = f"What the stages have decided has {size} bytes in all, at most {most} fit: ask less"
        return _end(state, panel, Ending(DECISION_STATUS_FAILED, f"{said} of them."), when)
    return _go_on(state, panel, ended.decision, when)


def expired(state: TaskState, panel: PanelOpened, at_ms: int, rules: Rules) -> Decision:
    """The parent's time is over."""
    at_stage = f" in stage {state.staged.stage}" if state.staged and state.staged.stage else ""
    ending = Ending(DECISION_STATUS_EXPIRED, f"The deadline came{at_stage}.")
    return _end(state, panel, ending, (at_ms, rules))


def _go_on(state: TaskState, panel: PanelOpened, last: Decision, when: tuple[int, Rules]) -> Due:
    """From the last stage, which was decided, to the next or to the end."""
    records = _records(state)
    name, entered = records[-1].stage, _entered(records)
    stage = stage_of(panel.task, name)
    following, full = onward(panel.task, stage, last.value, entered) if stage else ("", ())
    if following:
        return _enter(state, panel, following, when)
    notes = [
        f"Stage {one} was entered {entered.get(one, 0)} times, as often as it may be."
        for one in full
    ]
    said = " ".join((*notes, f"Decided by {name}: {explain.shown(last.value)}."))
    made = _end(state, panel, Ending(DECISION_STATUS_DECIDED, said), when)
    made.value.CopyFrom(last.value)
    made.decided_by, made.method, made.margin = name, last.method, last.margin
    made.weights_version = last.weights_version
    if last.HasField("calibrated_probability"):
        made.calibrated_probability = last.calibrated_probability
    made.ClearField("option_ids")
    made.option_ids.extend(last.option_ids)
    return made


def _enter(state: TaskState, panel: PanelOpened, name: str, when: tuple[int, Rules]) -> Due:
    at_ms, rules = when
    records = _records(state)
    attempt = 1 + _entered(records).get(name, 0)
    stage = stage_of(panel.task, name)
    try:
        if stage is None:
            raise CannotEnter(f"there is no stage {name}")
        child = child_of(panel, stage, attempt, records, at_ms)
    except CannotEnter as error:
        status = _status_of(error)
        return _end(state, panel, Ending(status, f"The task cannot go on: {error}."), when)
    former = state.staged or Staged()
    state.staged = replace(former, stage=name, attempt=attempt, opened=False, asked_ms=at_ms)
    event = PanelEvent(task_id=state.task_id)
    opened = event.stage_opened
    opened.stage, opened.attempt, opened.child_id = name, attempt, child.id
    topic, trace = rules.names.topic("panel-events"), state.traceparent
    return (
        Publish(topic, child.root_id, event, traceparent=trace),
        Publish(rules.names.topic("stages"), child.root_id, child, order=1, traceparent=trace),
    )


def _status_of(error: CannotEnter) -> DecisionStatus:
    if isinstance(error, OverBudget):
        return DECISION_STATUS_OVER_BUDGET
    return DECISION_STATUS_EXPIRED if isinstance(error, OutOfTime) else DECISION_STATUS_FAILED


def _end(state: TaskState, panel: PanelOpened, ending: Ending, when: tuple[int, Rules]) -> Decision:
    at_ms, rules = when
    return decision.ended(state, panel, min(at_ms, panel.deadline_ms), ending, rules)


def _record(staged: Staged, task_id: str, made: Decision, rules: Rules) -> StageRecord:
    # Nobody can settle a stage: a task that depends on one has come to no decision.
    escalated = made.status == DECISION_STATUS_ESCALATED
    record = StageRecord(
        stage=staged.stage,
        attempt=staged.attempt,
        task_id=task_id,
        status=DECISION_STATUS_NO_QUORUM if escalated else made.status,
        explanation=cut(made.explanation, rules.reason_bytes_max),
        cost=made.cost,
    )
    if made.HasField("value"):
        record.value.CopyFrom(made.value)
    return record


def _records(state: TaskState) -> list[StageRecord]:
    ended = state.staged.ended if state.staged else ()
    return [StageRecord.FromString(data) for data in ended]


def _entered(records: list[StageRecord]) -> dict[str, int]:
    """Name -> how often the stage was entered and has ended."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record.stage] = counts.get(record.stage, 0) + 1
    return counts
