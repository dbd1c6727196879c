"""Which tasks of one partition are decided, as far back as is remembered.

In come decisions as they are read or acknowledged, oldest first; out comes whether a task is
decided, from where on this memory is complete, and since when a task would have to be looked up in
the log (see lookups.py) because what lies before, be it too old or beyond the number, is forgotten.
"""

from dataclasses import dataclass, field

from comitia.effects import DecidedTask, Recorded, settled_by
from comitia.ports import Record
from comitia.v1.decision_pb2 import DECISION_STATUS_ESCALATED, Decision
from comitia.v1.panel_event_pb2 import PanelEvent

# So far may the clocks of two brokers be apart: a decision may seem older than its task.
SKEW_MS = 10_000
Event = tuple[Recorded[PanelEvent], Record, tuple[str, str]]


@dataclass(slots=True, eq=False)
class Parked:
    """A task that may be decided already: `events` wait until its decision was looked for, from
    `since_ms` on (broker's clock, epoch milliseconds), among the decisions under `key`.
    """

    since_ms: int
    key: bytes | None
    events: list[Event] = field(default_factory=list)


def decided_by(decision: Decision, offset: int, append_ms: int) -> DecidedTask:
    """What is remembered of a decision that stands at `offset` since `append_ms`."""
    settlement = decision.settlement
    verdict = decision.HasField("settlement") and not settlement.expired
    return DecidedTask(
        *(decision.task_id, decision.revision, offset, append_ms),
        digest=decision.task_digest,
        escalated=decision.status == DECISION_STATUS_ESCALATED,
        settled=settled_by(decision.value, settlement.by, settlement.because) if verdict else b"",
    )


class Memory:
    """`tasks`: by id, in the order of their decisions in the log, except for those looked up.

    Complete: every decision at `from_offset` or after it, and every one appended at `from_ms` or
    later (broker's clock, epoch milliseconds), is among `tasks`.
    """

    def __init__(self) -> None:
        self.tasks: dict[str, DecidedTask] = {}
        self.from_offset = 0
        self.from_ms = 0

    def begin(self, from_offset: int, from_ms: int) -> None:
        """What is remembered next is complete from here."""
        self.from_offset, self.from_ms = from_offset, from_ms

    def remember(self, decided: DecidedTask) -> None:
        """Take in the newest decision of a task."""
        self.tasks.pop(decided.task_id, None)
        self.tasks[decided.task_id] = decided

    def stands(self, event: PanelEvent) -> bool:
        """Whether the conflict that is opened is of the decision that is remembered of its task:
        then it names the offset of that.
        """
        opened, decided = event.conflict_opened, self.tasks[event.task_id]
        if not decided.escalated or decided.revision != opened.decision.revision:
            return False
        opened.decision_offset = decided.offset
        return True

    def oldest_offset(self, otherwise: int) -> int:
        """Where the decision stands that is remembered longest; `otherwise` where there is none."""
        return next(iter(self.tasks.values())).offset if self.tasks else otherwise

    def prune(self, before_ms: int, decided_max: int, low_water: int) -> None:
        """Forget the oldest beyond `decided_max`, and those from before `before_ms`; but of the
        latter none whose events a fold from `low_water` would meet again.
        """
        forgotten: list[DecidedTask] = []
        for decided in self.tasks.values():
            if len(self.tasks) - len(forgotten) <= decided_max and (
                decided.append_ms >= before_ms or decided.event_offset >= low_water
            ):
                break
            forgotten.append(decided)
        for decided in forgotten:
            del self.tasks[decided.task_id]
            self.from_offset = max(self.from_offset, decided.offset + 1)
            self.from_ms = max(self.from_ms, decided.append_ms + 1)

    def doubts(self, event: Recorded[PanelEvent]) -> int | None:
        """Since when a decision must be looked for before `event` may decide its task or open it;
        None where it need not. Broker's clock, epoch milliseconds.
        """
        message = event.message
        kind = message.WhichOneof("event")
        if kind == "panel_opened":
            appended_ms = message.panel_opened.task_appended_ms or event.append_ms
        elif kind == "task_refused":
            appended_ms = message.task_refused.task_appended_ms or event.append_ms
        elif kind in ("task_failed", "conflict_opened", "verdict"):
            # Where the task's age is not told: a decision that followed from this very event, which
            # is folded once more, came after it.
            appended_ms = event.append_ms
        else:
            return None
        since_ms = appended_ms - SKEW_MS
        return since_ms if since_ms < self.from_ms else None
