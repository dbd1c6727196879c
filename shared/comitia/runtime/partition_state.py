"""What the owner of one partition of panel-events knows: a fold over its events, without any I/O.

In come events in log order, due timers and acknowledgements; out come the effects to deliver, in
order, and the offset from which another owner would have to fold. Effects wait here, in `take`, be
it because the partition is not live yet or because a flush is in flight; a round, a stage or a
conflict that is met in the log takes back what waits of its task, for the log shows how it really
went on. Decided tasks are remembered, so that their later events open nothing, but a conflict
opens them until it is settled; an event that would decide a task from before what is remembered is
parked until somebody has looked that task up.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any

from comitia.effects import AnswerDropped, DeadLetter, Effect, Publish, Recorded, Timer
from comitia.errors import Poison
from comitia.ports import Record
from comitia.runtime.delivery import Job
from comitia.runtime.due import Due
from comitia.runtime.fold import Fold, Load
from comitia.runtime.memory import Event, Memory, Parked, decided_by
from comitia.runtime.open_tasks import OpenTask, Pending
from comitia.runtime.task_table import TaskTable
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent

# Events that only the owner of the partition writes, in the transaction that brings them about.
_OPENINGS = ("round_opened", "stage_opened")


class PartitionState:
    """The fold of one partition. `next` is the next offset to fold."""

    def __init__(self, fold: Fold[Any], load: Load, decisions: str, start: int) -> None:
        self.next = start
        self.memory = Memory()
        self.decided = self.memory.tasks
        self.decisions_next = 0
        # Tasks to be looked up before their events are folded, and those events.
        self.parked: dict[str, Parked] = {}
        # Answers that were not counted, by reason, until somebody has told the metrics.
        self.dropped: Counter[str] = Counter()
        self._fold = fold
        self._load = load
        self._decisions = decisions
        self._table = TaskTable(load)
        self._due = Due()

    @property
    def open(self) -> int:
        """Tasks begun and not decided."""
        return len(self._table.tasks)

    @property
    def conflicts(self) -> int:
        """Tasks that wait for a person."""
        return len(self._table.conflicts)

    @property
    def waiting(self) -> bool:
        """Whether `take` has something."""
        return self._due.waiting

    def has_due(self, now_ms: int) -> bool:
        """Whether a timer may be due."""
        next_ms = self._table.timers.next_ms
        return next_ms is not None and next_ms <= now_ms

    def recall(self, recorded: Recorded[Decision]) -> None:
        """Remember a decision that is in the log."""
        self.memory.remember(decided_by(recorded.message, recorded.offset, recorded.append_ms))

    def event(self, recorded: Recorded[PanelEvent], record: Record, trace: tuple[str, str]) -> None:
        """Fold one event, or park it. Poison when the fold cannot: then `reject` it."""
        self.next = recorded.offset + 1
        self._event(recorded, record, trace)

    def _event(
        self, recorded: Recorded[PanelEvent], record: Record, trace: tuple[str, str]
    ) -> None:
        offset, message = recorded.offset, recorded.message
        task_id, kind = message.task_id, message.WhichOneof("event")
        task = self._table.get(task_id)
        decided = self.decided.get(task_id) if task is None else None
        if decided is not None:
            decided.event_offset = offset
            if kind != "conflict_opened" or not self.memory.stands(message):
                self._wait(offset, self._fold.after(decided, recorded), (record, trace), None)
                return
        if task is None:
            task = self._table.begin(task_id, offset)
        elif self._too_late(task, (recorded, record, trace)):
            return
        task.last = offset
        task.meet(recorded)
        if decided is None and self._parks(task, (recorded, record, trace)):
            return
        if kind == "conflict_opened":
            if not task.conflict and task.state is not None and task.state.digest:
                # Its decision is not in the log: without transactions it may not have followed.
                # What is folded of the task says both again.
                return
            task = self._reopen(task, offset)
        known = copy(task.state) if kind in _OPENINGS and task.waiting else None
        overloaded = self._load.overloaded
        try:
            state, effects = self._fold.step(task.state, recorded, recorded.append_ms, overloaded)
        except BaseException:
            self._forget_if_empty(task)
            raise
        if known is not None and (effects or state != known):
            self._take_back(task)
        self._table.stepped(task, state)
        self._wait(offset, effects, (record, trace), task)
        self._forget_if_empty(task)

    def reject(self, record: Record, why: Poison, task_id: str, trace: tuple[str, str]) -> None:
        """Put a record that cannot be folded among the effects: its job has failed already."""
        self.next = max(self.next, record.offset + 1)
        job = Job((), record, task_id, trace, failed=why)
        self._due.put(Pending(record.offset, job, None))

    def settle(self, wanted: Iterable[str], found: Mapping[str, Recorded[Decision]]) -> None:
        """Parked tasks were looked up: remember the decisions found, fold what was parked."""
        for task_id in wanted:
            parked, task = self.parked.pop(task_id, None), self._table.get(task_id)
            if parked is None or task is None:
                continue
            if task_id in found:
                self._table.forget(task)
                self.recall(found[task_id])
            task.looked_up = True
            # Not forgotten between its events: begun anew, it would stand behind younger tasks, and
            # the low-water mark would pass it.
            task.waiting += 1
            self._again(parked.events)
            task.waiting -= 1
            self._forget_if_empty(task)

    def fire(self, now_ms: int) -> None:
        """Give due timers to their tasks; the log was read to an end asked for at `now_ms`."""
        later = []
        for due_ms, task_id in self._table.timers.due(now_ms):
            task = self._table.get(task_id)
            if task is None or task.timer_ms != due_ms:
                continue
            if task_id in self.parked:
                # What was parked came before the timer.
                later.append((due_ms, task_id))
                continue
            task.timer_ms = None
            task.ring(now_ms)
            timer = Timer(task_id, due_ms)
            try:
                state, effects = self._fold.step(task.state, timer, now_ms, self._load.overloaded)
            except Poison as poison:
                job = Job((), None, task_id, failed=poison)
                self._due.put(Pending(task.first, job, None))
                continue
            self._table.stepped(task, state)
            self._wait(task.last, effects, (None, ("", "")), task)
            self._forget_if_empty(task)
        for due_ms, task_id in later:
            self._table.timers.add(due_ms, task_id)

    def take(self, jobs_max: int) -> list[Pending]:
        """The next effects to deliver; none while those taken before are not `done`."""
        return self._due.take(jobs_max)

    def done(self) -> None:
        """What was taken is acknowledged: close the tasks that it decided."""
        taken = self._due.done()
        made: list[tuple[int, int, Decision]] = []
        for pending in taken:
            if pending.task is not None:
                pending.task.waiting -= 1
            for effect, ack in pending.job.acks:
                if type(effect) is Publish and type(effect.message) is Decision:
                    made.append((ack.offset, ack.timestamp_ms, effect.message))
        # A decision may be sent behind those of later jobs: they are remembered as the log has
        # them.
        for offset, append_ms, decision in sorted(made, key=lambda one: one[0]):
            self._close(decision, offset, append_ms)
        for pending in taken:
            if pending.task is not None:
                self._forget_if_empty(pending.task)

    def low_water(self) -> int:
        """The first offset that another owner must fold: the oldest that something depends on."""
        return self._due.low(self._table.low(self.next))

    def decisions_from(self) -> int:
        """Where another owner must begin to read `decisions`: the oldest that is remembered."""
        return self.memory.oldest_offset(self.decisions_next)

    def prune(self, before_ms: int, decided_max: int) -> None:
        """Forget decisions older than `before_ms`, and the oldest beyond `decided_max`."""
        self.memory.prune(before_ms, decided_max, self.low_water())
        self._table.sweep()

    def drop(self) -> None:
        """Take the open tasks out of the common load: this state is not used any more."""
        self._table.clear()
        self.parked.clear()

    def _parks(self, task: OpenTask, event: Event) -> bool:
        """Whether the event waits until its task was looked up: as one before it does, or because
        it is the first that may decide a task from before what is remembered.
        """
        parked = self.parked.get(task.task_id) if self.parked else None
        if parked is None:
            if task.looked_up or not task.counted or (task.state is not None and task.state.digest):
                return False
            since_ms = self.memory.doubts(event[0])
            if since_ms is None:
                return False
            parked = self.parked[task.task_id] = Parked(since_ms, event[1].key)
        parked.events.append(event)
        self._table.grow(task, len(event[1].value or b""))
        return True

    def _wait(
        self,
        offset: int,
        effects: Sequence[Effect],
        origin: tuple[Record | None, tuple[str, str]],
        task: OpenTask | None,
    ) -> None:
        if not effects:
            return
        dropped = [effect.reason for effect in effects if type(effect) is AnswerDropped]
        if dropped:
            self.dropped.update(dropped)
            effects = [effect for effect in effects if type(effect) is not AnswerDropped]
            if not effects:
                return
        record, trace = origin
        # The original is only kept where a dead letter needs it.
        keep = any(type(effect) is DeadLetter for effect in effects)
        task_id = task.task_id if task is not None else ""
        job = Job(effects, record if keep else None, task_id, trace)
        pending = Pending(offset, job, task)
        self._due.put(pending)
        if task is None:
            return
        task.waiting += 1
        if any(type(effect) is Publish and effect.topic == self._decisions for effect in effects):
            task.deciding = pending
            self._table.count(task, deciding=True)

    def _too_late(self, task: OpenTask, event: Event) -> bool:
        """Whether the event comes while a decision is on its way that it cannot change. One that
        opens a conflict, and what follows it, is kept until that decision is acknowledged.
        """
        kind = event[0].message.WhichOneof("event")
        opens = kind == "conflict_opened" and task.deciding is not None and not task.conflict
        if task.deferred or opens:
            task.deferred.append(event)
            return True
        return kind in _OPENINGS and task.deciding is not None and task.deciding.in_flight

    def _take_back(self, task: OpenTask) -> None:
        """Drop what waits of a task that the log shows to have gone on otherwise."""
        self._due.take_back(task)
        self._table.count(task, deciding=task.deciding is not None)

    def _reopen(self, task: OpenTask, offset: int) -> OpenTask:
        """A conflict is open, whatever was known of its task: its decision is in the log."""
        if not task.conflict:
            self._take_back(task)
        return self._table.reopen(task, offset)

    def _again(self, events: Sequence[Event]) -> None:
        """Fold events that had to wait."""
        for recorded, record, trace in events:
            try:
                self._event(recorded, record, trace)
            except Poison as poison:
                self.reject(record, poison, recorded.message.task_id, trace)

    def _close(self, decision: Decision, offset: int, append_ms: int) -> None:
        made = decided_by(decision, offset, append_ms)
        task, former = self._table.get(decision.task_id), self.decided.get(decision.task_id)
        if task is not None:
            made.digest = task.state.digest if task.state is not None else b""
            made.event_offset = task.last
            self._table.forget(task)
        if former is not None:
            made.digest = former.digest
            made.event_offset = max(made.event_offset, former.event_offset)
        self.memory.remember(made)
        self.decisions_next = max(self.decisions_next, offset + 1)
        if task is not None:
            self._again(task.deferred)

    def _forget_if_empty(self, task: OpenTask) -> None:
        if task.state is None and not task.waiting and task.task_id not in self.parked:
            self._table.forget(task)
