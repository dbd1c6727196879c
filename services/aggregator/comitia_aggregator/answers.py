"""Which answers count. An answer and the task's state in; the state with the answer counted, noted
as late, held or dropped.

An answer counts when the winning panel or one of its rounds lists its assignment, it is the first
of that assignment, and it was appended by the deadline of its round. One that comes before the
panel, or before its round, is held until then.
"""

from comitia.effects import AnswerDropped, DeadLetter
from comitia.v1.answer_pb2 import ABSTENTION_REASON_UNDECIDED, Answer
from comitia.v1.panel_event_pb2 import PanelOpened
from comitia_aggregator.state import ENTRY_BYTES, Kept, Rules, TaskState, keep

Dropped = tuple[AnswerDropped, ...]


def dropped(reason: str) -> Dropped:
    """The effect that counts an answer as dropped."""
    return (AnswerDropped(reason),)


def listed(panel: PanelOpened, assignment_id: str) -> int | None:
    """Position of the listing that makes an answer count; None when the panel lists no such
    assignment.
    """
    for position, assignment in enumerate(panel.assignments):
        if assignment.id == assignment_id:
            return position
    return None


def within(
    answer: Answer, task_id: str, rules: Rules
) -> tuple[Answer, tuple[DeadLetter] | tuple[()]]:
    """The answer as it counts: one that is too large is an abstention that says so, and a letter
    keeps it.
    """
    size = answer.ByteSize()
    if size <= rules.answer_bytes_max:
        return answer, ()
    why = f"the answer has {size} bytes, at most {rules.answer_bytes_max} count"
    said = Answer(
        assignment_id=answer.assignment_id,
        agent=answer.agent,
        usage=answer.usage,
        timings=answer.timings,
        deadline_ms=answer.deadline_ms,
    )
    said.abstention.reason = ABSTENTION_REASON_UNDECIDED
    said.abstention.detail = why
    return said, (DeadLetter("TOO_LARGE", why, task_id),)


def hold(state: TaskState, answer: Answer, append_ms: int, rules: Rules) -> Dropped:
    """Keep an answer that precedes its panel, until the deadline that it carries; the first of an
    assignment only.
    """
    refused = _keep_early(state, keep(answer, append_ms, rules), rules)
    if not refused:
        until = answer.deadline_ms if answer.deadline_ms > 0 else append_ms + rules.keep_ms
        wait_until(state, min(until, append_ms + rules.timeout_ms_max))
    return refused


def wait_until(state: TaskState, until_ms: int) -> None:
    """Ask for a timer not before `until_ms` (broker's clock, epoch milliseconds)."""
    state.timer_ms = until_ms if state.timer_ms is None else max(state.timer_ms, until_ms)


def count(state: TaskState, panel: PanelOpened, answer: Kept, rules: Rules) -> Dropped:
    """Count an answer if the panel or a round lists its assignment, it is the first of it, and it
    came in time.
    """
    position = listed(panel, answer.assignment_id)
    if position is None and panel.task.policy.steps:
        # Inboxes are read before a round's opening is committed, so its first answers may stand
        # before it in the log.
        return _keep_early(state, answer, rules)
    if position is None:
        return dropped("UNLISTED")
    if position in state.answers or position in state.late:
        return dropped("DUPLICATE")
    if answer.append_ms > _until_ms(state, panel, position):
        state.late = state.late | {position}
        return dropped("LATE")
    state.answers[position] = answer.answer
    state.worked_ms += answer.worked_ms
    state.size_bytes += len(answer.answer) + ENTRY_BYTES
    return ()


def _keep_early(state: TaskState, answer: Kept, rules: Rules) -> Dropped:
    """Hold an answer until its panel, or its round, is opened."""
    if len(state.early) >= rules.early_max:
        return dropped("TOO_MANY")
    if any(one.assignment_id == answer.assignment_id for one in state.early):
        return dropped("DUPLICATE")
    state.early = (*state.early, answer)
    state.size_bytes += len(answer.answer) + ENTRY_BYTES
    return ()


def _until_ms(state: TaskState, panel: PanelOpened, position: int) -> int:
    """Until when an answer to this assignment counts (broker's clock, epoch milliseconds)."""
    for opened in reversed(state.rounds):
        if position >= opened.first:
            return opened.deadline_ms
    return panel.round_deadline_ms or panel.deadline_ms
