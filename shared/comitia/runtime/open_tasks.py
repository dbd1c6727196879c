"""What a partition's fold notes of a task before its decision, and of effects before they are
delivered.

Plain records, changed by PartitionState alone; out of them come what is open and what is due.
"""

from dataclasses import dataclass
from typing import Any

from comitia.effects import Publish
from comitia.runtime.delivery import Job
from comitia.v1.panel_event_pb2 import PanelEvent


@dataclass(slots=True, eq=False)
class OpenTask:
    """A task that is not decided. `first` and `last` are offsets of its events. `counted`: no
    decision of it is under way. `looked_up`: none is in the log either, however old the task.
    """

    task_id: str
    first: int
    last: int
    state: Any = None
    size: int = 0
    timer_ms: int | None = None
    waiting: int = 0
    counted: bool = True
    looked_up: bool = False


@dataclass(slots=True, eq=False)
class Pending:
    """Effects that became due at `offset` and are not acknowledged."""

    offset: int
    job: Job
    task: OpenTask | None


def opens_round(job: Job, panel_id: str, number: int) -> bool:
    """Whether the job publishes the opening of this very round."""
    for effect in job.effects:
        if type(effect) is Publish and type(effect.message) is PanelEvent:
            opened = effect.message.round_opened
            if opened.round == number and opened.panel_id == panel_id:
                return True
    return False
