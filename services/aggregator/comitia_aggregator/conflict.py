"""Decisions that are left to a person: opened beside the ESCALATED decision, and again while they
are open; closed by a person's verdict, or by the rule of the policy when nobody settles them.

In come the finished decision, then events of the task that is open again, and its timer; out go the
next revision, once, the verdict as feedback, and a dead letter for every verdict that settles
nothing, with what to change. What is known of a conflict stands in the record that opened it, so
that a fold from the newest of these records knows as much as any other. Pure.
"""

import hashlib

from comitia.effects import DeadLetter, DecidedTask, Effect, Publish, Recorded, settled_by
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_ESCALATED,
    DECISION_STATUS_EXPIRED,
    Decision,
    Settlement,
)
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.panel_event_pb2 import ConflictOpened, PanelEvent
from comitia.v1.verdict_pb2 import Verdict
from comitia_aggregator import explain
from comitia_aggregator.state import KIB, STATE_BYTES, Rules, TaskState, cut
from comitia_aggregator.values import key_of

REFUSED = "VERDICT_REFUSED"
PERSON = "person"
BY_BYTES_MAX = 256
BECAUSE_BYTES_MAX = 4 * KIB
# Of the id of feedback.
ID_CHARACTERS_MAX = 128
# What was the panel's stands in the revision before; a revision costs nothing more.
_OF_THE_PANEL = (
    "ballots", "late", "missing", "tied", "method", "margin", "calibrated_probability",
    "weights_version", "cost", "escalation",
)  # fmt: skip
# Events that an open conflict heeds; others meet it as any decided task.
KINDS = ("conflict_opened", "verdict")
Effects = tuple[Effect, ...]
Event = Recorded[PanelEvent]


def escalate(made: Decision, key: str, traceparent: str, rules: Rules) -> Effects:
    """Publish an ESCALATED decision under `key` and the conflict beside it. The conflict goes
    first: no decision that asks for a person is in the log without it.
    """
    _fit(made, rules.decision_bytes_max)
    event = PanelEvent(task_id=made.task_id)
    conflict = event.conflict_opened
    conflict.decision.CopyFrom(made)
    conflict.decision.ClearField("ballots")
    conflict.decision.escalation.ClearField("input")
    conflict.decision_offset = -1
    conflict.root_id = key if key != made.task_id else ""
    topic = rules.names.topic("panel-events")
    return (
        Publish(topic, key, event, traceparent=traceparent),
        Publish(rules.decisions_topic, key, made, order=1, traceparent=traceparent),
    )


def opened(state: TaskState, event: Event, rules: Rules) -> Effects:
    """The log says that the conflict is open, for the first time or once more."""
    said = event.message.conflict_opened
    escalated = said.decision.status == DECISION_STATUS_ESCALATED
    if state.decided or not escalated or said.decision.task_id != state.task_id:
        return ()
    conflict = ConflictOpened()
    conflict.CopyFrom(said)
    if state.conflict and said.decision_offset < 0:
        conflict.decision_offset = ConflictOpened.FromString(state.conflict).decision_offset
    state.conflict = conflict.SerializeToString()
    state.digest, state.partition = said.decision.task_digest, event.partition
    state.traceparent = event.traceparent
    state.size_bytes = STATE_BYTES + len(state.conflict)
    state.timer_ms = min(_expires_ms(conflict), event.append_ms + rules.remind_ms)
    return ()


def verdict(state: TaskState, event: Event, rules: Rules) -> Effects:
    """A person's word: the next revision and feedback, or a dead letter."""
    said = event.message.verdict
    if not state.conflict:
        why = "no decision of this task waits for a person: settle one with the status ESCALATED"
        return _refused(state.task_id, why)
    name = _name(said)
    conflict = ConflictOpened.FromString(state.conflict)
    revision = conflict.decision.revision
    if state.decided:
        same = name == state.settled and said.revision == revision
        return () if same else _refused(state.task_id, _too_late(revision + 1))
    if event.append_ms > _expires_ms(conflict):
        late = _refused(state.task_id, _too_late(revision + 1))
        return (*_expire(state, conflict, rules), *late)
    why = _problem(conflict, said, rules)
    if why:
        return _refused(state.task_id, why)
    state.settled = name
    settlement = Settlement(by=cut(said.by, BY_BYTES_MAX))
    settlement.because = cut(said.because, BECAUSE_BYTES_MAX)
    made = _revision(conflict, settlement, rules)
    made.status, made.decided_by = DECISION_STATUS_DECIDED, PERSON
    made.value.CopyFrom(said.value)
    made.explanation = explain.settled(made)
    return (*_feedback(state, conflict, said, rules), *_close(state, conflict, made, rules))


def timer(state: TaskState, now_ms: int, rules: Rules) -> Effects:
    """The conflict expires, or the log is told once more that it is open."""
    conflict = ConflictOpened.FromString(state.conflict)
    expires_ms = _expires_ms(conflict)
    if now_ms >= expires_ms:
        return _expire(state, conflict, rules)
    state.timer_ms = min(expires_ms, now_ms + rules.remind_ms)
    event = PanelEvent(task_id=state.task_id, conflict_opened=conflict)
    topic, key = rules.names.topic("panel-events"), conflict.root_id or state.task_id
    return (Publish(topic, key, event, traceparent=state.traceparent),)


def after(decided: DecidedTask, said: Verdict) -> Effects:
    """A verdict on a task of which no conflict is open. The one that settled it is delivered once
    more: nothing is wrong with that.
    """
    again = decided.settled == _name(said) and decided.revision == said.revision + 1
    if decided.settled and again:
        return ()
    if decided.revision:
        return _refused(decided.task_id, _too_late(decided.revision))
    why = "the decision of this task is not left to a person: settle one with the status ESCALATED"
    return _refused(decided.task_id, why)


def decided_of(state: TaskState) -> DecidedTask:
    """The decision that waits, as what any decided task is to later events."""
    conflict = ConflictOpened.FromString(state.conflict)
    revision, offset = conflict.decision.revision, conflict.decision_offset
    return DecidedTask(state.task_id, revision, offset, 0, digest=state.digest, escalated=True)


def _problem(conflict: ConflictOpened, said: Verdict, rules: Rules) -> str:
    """Why the verdict does not settle the conflict, and what to change; "" where it does."""
    revision, offset = conflict.decision.revision, conflict.decision_offset
    if said.revision != revision:
        return f"revision: the verdict names {said.revision}, revision {revision} waits: name that"
    if offset >= 0 and said.decision_offset >= 0 and said.decision_offset != offset:
        return (
            f"decision_offset: the verdict names {said.decision_offset}, the decision that waits"
            f" stands at {offset}: name that"
        )
    size, bytes_max = said.value.ByteSize(), rules.answer_bytes_max
    if size > bytes_max:
        return f"value: it has {size} bytes, shorten it to {bytes_max}"
    try:
        key_of(said.value, conflict.decision.escalation.format)
    except ValueError as error:
        return f"value: {error}: give one that the task asks for"
    return ""


def _expire(state: TaskState, conflict: ConflictOpened, rules: Rules) -> Effects:
    """Nobody has settled it in time: what the policy says becomes of it."""
    made = _revision(conflict, Settlement(expired=True), rules)
    escalation = conflict.decision.escalation
    if escalation.HasField("expiry_value"):
        made.status = DECISION_STATUS_DECIDED
        made.value.CopyFrom(escalation.expiry_value)
        asked = [step.name for step in made.steps if step.kind == PERSON and step.taken]
        made.decided_by = asked[-1] if asked else PERSON
    else:
        made.status = DECISION_STATUS_EXPIRED
    made.explanation = explain.settled(made)
    return _close(state, conflict, made, rules)


def _revision(conflict: ConflictOpened, settlement: Settlement, rules: Rules) -> Decision:
    """What the next revision has of the one before."""
    made = Decision()
    made.CopyFrom(conflict.decision)
    for name in _OF_THE_PANEL:
        made.ClearField(name)
    made.revision += 1
    made.delivery = rules.delivery
    settlement.revision = conflict.decision.revision
    settlement.decision_offset = conflict.decision_offset
    made.settlement.CopyFrom(settlement)
    return made


def _close(state: TaskState, conflict: ConflictOpened, made: Decision, rules: Rules) -> Effects:
    """Behind all that goes with it: what was told of it is then known to be told."""
    state.decided, state.timer_ms = True, None
    key = conflict.root_id or state.task_id
    to = rules.decisions_topic
    return (Publish(to, key, made, order=1, traceparent=state.traceparent),)


def _feedback(state: TaskState, conflict: ConflictOpened, said: Verdict, rules: Rules) -> Effects:
    """The verdict as feedback on the panel's decision, where anybody knows where that stands."""
    offset = conflict.decision_offset if conflict.decision_offset >= 0 else said.decision_offset
    if offset < 0:
        return ()
    told = Feedback(
        id=_feedback_id(state.task_id, said.revision),
        task_id=state.task_id,
        decision_partition=state.partition,
        decision_offset=offset,
        correct=said.value,
        by=cut(said.by, BY_BYTES_MAX),
    )
    topic = rules.names.topic("feedback")
    return (Publish(topic, state.task_id, told, traceparent=state.traceparent),)


def _feedback_id(task_id: str, revision: int) -> str:
    """The same for one conflict, however often it is said."""
    plain = f"verdict:{task_id}:{revision}"
    if len(plain) <= ID_CHARACTERS_MAX:
        return plain
    return f"verdict:{hashlib.blake2b(task_id.encode(), digest_size=16).hexdigest()}:{revision}"


def _fit(made: Decision, bytes_max: int) -> None:
    """Leave out the least likely candidates until the decision fits."""
    candidates = made.escalation.candidates
    while candidates and made.ByteSize() > bytes_max:
        del candidates[-1]


def _name(said: Verdict) -> bytes:
    """As the decision that it makes names it."""
    by, because = cut(said.by, BY_BYTES_MAX), cut(said.because, BECAUSE_BYTES_MAX)
    return settled_by(said.value, by, because)


def _expires_ms(conflict: ConflictOpened) -> int:
    return conflict.decision.escalation.expires_ms


def _too_late(revision: int) -> str:
    return f"the conflict is settled or has expired: revision {revision} says how, and stands"


def _refused(task_id: str, why: str) -> tuple[DeadLetter, ...]:
    return (DeadLetter(REFUSED, why, task_id),)
