"""What the metrics learn of decisions once they are published.

In come flushes that were acknowledged and, with transactions, committed; out go the number of
decisions by status, how long tasks took, and the two stages that end with a decision. A decision
counts here when it was this process's own flush that published it: one that a fold finds in the log
is not counted again, and one whose commit ended in doubt is not counted at all.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from comitia.effects import Publish
from comitia.ports import Ack
from comitia.runtime.context import Runtime
from comitia.runtime.open_tasks import OpenTask, Pending
from comitia.telemetry.histograms import Buckets
from comitia.telemetry.measures import stage
from comitia.telemetry.metrics import DECISIONS, TASK_DURATION
from comitia.telemetry.names import Attribute
from comitia.v1.decision_pb2 import Decision, DecisionStatus

# Takes the decisions of a flush, each with whether it was made because its deadline came.
Told = Callable[[Sequence[tuple[Decision, bool]]], None]


class Decided:
    """The measures of one process's decisions; `told` gets each flush's as well."""

    def __init__(self, runtime: Runtime, told: Told | None = None) -> None:
        self._clock = runtime.clock
        self._telemetry = runtime.telemetry
        self._told = told
        self._durations: dict[int, Buckets] = {}
        self._collect = stage(runtime.telemetry, "collect")
        self._decide = stage(runtime.telemetry, "decide")

    def tell(self, batch: Sequence[Pending]) -> None:
        """Measure the decisions of a flush that is done."""
        now_ms = self._clock.now_ms()
        made: list[tuple[Decision, bool]] = []
        for pending in batch:
            for effect, ack in pending.job.acks:
                if type(effect) is Publish and type(effect.message) is Decision:
                    task, decision = pending.task, effect.message
                    made.append((decision, task is not None and task.timed))
                    if task is not None:
                        self._measure(decision.status, task, ack, now_ms)
        statuses: Counter[DecisionStatus] = Counter(decision.status for decision, _ in made)
        for status, count in statuses.items():
            self._telemetry.add(DECISIONS, count, _named(status))
        if made and self._told is not None:
            self._told(made)

    def _measure(self, status: DecisionStatus, task: OpenTask, ack: Ack, now_ms: int) -> None:
        if task.task_ms > 0 and ack.timestamp_ms > 0:
            durations = self._durations.get(status)
            if durations is None:
                durations = self._telemetry.buckets(TASK_DURATION, _named(status))
                self._durations[status] = durations
            durations.record(max(0, ack.timestamp_ms - task.task_ms) / 1000)
        if task.opened_ms:
            self._collect.record(max(0, task.closed_ms - task.opened_ms) / 1000)
            self._decide.record(max(0, now_ms - task.closed_ms) / 1000)


def _named(status: DecisionStatus) -> dict[str, str]:
    name = DecisionStatus.Name(status).removeprefix("DECISION_STATUS_")
    return {Attribute.COMITIA_STATUS: name}
