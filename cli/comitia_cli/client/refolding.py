"""Recorded panel events, folded once more under another policy or other weights: the aggregator's
own `step`, and nothing published.

In: the events of one partition in log order. Out: for each task that had a panel, the decision that
the aggregator would have published. Answers that were not waited for then are not there now: where
the other policy would have waited on, the deadline decides with what there is (`at_deadline`). So
with rounds: one that the log holds counts where the other policy asks for a round of the same step,
as it was held then; one that it would not have asked for is left out, and one that it asks for in
vain leaves the task to what there is (`unheld`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from comitia.effects import Effect, Publish, Recorded, Timer
from comitia.errors import Poison
from comitia.methods import takes
from comitia.ports import Record
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent, RoundOpened
from comitia.v1.step_pb2 import Step
from comitia_aggregator.conflict import KINDS
from comitia_aggregator.opening import name_of
from comitia_aggregator.state import Rules, TaskState
from comitia_aggregator.step import step
from comitia_cli.client.policies import Change
from comitia_cli.client.records import decode

# So many records after each other, tasks past their deadline are closed.
SWEEP_EVERY = 10_000
# Of a step, with its kind.
Name = tuple[str, str]


@dataclass(frozen=True)
class Folded:
    """`decision`: as it would have been; `deadline_ms` of its panel (epoch milliseconds).
    `at_deadline`: that was waited for. `unheld`: for a round that was never held.
    """

    decision: Decision
    deadline_ms: int
    at_deadline: bool
    unheld: bool


class Refold:
    """The fold of one partition. `unread`: records that are no events; `unsuited`: tasks whose
    answers the other method cannot count; `staged`: those of stages, each of which is a task of its
    own here.
    """

    def __init__(self, change: Change, rules: Rules) -> None:
        self._change = change
        self._rules = rules
        self._open: dict[str, TaskState] = {}
        self._panels: dict[str, _Panel] = {}
        self._done: set[str] = set()
        self._since_sweep = 0
        self.unread = 0
        self.unsuited: set[str] = set()
        self.staged: set[str] = set()

    def add(self, record: Record) -> Iterator[Folded]:
        """Fold one record: what is decided with it, or at a deadline before it."""
        try:
            event = decode(PanelEvent, record)
            yield from self._event(event, record)
        except Poison:
            # It decided nothing then, either: the aggregator has kept it in the dead letters.
            self.unread += 1
        self._since_sweep += 1
        if self._since_sweep >= SWEEP_EVERY:
            self._since_sweep = 0
            yield from self.close(record.timestamp_ms)

    def close(self, now_ms: int) -> Iterator[Folded]:
        """Close every task whose deadline is before `now_ms` (epoch milliseconds)."""
        for task_id in list(self._open):
            yield from self._tick(task_id, now_ms)

    def _event(self, event: PanelEvent, record: Record) -> Iterator[Folded]:
        task_id, kind = event.task_id, event.WhichOneof("event")
        # What a person made of a decision is no part of how the panel came to it.
        if task_id in self._done or kind in KINDS:
            return
        yield from self._tick(task_id, record.timestamp_ms)
        if kind == "panel_opened" and task_id not in self._panels and not self._opened(event):
            return
        if kind == "round_opened" and not self._held(event):
            return
        if task_id not in self._done:
            said = Recorded(
                event, record.topic, record.partition, record.offset, record.timestamp_ms
            )
            yield from self._step(task_id, said, record.timestamp_ms)

    def _tick(self, task_id: str, now_ms: int) -> Iterator[Folded]:
        """Fire the task's timers before `now_ms`: that of a round, say, then its deadline."""
        while (state := self._open.get(task_id)) is not None:
            at_ms = state.timer_ms
            if at_ms is None or at_ms >= now_ms:
                return
            yield from self._step(task_id, Timer(task_id, at_ms), at_ms)

    def _step(
        self, task_id: str, said: Recorded[PanelEvent] | Timer, at_ms: int
    ) -> Iterator[Folded]:
        state, effects = step(self._open.pop(task_id, None), said, at_ms, self._rules)
        panel = self._panels.get(task_id)
        if state is not None and not state.decided:
            self._open[task_id] = state
            if panel is not None:
                panel.ask(effects)
        elif state is not None:
            self._done.add(task_id)
            # Without a panel nobody voted.
            if self._panels.pop(task_id, None) is not None and panel is not None:
                yield from panel.folded(effects, at_ms)

    def _opened(self, event: PanelEvent) -> bool:
        """Put the change into a panel. False where its task is left out."""
        opened = event.panel_opened
        task = opened.task
        recorded = task.policy if task.HasField("policy") else opened.policy
        left_out = self.staged if recorded.stages else None
        steps = [_name(one) for one in recorded.steps]
        task.policy.CopyFrom(self._change.on(recorded))
        kind = task.format.WhichOneof("kind") or "text"
        if left_out is None and not takes(task.policy.method, kind):
            left_out = self.unsuited
        if left_out is not None:
            left_out.add(event.task_id)
            self._open.pop(event.task_id, None)
            self._done.add(event.task_id)
            return False
        now = [_name(one) for one in task.policy.steps]
        self._panels[event.task_id] = _Panel(opened.deadline_ms, steps, now)
        return True

    def _held(self, event: PanelEvent) -> bool:
        """Whether the round is one that the other policy asks for, too; it then stands where that
        has it.
        """
        panel = self._panels.get(event.task_id)
        return panel is not None and panel.held(event.round_opened)


class _Panel:
    """A panel that is open. `steps`: name and kind of those of the recorded policy, and `now` of
    those of the other.
    """

    def __init__(self, deadline_ms: int, steps: Sequence[Name], now: Sequence[Name]) -> None:
        self._deadline_ms = deadline_ms
        self._steps, self._now = steps, now
        self._asked: RoundOpened | None = None

    def ask(self, effects: tuple[Effect, ...]) -> None:
        """Note the round that is to be opened, where one is."""
        for effect in effects:
            message = effect.message if isinstance(effect, Publish) else None
            if isinstance(message, PanelEvent) and message.HasField("round_opened"):
                self._asked = message.round_opened

    def held(self, opened: RoundOpened) -> bool:
        asked = self._asked
        if asked is None or opened.step >= len(self._steps):
            return False
        if self._steps[opened.step] != self._now[asked.step]:
            return False
        opened.step = asked.step
        del opened.walk[:]
        opened.walk.extend(asked.walk)
        self._asked = None
        return True

    def folded(self, effects: tuple[Effect, ...], at_ms: int) -> Iterator[Folded]:
        at_deadline, unheld = at_ms >= self._deadline_ms, self._asked is not None
        for effect in effects:
            if isinstance(effect, Publish) and isinstance(effect.message, Decision):
                yield Folded(effect.message, self._deadline_ms, at_deadline, unheld)


def _name(one: Step) -> Name:
    return name_of(one), one.WhichOneof("kind") or ""
