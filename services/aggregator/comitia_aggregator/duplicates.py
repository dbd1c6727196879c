"""What still comes for a task that is decided, above all another task under its id. An event and
what is known of the task in; a dead letter out where a task's content differs from the one that
came first, or a verdict finds nothing to settle.
"""

from comitia.effects import DeadLetter, DecidedTask, Effect, Recorded
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_aggregator import conflict
from comitia_aggregator.answers import dropped
from comitia_aggregator.state import TaskState, digest_of

Effects = tuple[Effect, ...]


def after(decided: DecidedTask, event: Recorded[PanelEvent]) -> Effects:
    """What an event asks for once the task is decided: only another task under the same id
    matters, and a verdict.
    """
    kind = event.message.WhichOneof("event")
    if kind == "answer":
        return dropped("AFTER_DECISION")
    if kind == "verdict":
        return conflict.after(decided, event.message.verdict)
    task = _task_of(event.message)
    if task is None:
        return ()
    if not decided.digest:
        decided.digest = digest_of(task)
        return ()
    return _unless_same(decided.task_id, decided.digest, task)


def second(state: TaskState, task: Task) -> Effects:
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
