"""Recorded panel events, folded once more under another policy or other weights: the aggregator's
own `step`, and nothing published.

In: the events of one partition in log order. Out: for each task that had a panel, the decision that
the aggregator would have published. Answers that were not waited for then are not there now: where
the other policy would have waited on, the deadline decides with what there is (`cut_short`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from comitia.effects import Effect, Publish, Recorded, Timer
from comitia.errors import Poison
from comitia.methods import takes
from comitia.ports import Record
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from comitia_aggregator.state import Rules, TaskState
from comitia_aggregator.step import step
from comitia_cli.client.policies import Change
from comitia_cli.client.records import decode

# So many records after each other, tasks past their deadline are closed.
SWEEP_EVERY = 10_000


@dataclass(frozen=True)
class Folded:
    """`decision`: as it would have been; `deadline_ms` of its panel (epoch milliseconds).
    `at_deadline`: that was waited for.
    """

    decision: Decision
    deadline_ms: int
    at_deadline: bool


class Refold:
    """The fold of one partition. `unread`: records that are no events; `unsuited`: tasks whose
    answers the other method cannot count.
    """

    def __init__(self, change: Change, rules: Rules) -> None:
        self._change = change
        self._rules = rules
        self._open: dict[str, TaskState] = {}
        self._deadlines: dict[str, int] = {}
        self._done: set[str] = set()
        self._since_sweep = 0
        self.unread = 0
        self.unsuited: set[str] = set()

    def add(self, record: Record) -> Iterator[Folded]:
        """Fold one record: what is decided with it, or at a deadline before it."""
        try:
            event = decode(PanelEvent, record)
            if event.task_id not in self._done:
                yield from self._step(event, record)
        except Poison:
            # It decided nothing then, either: the aggregator has kept it in the dead letters.
            self.unread += 1
        self._since_sweep += 1
        if self._since_sweep >= SWEEP_EVERY:
            self._since_sweep = 0
            yield from self.close(record.timestamp_ms)

    def close(self, now_ms: int) -> Iterator[Folded]:
        """Close every task whose deadline is before `now_ms` (epoch milliseconds)."""
        due = [
            (state.timer_ms, task_id)
            for task_id, state in self._open.items()
            if state.timer_ms is not None and state.timer_ms < now_ms
        ]
        for at_ms, task_id in sorted(due):
            timer = Timer(task_id, at_ms)
            state, effects = step(self._open.pop(task_id), timer, at_ms, self._rules)
            if state is not None:
                yield from self._decided(task_id, effects, True)

    def _step(self, event: PanelEvent, record: Record) -> Iterator[Folded]:
        if event.HasField("panel_opened") and event.task_id not in self._deadlines:
            task = event.panel_opened.task
            task.policy.CopyFrom(self._change.on(task.policy))
            if not _suited(task):
                self.unsuited.add(event.task_id)
                self._open.pop(event.task_id, None)
                self._done.add(event.task_id)
                return
            self._deadlines[event.task_id] = event.panel_opened.deadline_ms
        said = Recorded(event, record.topic, record.partition, record.offset, record.timestamp_ms)
        before = self._open.pop(event.task_id, None)
        state, effects = step(before, said, record.timestamp_ms, self._rules)
        if state is not None and state.decided:
            yield from self._decided(event.task_id, effects, False)
        elif state is not None:
            self._open[event.task_id] = state

    def _decided(
        self, task_id: str, effects: tuple[Effect, ...], at_deadline: bool
    ) -> Iterator[Folded]:
        self._done.add(task_id)
        deadline_ms = self._deadlines.pop(task_id, None)
        if deadline_ms is None:
            # It never had a panel.
            return
        for effect in effects:
            if isinstance(effect, Publish) and isinstance(effect.message, Decision):
                yield Folded(effect.message, deadline_ms, at_deadline)


def _suited(task: Task) -> bool:
    return takes(task.policy.method, task.format.WhichOneof("kind") or "text")
