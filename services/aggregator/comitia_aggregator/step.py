"""The aggregator's fold: `step(state, event, now_ms, rules) -> (state, effects)`, one task at a
time.

What comes in is one event of a task's log, or its timer; what goes out is the state after it and
the effects that became due with it. No I/O, no clock, no chance: the same events and weights give
the same decision, so a crash, a replay and a test are one thing; should newer weights have come
between a crash and the replay, what is decided then is decided by these, and what was published
before stands. A task is decided when every listed assignment that counts has answered, as soon as
no further answer can change the outcome, or its winner is likely enough (unless its policy waits
for all, shadows too), when its deadline comes, or when an event ends it; from then on the state
only remembers that, until the decision is acknowledged. `after` looks at what still arrives then.
"""

from collections.abc import Callable

from comitia.effects import Effect, Publish, Recorded, StopWork, Timer
from comitia.errors import Poison
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_CANCELLED,
    DECISION_STATUS_ESCALATED,
    DECISION_STATUS_FAILED,
    DECISION_STATUS_NO_AGENT,
    DECISION_STATUS_OVER_BUDGET,
    DECISION_STATUS_REJECTED,
    Decision,
    DecisionStatus,
)
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened
from comitia_aggregator import conflict, decision, stage_ends, stages
from comitia_aggregator.answers import count, dropped, hold, wait_until, within
from comitia_aggregator.closing import closed
from comitia_aggregator.concluding import conclude
from comitia_aggregator.decision import Close, Ending, ending_of, kept
from comitia_aggregator.duplicates import after, second
from comitia_aggregator.ladder import advance
from comitia_aggregator.state import (
    ENTRY_BYTES,
    TASK_ID_CHARACTERS_MAX,
    Round,
    Rules,
    TaskState,
    cut,
    digest_of,
    head_of,
    keep,
    without_input,
)
from comitia_aggregator.tally import Tally

Effects = tuple[Effect, ...]
_REFUSALS = (DECISION_STATUS_REJECTED, DECISION_STATUS_NO_AGENT, DECISION_STATUS_OVER_BUDGET)
Event = Recorded[PanelEvent]


def step(
    state: TaskState | None,
    event: Event | Timer,
    now_ms: int,
    rules: Rules,
    overloaded: bool = False,
) -> tuple[TaskState | None, Effects]:
    """Fold one event. The state passed in is changed and given back; None means that nothing is
    known of the task.

    `now_ms`: the append time of a log event, or the time of the timer (broker's clock, epoch
    milliseconds). `overloaded`: a panel that opens now is decided OVERLOADED, and no answer is held
    for a panel that has not come. Raises Poison when the event names no task.
    """
    if isinstance(event, Timer):
        return _timer(state, now_ms, rules)
    if not event.message.task_id:
        raise Poison("the event names no task: set task_id", "UNREADABLE")
    if len(event.message.task_id) > TASK_ID_CHARACTERS_MAX:
        raise Poison(f"task_id: at most {TASK_ID_CHARACTERS_MAX} characters", "INVALID_ID")
    kind = event.message.WhichOneof("event")
    if state is None:
        state = TaskState(event.message.task_id)
    if state.conflict and kind not in conflict.KINDS:
        return state, after(conflict.decided_of(state), event)
    known = state.panel or state.cancelled or state.decided
    overloaded = overloaded and not stages.of_a_stage(event.message)
    if kind == "panel_opened" and overloaded and not known:
        effects = _overload(state, event, rules)
    elif kind == "answer" and overloaded and not (known or state.early):
        # Nothing says that its task exists, and there is no room to wait for that.
        effects = dropped("OVERLOADED")
    elif kind in _KINDS:
        effects = _KINDS[kind](state, event, rules)
    else:  # newer versions may say more
        effects = ()
    remembered = state.panel or state.cancelled or state.early or state.decided or state.conflict
    return (state if remembered else None), effects


def _panel_opened(state: TaskState, event: Event, rules: Rules) -> Effects:
    panel = event.message.panel_opened
    if state.panel or state.decided:
        return second(state, panel.task)
    state.digest = digest_of(panel.task)
    state.traceparent = event.traceparent
    kept = without_input(panel)
    kept.deadline_ms = min(panel.deadline_ms, event.append_ms + rules.timeout_ms_max)
    if kept.round_deadline_ms:
        kept.round_deadline_ms = min(kept.round_deadline_ms, kept.deadline_ms)
    state.panel = kept.SerializeToString()
    state.partition = event.partition
    state.timer_ms = kept.round_deadline_ms or kept.deadline_ms
    state.size_bytes += len(state.panel)
    early, state.early = state.early, ()
    refused: Effects = ()
    for one in early:
        state.size_bytes -= len(one.answer) + ENTRY_BYTES
        refused += count(state, kept, one, rules)
    if state.cancelled:
        ending = Ending(DECISION_STATUS_CANCELLED, state.cancelled)
        return refused + _end(state, kept, event.append_ms, ending, rules)
    if kept.task.policy.stages:
        due = stages.begin(state, kept, event.append_ms, rules)
        return refused + _staged(state, due, rules)
    if not kept.assignments:
        return refused + _end(state, kept, event.append_ms, decision.NO_SEAT, rules)
    return refused + _if_closed(state, kept, event.append_ms, rules)


def _answer(state: TaskState, event: Event, rules: Rules) -> Effects:
    if state.decided and not state.panel:
        return dropped("AFTER_DECISION")
    answer, letters = within(event.message.answer, state.task_id, rules)
    if not state.panel:
        return hold(state, answer, event.append_ms, rules) or letters
    panel = PanelOpened.FromString(state.panel)
    refused = count(state, panel, keep(answer, event.append_ms, rules), rules)
    return refused or (*letters, *_if_closed(state, panel, event.append_ms, rules))


def _round_opened(state: TaskState, event: Event, rules: Rules) -> Effects:
    """Another round begins: the log says so, whatever was found due before that was read."""
    opened = event.message.round_opened
    panel = PanelOpened.FromString(state.panel)
    number = state.rounds[-1].number if state.rounds else 1
    steps = panel.task.policy.steps
    if opened.panel_id != panel.panel_id or opened.round <= number or opened.step >= len(steps):
        return ()
    deadline_ms = min(opened.deadline_ms, panel.deadline_ms)
    shown = {one.seat: tuple(one.peers) for one in opened.shown}
    first = len(panel.assignments)
    begun = Round(opened.round, opened.step, first, deadline_ms, shown)
    panel.assignments.extend(opened.assignments)
    kept = panel.SerializeToString()
    state.size_bytes += len(kept) - len(state.panel)
    state.panel, state.rounds = kept, (*state.rounds, begun)
    state.walk = tuple(record.SerializeToString() for record in opened.walk)
    state.timer_ms, state.opening, state.decided = deadline_ms, False, False
    early, state.early = state.early, ()
    refused: Effects = ()
    for one in early:
        state.size_bytes -= len(one.answer) + ENTRY_BYTES
        refused += count(state, panel, one, rules)
    if state.ending:  # a cancel, say, that stood in the log before this round did
        return refused + _end(state, panel, event.append_ms, ending_of(state.ending), rules)
    return refused + _if_closed(state, panel, event.append_ms, rules)


def _staged(state: TaskState, due: stages.Due, rules: Rules) -> Effects:
    """What is due of a task of stages: effects, or its decision."""
    if isinstance(due, Decision):
        return _publish(state, due, PanelOpened.FromString(state.panel), rules)
    return due


def _task_refused(state: TaskState, event: Event, rules: Rules) -> Effects:
    refused = event.message.task_refused
    if state.panel or state.decided:
        return second(state, refused.task) if refused.HasField("task") else ()
    if refused.HasField("task"):
        state.digest = digest_of(refused.task)
    state.traceparent = event.traceparent
    nobody = PanelOpened(task=head_of(refused.task), task_appended_ms=refused.task_appended_ms)
    reference = refused.dead_letter if refused.HasField("dead_letter") else None
    status = refused.status if refused.status in _REFUSALS else DECISION_STATUS_REJECTED
    ending = Ending(status, refused.reason or "The task was refused.", reference)
    return _end(state, nobody, event.append_ms, ending, rules)


def _task_failed(state: TaskState, event: Event, rules: Rules) -> Effects:
    if state.decided:
        return ()
    failed = event.message.task_failed
    state.traceparent = state.traceparent or event.traceparent
    reference = failed.dead_letter if failed.HasField("dead_letter") else None
    reason = f"A record of this task could not be processed: {failed.reason or 'no reason given'}."
    ending = Ending(DECISION_STATUS_FAILED, reason, reference)
    return _end(state, PanelOpened.FromString(state.panel), event.append_ms, ending, rules)


def _task_cancelled(state: TaskState, event: Event, rules: Rules) -> Effects:
    if state.decided or state.cancelled:
        return ()
    said = event.message.task_cancelled
    by = f" by {cut(said.by, rules.cancel_bytes_max)}" if said.by else ""
    why = f": {cut(said.reason, rules.cancel_bytes_max)}" if said.reason else ""
    state.cancelled = f"The task was cancelled{by}{why}."
    if state.panel:
        panel = PanelOpened.FromString(state.panel)
        ending = Ending(DECISION_STATUS_CANCELLED, state.cancelled)
        return _end(state, panel, event.append_ms, ending, rules)
    state.size_bytes += len(state.cancelled)
    wait_until(state, event.append_ms + rules.keep_ms)
    return ()


_KINDS: dict[str | None, Callable[[TaskState, Event, Rules], Effects]] = {
    "panel_opened": _panel_opened,
    "round_opened": _round_opened,
    "stage_opened": lambda *told: _staged(told[0], stages.moved(*told), told[2]),
    "stage_ended": lambda *told: _staged(told[0], stages.moved(*told), told[2]),
    "answer": _answer,
    "task_refused": _task_refused,
    "task_failed": _task_failed,
    "task_cancelled": _task_cancelled,
    "conflict_opened": conflict.opened,
    "verdict": conflict.verdict,
}


def _timer(state: TaskState | None, now_ms: int, rules: Rules) -> tuple[TaskState | None, Effects]:
    if state is None or state.timer_ms is None or now_ms < state.timer_ms:
        return state, ()  # a timer that was moved or is over
    if state.conflict:
        return state, conflict.timer(state, now_ms, rules)
    if not state.panel:
        # Answers or a cancel whose panel never came.
        return None, dropped("NO_PANEL") * len(state.early)
    panel = PanelOpened.FromString(state.panel)
    if state.staged:
        return state, _staged(state, stages.expired(state, panel, now_ms, rules), rules)
    counted = decision.count(state, panel, rules)
    return state, _conclude(state, panel, (counted, Close.EXPIRED), now_ms, rules)


def _overload(state: TaskState, event: Event, rules: Rules) -> Effects:
    panel = event.message.panel_opened
    state.digest = digest_of(panel.task)
    state.traceparent = event.traceparent
    return _end(state, without_input(panel), event.append_ms, decision.NO_ROOM, rules)


def _if_closed(state: TaskState, panel: PanelOpened, at_ms: int, rules: Rules) -> Effects:
    """Decide if everybody who is waited for has answered or the rest need not be waited for."""
    found = None if state.opening or state.decided else closed(state, panel, rules)
    return () if found is None else _conclude(state, panel, found, at_ms, rules)


def _conclude(
    state: TaskState, panel: PanelOpened, found: tuple[Tally, Close], now_ms: int, rules: Rules
) -> Effects:
    """The round that was open last is over: go up the ladder where there is one, else decide."""
    counted, why = found
    # A timer may be late, or early for the task where a round's time is over.
    at_ms = min(now_ms, panel.deadline_ms) if why is Close.EXPIRED else now_ms
    if not panel.task.policy.steps:
        made = decision.tallied(state, panel, counted, (why, at_ms), rules)
        return _publish(state, made, panel, rules)
    walked = advance(state, panel, counted, now_ms, rules)
    if walked.effects:
        state.opening, state.timer_ms = True, panel.deadline_ms
        return walked.effects
    if why is Close.EXPIRED and at_ms < panel.deadline_ms:
        # Its last round is over, and no step is left to use the rest of its time.
        why = Close.COMPLETE
    made = decision.tallied(state, panel, counted, (why, at_ms), rules)
    return _publish(state, conclude(made, panel, counted, walked, at_ms), panel, rules)


def _end(state: TaskState, panel: PanelOpened, at_ms: int, ending: Ending, rules: Rules) -> Effects:
    if panel.task.policy.steps:
        state.ending = kept(ending)
    return _publish(state, decision.ended(state, panel, at_ms, ending, rules), panel, rules)


def _publish(state: TaskState, made: Decision, panel: PanelOpened, rules: Rules) -> Effects:
    """Close the task and say so; agents that still work on it are told to stop."""
    answered, listed = len(state.answers) + len(state.late), len(panel.assignments)
    state.decided, state.timer_ms = True, None
    made = stage_ends.whole(state, made)
    if not (panel.task.policy.steps or state.staged):
        state.panel, state.answers, state.early = b"", {}, ()
    key = panel.task.root_id or state.task_id
    said: Effects = (Publish(rules.decisions_topic, key, made, traceparent=state.traceparent),)
    if made.status == DECISION_STATUS_ESCALATED:
        said = conflict.escalate(made, key, state.traceparent, rules)
    said = (*said, *stage_ends.others(state, panel, made, rules))
    if answered == listed and not state.opening:
        return said
    reason = DecisionStatus.Name(made.status).removeprefix("DECISION_STATUS_")
    stop = StopWork(state.task_id, panel.panel_id, reason, panel.deadline_ms)
    return (*said, stop)
