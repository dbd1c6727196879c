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

from comitia.effects import DeadLetter, DecidedTask, Effect, Publish, Recorded, StopWork, Timer
from comitia.errors import Poison
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_CANCELLED,
    DECISION_STATUS_FAILED,
    DECISION_STATUS_NO_AGENT,
    DECISION_STATUS_OVER_BUDGET,
    DECISION_STATUS_OVERLOADED,
    DECISION_STATUS_REJECTED,
    Decision,
    DecisionStatus,
)
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened
from comitia.v1.task_pb2 import Task
from comitia_aggregator import decision
from comitia_aggregator.answers import count, dropped, hold, wait_until, within
from comitia_aggregator.closing import closed
from comitia_aggregator.decision import Close, Ending
from comitia_aggregator.state import (
    ENTRY_BYTES,
    TASK_ID_CHARACTERS_MAX,
    Rules,
    TaskState,
    cut,
    digest_of,
    head_of,
    keep,
    without_input,
)

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
    for a panel that has not come. Raises Poison when
    the event names no task.
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
    known = state.panel or state.cancelled or state.decided
    if kind == "panel_opened" and overloaded and not known:
        effects = _overload(state, event, rules)
    elif kind == "answer" and overloaded and not (known or state.early):
        # Nothing says that its task exists, and there is no room to wait for that.
        effects = dropped("OVERLOADED")
    elif kind in _KINDS:
        effects = _KINDS[kind](state, event, rules)
    else:  # rounds and verdicts are not of this version, and newer versions may say more
        effects = ()
    remembered = state.panel or state.cancelled or state.early or state.decided
    return (state if remembered else None), effects


def after(decided: DecidedTask, event: Event) -> Effects:
    """What an event asks for once the task is decided: only another task under the same id
    matters.
    """
    if event.message.WhichOneof("event") == "answer":
        return dropped("AFTER_DECISION")
    task = _task_of(event.message)
    if task is None:
        return ()
    if not decided.digest:
        decided.digest = digest_of(task)
        return ()
    return _unless_same(decided.task_id, decided.digest, task)


def _panel_opened(state: TaskState, event: Event, rules: Rules) -> Effects:
    panel = event.message.panel_opened
    if state.panel or state.decided:
        return _second(state, panel.task)
    state.digest = digest_of(panel.task)
    state.traceparent = event.traceparent
    kept = without_input(panel)
    kept.deadline_ms = min(panel.deadline_ms, event.append_ms + rules.timeout_ms_max)
    state.panel = kept.SerializeToString()
    state.timer_ms = kept.deadline_ms
    state.size_bytes += len(state.panel)
    early, state.early = state.early, ()
    refused: Effects = ()
    for one in early:
        state.size_bytes -= len(one.answer) + ENTRY_BYTES
        refused += count(state, kept, one)
    if state.cancelled:
        ending = Ending(DECISION_STATUS_CANCELLED, state.cancelled)
        return refused + _end(state, kept, event.append_ms, ending, rules)
    if not kept.assignments:
        ending = Ending(DECISION_STATUS_NO_AGENT, "The panel has no seat: no agent could be asked.")
        return refused + _end(state, kept, event.append_ms, ending, rules)
    return refused + _if_closed(state, kept, event.append_ms, rules)


def _answer(state: TaskState, event: Event, rules: Rules) -> Effects:
    if state.decided:
        return dropped("AFTER_DECISION")
    answer, letters = within(event.message.answer, state.task_id, rules)
    if not state.panel:
        return hold(state, answer, event.append_ms, rules) or letters
    panel = PanelOpened.FromString(state.panel)
    refused = count(state, panel, keep(answer, event.append_ms, rules))
    return refused or (*letters, *_if_closed(state, panel, event.append_ms, rules))


def _task_refused(state: TaskState, event: Event, rules: Rules) -> Effects:
    refused = event.message.task_refused
    if state.panel or state.decided:
        return _second(state, refused.task) if refused.HasField("task") else ()
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
    "answer": _answer,
    "task_refused": _task_refused,
    "task_failed": _task_failed,
    "task_cancelled": _task_cancelled,
}


def _timer(state: TaskState | None, now_ms: int, rules: Rules) -> tuple[TaskState | None, Effects]:
    if state is None or state.timer_ms is None or now_ms < state.timer_ms:
        return state, ()  # a timer that was moved or is over
    if not state.panel:
        # Answers or a cancel whose panel never came.
        return None, dropped("NO_PANEL") * len(state.early)
    panel = PanelOpened.FromString(state.panel)
    counted = decision.count(state, panel, rules)
    made = decision.tallied(state, panel, counted, (Close.EXPIRED, panel.deadline_ms), rules)
    return state, _publish(state, made, panel, rules)


def _overload(state: TaskState, event: Event, rules: Rules) -> Effects:
    panel = event.message.panel_opened
    state.digest = digest_of(panel.task)
    state.traceparent = event.traceparent
    reason = (
        "The aggregator has no room for another task: publish it again later, or add aggregators."
    )
    ending = Ending(DECISION_STATUS_OVERLOADED, reason)
    return _end(state, without_input(panel), event.append_ms, ending, rules)


def _if_closed(state: TaskState, panel: PanelOpened, at_ms: int, rules: Rules) -> Effects:
    """Decide if everybody who is waited for has answered or the rest need not be waited for."""
    found = closed(state, panel, rules)
    if found is None:
        return ()
    counted, why = found
    made = decision.tallied(state, panel, counted, (why, at_ms), rules)
    return _publish(state, made, panel, rules)


def _end(state: TaskState, panel: PanelOpened, at_ms: int, ending: Ending, rules: Rules) -> Effects:
    return _publish(state, decision.ended(state, panel, at_ms, ending, rules), panel, rules)


def _publish(state: TaskState, made: Decision, panel: PanelOpened, rules: Rules) -> Effects:
    """Close the task and say so; agents that still work on it are told to stop."""
    answered, listed = len(state.answers) + len(state.late), len(panel.assignments)
    state.decided = True
    state.timer_ms = None
    state.panel, state.answers, state.early = b"", {}, ()
    key = panel.task.root_id or state.task_id
    publish = Publish(rules.decisions_topic, key, made, traceparent=state.traceparent)
    if answered == listed:
        return (publish,)
    reason = DecisionStatus.Name(made.status).removeprefix("DECISION_STATUS_")
    stop = StopWork(state.task_id, panel.panel_id, reason, panel.deadline_ms)
    return (publish, stop)


def _second(state: TaskState, task: Task) -> Effects:
    """A panel or a refusal that lost: ignored, unless it is another task under the same id."""
    return _unless_same(state.task_id, state.digest, task)


def _unless_same(task_id: str, digest: bytes, task: Task) -> Effects:
    if not digest or digest_of(task) == digest:
        return ()
    error = "a task with this id and another content came before: give every task an id of its own"
    return (DeadLetter("DUPLICATE_ID", error, task_id),)


def _task_of(event: PanelEvent) -> Task | None:
    kind = event.WhichOneof("event")
    if kind == "panel_opened":
        return event.panel_opened.task
    if kind == "task_refused" and event.task_refused.HasField("task"):
        return event.task_refused.task
    return None
