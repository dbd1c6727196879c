"""Which answers count. An answer and the task's state in; the state with the answer counted, noted
as late, held or dropped.

An answer counts when the winning panel lists its assignment, it is the first of that assignment,
and it was appended by the deadline. One that comes before the panel is held until then.
"""

from comitia.effects import AnswerDropped
from comitia.v1.answer_pb2 import Answer
from comitia.v1.panel_event_pb2 import PanelOpened
from comitia_aggregator.state import ENTRY_BYTES, Early, Rules, TaskState, ballot_of

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


def hold(state: TaskState, answer: Answer, append_ms: int, rules: Rules) -> Dropped:
    """Keep an answer that precedes its panel, until the deadline that it carries; the first of an
    assignment only.
    """
    if len(state.early) >= rules.early_max:
        return dropped("TOO_MANY")
    if any(one.assignment_id == answer.assignment_id for one in state.early):
        return dropped("DUPLICATE")
    kept = Answer()
    kept.CopyFrom(answer)
    kept.ClearField("embedding")
    early = Early(answer.assignment_id, kept.SerializeToString(), append_ms)
    state.early = (*state.early, early)
    state.size_bytes += len(early.answer) + ENTRY_BYTES
    until = answer.deadline_ms if answer.deadline_ms > 0 else append_ms + rules.keep_ms
    wait_until(state, min(until, append_ms + rules.timeout_ms_max))
    return ()


def wait_until(state: TaskState, until_ms: int) -> None:
    """Ask for a timer not before `until_ms` (broker's clock, epoch milliseconds)."""
    state.timer_ms = until_ms if state.timer_ms is None else max(state.timer_ms, until_ms)


def count(
    state: TaskState, panel: PanelOpened, answer: Answer, append_ms: int, rules: Rules
) -> Dropped:
    """Count an answer if the panel lists its assignment, it is the first of it, and it came in
    time.
    """
    position = listed(panel, answer.assignment_id)
    if position is None:
        return dropped("UNLISTED")
    if position in state.ballots or position in state.late:
        return dropped("DUPLICATE")
    if append_ms > panel.deadline_ms:
        state.late = state.late | {position}
        return dropped("LATE")
    listing = panel.assignments[position]
    agent = next((seat.agent for seat in panel.seats if seat.seat == listing.seat), answer.agent)
    ballot = ballot_of(answer, listing, agent, rules.answer_bytes_max)
    state.ballots[position] = ballot.SerializeToString()
    state.worked_ms += answer.timings.worked_ms
    state.size_bytes += len(state.ballots[position]) + ENTRY_BYTES
    return ()
