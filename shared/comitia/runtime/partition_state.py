"""What the owner of one partition of panel-events knows: a fold over its events, without any I/O.

In come events in log order, due timers and acknowledgements; out come the effects to deliver, in
order, and the offset from which another owner would have to fold. Effects wait here, in `take`, be
it because the partition is not live yet (then a RoundOpened met later in the log cancels the
effects that it records) or because a flush is in flight. Decided tasks are remembered, so that
their later events open nothing; an event that would decide a task from before what is remembered is
parked until somebody has looked that task up.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from comitia.effects import AnswerDropped, DeadLetter, DecidedTask, Effect, Publish, Recorded, Timer
from comitia.errors import Poison
from comitia.ports import Record
from comitia.runtime.delivery import Job
from comitia.runtime.fold import Fold, Load
from comitia.runtime.memory import Event, Memory, Parked
from comitia.runtime.open_tasks import OpenTask, Pending, opens_round
from comitia.runtime.timers import Timers
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent


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
        self._open: dict[str, OpenTask] = {}
        self._waiting: deque[Pending] = deque()
        self._in_flight: list[Pending] = []
        self._timers = Timers()

    @property
    def open(self) -> int:
        """Tasks begun and not decided."""
        return len(self._open)

    @property
    def waiting(self) -> bool:
        """Whether `take` has something."""
        return bool(self._waiting)

    def has_due(self, now_ms: int) -> bool:
        """Whether a timer may be due."""
        return self._timers.next_ms is not None and self._timers.next_ms <= now_ms

    def recall(self, recorded: Recorded[Decision]) -> None:
        """Remember a decision that is in the log."""
        decision = recorded.message
        self.memory.remember(
            DecidedTask(
                *(decision.task_id, decision.revision, recorded.offset, recorded.append_ms),
                digest=decision.task_digest,
            )
        )

    def event(self, recorded: Recorded[PanelEvent], record: Record, trace: tuple[str, str]) -> None:
        """Fold one event, or park it. Poison when the fold cannot: then `reject` it."""
        self.next = recorded.offset + 1
        self._event(recorded, record, trace)

    def _event(
        self, recorded: Recorded[PanelEvent], record: Record, trace: tuple[str, str]
    ) -> None:
        offset, message = recorded.offset, recorded.message
        task_id = message.task_id
        decided = self.decided.get(task_id)
        if decided is not None:
            decided.event_offset = offset
            self._wait(offset, self._fold.after(decided, recorded), (record, trace), None)
            return
        task = self._open.get(task_id)
        if task is None:
            task = self._open[task_id] = OpenTask(task_id, offset, offset)
            self._load.tasks += 1
        elif task.waiting and message.WhichOneof("event") == "round_opened":
            self._cancel(task, message)
        task.last = offset
        task.meet(recorded)
        if self._parks(task, (recorded, record, trace)):
            return
        overloaded = self._load.overloaded
        try:
            state, effects = self._fold.step(task.state, recorded, recorded.append_ms, overloaded)
        except BaseException:
            self._forget_if_empty(task)
            raise
        self._stepped(task, state)
        self._wait(offset, effects, (record, trace), task)
        self._forget_if_empty(task)

    def reject(self, record: Record, why: Poison, task_id: str, trace: tuple[str, str]) -> None:
        """Put a record that cannot be folded among the effects: its job has failed already."""
        self.next = max(self.next, record.offset + 1)
        job = Job((), record, task_id, trace, failed=why)
        self._waiting.append(Pending(record.offset, job, None))

    def settle(self, wanted: Iterable[str], found: Mapping[str, Recorded[Decision]]) -> None:
        """Parked tasks were looked up: remember the decisions found, fold what was parked."""
        for task_id in wanted:
            parked, task = self.parked.pop(task_id, None), self._open.get(task_id)
            if parked is None or task is None:
                continue
            if task_id in found:
                self._forget(task)
                self.recall(found[task_id])
            task.looked_up = True
            # Not forgotten between its events: begun anew, it would stand behind younger tasks, and
            # the low-water mark would pass it.
            task.waiting += 1
            for recorded, record, trace in parked.events:
                try:
                    self._event(recorded, record, trace)
                except Poison as poison:
                    self.reject(record, poison, task_id, trace)
            task.waiting -= 1
            self._forget_if_empty(task)

    def fire(self, now_ms: int) -> None:
        """Give due timers to their tasks; the log was read to an end asked for at `now_ms`."""
        later = []
        for due_ms, task_id in self._timers.due(now_ms):
            task = self._open.get(task_id)
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
                self._waiting.append(Pending(task.first, job, None))
                continue
            self._stepped(task, state)
            self._wait(task.last, effects, (None, ("", "")), task)
            self._forget_if_empty(task)
        for due_ms, task_id in later:
            self._timers.add(due_ms, task_id)

    def take(self, jobs_max: int) -> list[Pending]:
        """The next effects to deliver; none while those taken before are not `done`."""
        if self._in_flight:
            return []
        count = min(jobs_max, len(self._waiting))
        self._in_flight = [self._waiting.popleft() for _ in range(count)]
        return self._in_flight

    def done(self) -> None:
        """What was taken is acknowledged: close the tasks that it decided."""
        taken, self._in_flight = self._in_flight, []
        for pending in taken:
            task = pending.task
            if task is not None:
                task.waiting -= 1
            for effect, ack in pending.job.acks:
                if type(effect) is Publish and type(effect.message) is Decision:
                    self._close(effect.message, ack.offset, ack.timestamp_ms)
            if task is not None:
                self._forget_if_empty(task)

    def low_water(self) -> int:
        """The first offset that another owner must fold: the oldest that something depends on."""
        low = next(iter(self._open.values())).first if self._open else self.next
        for pending in (*self._in_flight, *self._waiting):
            low = min(low, pending.offset)
        return low

    def decisions_from(self) -> int:
        """Where another owner must begin to read `decisions`: the oldest that is remembered."""
        return self.memory.oldest_offset(self.decisions_next)

    def prune(self, before_ms: int, decided_max: int) -> None:
        """Forget decisions older than `before_ms`, and the oldest beyond `decided_max`."""
        self.memory.prune(before_ms, decided_max, self.low_water())
        self._timers.sweep(self._open.values(), len(self._open))

    def drop(self) -> None:
        """Take the open tasks out of the common load: this state is not used any more."""
        for task in self._open.values():
            self._load.tasks -= task.counted
            self._load.bytes -= task.size
        self._open.clear()
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
        size = len(event[1].value or b"")
        task.size += size
        self._load.bytes += size
        return True

    def _stepped(self, task: OpenTask, state: Any) -> None:
        task.state = state
        size = state.size_bytes if state is not None else 0
        self._load.bytes += size - task.size
        task.size = size
        timer_ms = state.timer_ms if state is not None else None
        if timer_ms != task.timer_ms:
            task.timer_ms = timer_ms
            if timer_ms is not None:
                self._timers.add(timer_ms, task.task_id)

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
        self._waiting.append(Pending(offset, job, task))
        if task is None:
            return
        task.waiting += 1
        decides = any(
            type(effect) is Publish and effect.topic == self._decisions for effect in effects
        )
        if decides and task.counted:
            task.counted = False
            self._load.tasks -= 1

    def _cancel(self, task: OpenTask, message: PanelEvent) -> None:
        """Drop waiting effects that the log shows as done: the opening of this very round."""
        opened = message.round_opened
        kept: deque[Pending] = deque()
        for pending in self._waiting:
            if pending.task is task and opens_round(pending.job, opened.panel_id, opened.round):
                task.waiting -= 1
            else:
                kept.append(pending)
        self._waiting = kept

    def _close(self, decision: Decision, offset: int, append_ms: int) -> None:
        task = self._open.pop(decision.task_id, None)
        digest, last = b"", -1
        if task is not None:
            digest = task.state.digest if task.state is not None else b""
            last = task.last
            self._load.tasks -= task.counted
            self._load.bytes -= task.size
        former = self.decided.get(decision.task_id)
        if former is not None:
            digest, last = former.digest, former.event_offset
        self.memory.remember(
            DecidedTask(decision.task_id, decision.revision, offset, append_ms, digest, last)
        )
        self.decisions_next = max(self.decisions_next, offset + 1)

    def _forget_if_empty(self, task: OpenTask) -> None:
        empty = task.state is None and not task.waiting and task.task_id not in self.parked
        if empty and self._open.get(task.task_id) is task:
            self._forget(task)

    def _forget(self, task: OpenTask) -> None:
        del self._open[task.task_id]
        self._load.tasks -= task.counted
        self._load.bytes -= task.size
