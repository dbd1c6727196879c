"""Whether feedback speaks of a decision. Pure.

In comes feedback with the record that stands where it points; out comes the decision, or Poison
with a sentence that says what to change.
"""

import re

from comitia.effects import Recorded
from comitia.errors import Poison
from comitia.v1.decision_pb2 import Decision
from comitia.v1.feedback_pb2 import Feedback

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def decision_of(feedback: Feedback, decision: Recorded[Decision] | None) -> Decision:
    """The decision that feedback speaks of; `decision` None: none stands there. Poison:
    INVALID_FEEDBACK, NO_DECISION, OTHER_TASK.
    """
    if not _ID.fullmatch(feedback.id):
        raise Poison(
            f"id: {feedback.id[:128]!r} is not possible; use 1 to 128 characters of"
            " A-Z a-z 0-9 . _ : -",
            "INVALID_FEEDBACK",
        )
    if feedback.correct.WhichOneof("kind") is None:
        raise Poison("correct: it is not set; say what the right value is", "INVALID_FEEDBACK")
    where = f"partition {feedback.decision_partition}, offset {feedback.decision_offset}"
    if decision is None:
        raise Poison(
            f"there is no decision at {where}: name where the decision stands, while the topic"
            " keeps it (retention.ms)",
            "NO_DECISION",
        )
    if decision.message.task_id != feedback.task_id:
        raise Poison(
            f"task_id: {feedback.task_id[:128]!r}, but the decision at {where} is of"
            f" {decision.message.task_id[:128]!r}",
            "OTHER_TASK",
        )
    return decision.message
