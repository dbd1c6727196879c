"""An agent's abstention when its work failed for good: the seat is then not missing, and the panel
need not wait for the deadline.

In come an assignment and why it was given up; out comes the event for its reply partition.
"""

from comitia.effects import Publish, Recorded
from comitia.errors import Poison
from comitia.v1 import answer_pb2
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.panel_event_pb2 import PanelEvent

_REASONS = {
    "TOO_LONG": answer_pb2.ABSTENTION_REASON_TOO_LONG,
    "OVERLOADED": answer_pb2.ABSTENTION_REASON_OVERLOADED,
}


def abstention(recorded: Recorded[Assignment], agent: str, why: Poison) -> Publish:
    """The abstention, in the assignment's reply partition under the task's key."""
    assignment = recorded.message
    event = PanelEvent(task_id=assignment.task.id)
    event.answer.assignment_id = assignment.id
    event.answer.agent = agent
    event.answer.abstention.reason = _REASONS.get(why.reason, answer_pb2.ABSTENTION_REASON_FAILED)
    event.answer.abstention.detail = f"{why.reason}: {why}"[:1000]
    event.answer.deadline_ms = assignment.deadline_ms
    key = assignment.task.root_id or assignment.task.id
    return Publish(assignment.reply_topic, key, event, assignment.reply_partition)
