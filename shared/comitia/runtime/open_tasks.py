"""What a partition's fold notes of a task before its decision, and of effects before they are
delivered.

Plain records, changed by PartitionState alone; out of them come what is open and what is due.
"""

from dataclasses import dataclass, field
from typing import Any

from comitia.effects import Recorded
from comitia.runtime.delivery import Job
from comitia.runtime.memory import Event
from comitia.v1.panel_event_pb2 import PanelEvent


@dataclass(slots=True, eq=False)
class OpenTask:
    """A task that is not decided, or one that is and waits for a person (`conflict`). `first` and
    `last` are offsets of its events; a conflict begins at the newest record that says it is open.
    `counted`: it is part of the load, for no decision of it is under way. `deciding`: the effects
    that hold one. `looked_up`: none is in the log either, however old the task. `deferred`: events
    that are folded once its decision is acknowledged.

    For the metrics, in epoch milliseconds of the broker's clock, 0 where not known: `task_ms`, when
    the task was appended; `opened_ms`, when its first panel was; `closed_ms`, the event after which
    it was decided. `timed`: that was its timer.
    """

    task_id: str
    first: int
    last: int
    state: Any = None
    size: int = 0
    timer_ms: int | None = None
    waiting: int = 0
    counted: bool = True
    conflict: bool = False
    deciding: "Pending | None" = None
    looked_up: bool = False
    deferred: list[Event] = field(default_factory=list)
    task_ms: int = 0
    opened_ms: int = 0
    closed_ms: int = 0
    timed: bool = False

    def meet(self, recorded: Recorded[PanelEvent]) -> None:
        """Note when things happened, before an event is folded."""
        if not self.counted:
            return
        self.closed_ms, self.timed = recorded.append_ms, False
        if self.opened_ms:
            return
        kind = recorded.message.WhichOneof("event")
        if kind == "panel_opened":
            self.opened_ms = recorded.append_ms
            self.task_ms = recorded.message.panel_opened.task_appended_ms
        elif kind == "task_refused":
            self.task_ms = recorded.message.task_refused.task_appended_ms

    def ring(self, now_ms: int) -> None:
        """Note that its timer is due, before that is folded."""
        if self.counted:
            self.closed_ms, self.timed = now_ms, True


@dataclass(slots=True, eq=False)
class Pending:
    """Effects that became due at `offset` and are not acknowledged."""

    offset: int
    job: Job
    task: OpenTask | None
    in_flight: bool = False
