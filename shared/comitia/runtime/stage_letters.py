"""What a task's log is told of a stage that the router could not process.

In comes a record of the topic `stages` that went to the dead letters; out comes an event in the log
of the whole task: the stage is refused, and takes its parent with it; a stage of which nothing can
be read fails its root, whose id is the record's key.
"""

from collections.abc import Sequence

from google.protobuf.message import DecodeError

from comitia.effects import Effect, Publish
from comitia.errors import Poison
from comitia.ports import Record
from comitia.runtime.dead_letters import REASON_MAX, Refused, task_failed
from comitia.runtime.partitioner import partition_of
from comitia.topics import Names
from comitia.v1.decision_pb2 import DECISION_STATUS_REJECTED, DeadLetterRef
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task


def stage_refused(names: Names, partitions: int) -> Refused:
    """For the router, in place of `task_refused`."""
    topic = names.topic("panel-events")

    def refused(record: Record, task_id: str, why: Poison, kept: DeadLetterRef) -> Sequence[Effect]:
        stage = _stage_of(record)
        if not stage.root_id:
            return task_failed(names, partition_of(task_id, partitions))(task_id, why, kept)
        event = PanelEvent(task_id=task_id)
        event.task_refused.status = DECISION_STATUS_REJECTED
        event.task_refused.task_appended_ms = record.timestamp_ms
        event.task_refused.reason = f"{why.reason}: {why}"[:REASON_MAX]
        event.task_refused.dead_letter.CopyFrom(kept)
        event.task_refused.task.CopyFrom(stage)
        root = stage.root_id
        return (Publish(topic, root, event, partition_of(root, partitions)),)

    return refused


def _stage_of(record: Record) -> Task:
    """Who the stage is and whose; nothing where that cannot be read."""
    try:
        task = Task.FromString(record.value or b"")
    except DecodeError:
        return Task()
    return Task(
        id=task.id, root_id=task.root_id, parent_id=task.parent_id, stage=task.stage,
        skill=task.skill,
    )  # fmt: skip
