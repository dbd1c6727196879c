"""Effects of one partition's tasks that became due and are not acknowledged, in the order in which
they are to go out.

They wait while the partition is not live, or while a flush is in flight. What waits can be taken
back, when the log turns out to say otherwise; what is in flight cannot.
"""

from collections import deque

from comitia.effects import DeadLetter
from comitia.runtime.open_tasks import OpenTask, Pending


class Due:
    """At most one batch is in flight."""

    def __init__(self) -> None:
        self._waiting: deque[Pending] = deque()
        self._in_flight: list[Pending] = []

    @property
    def waiting(self) -> bool:
        """Whether `take` has something, now or once the batch in flight is done."""
        return bool(self._waiting)

    def put(self, pending: Pending) -> None:
        """Let effects wait behind all others."""
        self._waiting.append(pending)

    def take(self, jobs_max: int) -> list[Pending]:
        """The next batch, which is in flight from now on; none while one is."""
        if self._in_flight:
            return []
        count = min(jobs_max, len(self._waiting))
        self._in_flight = [self._waiting.popleft() for _ in range(count)]
        for pending in self._in_flight:
            pending.in_flight = True
        return self._in_flight

    def done(self) -> list[Pending]:
        """The batch in flight is acknowledged; what it was."""
        taken, self._in_flight = self._in_flight, []
        return taken

    def take_back(self, task: OpenTask) -> None:
        """Drop what waits of `task`, but for its dead letters: the log has not heard of it, and
        will not.
        """
        kept: deque[Pending] = deque()
        for pending in self._waiting:
            if pending.task is task:
                letters = [one for one in pending.job.effects if type(one) is DeadLetter]
                if task.deciding is pending:
                    task.deciding = None
                if not letters:
                    task.waiting -= 1
                    continue
                pending.job.effects = letters
            kept.append(pending)
        self._waiting = kept

    def low(self, otherwise: int) -> int:
        """The first offset at which something became due; at most `otherwise`."""
        for pending in (*self._in_flight, *self._waiting):
            otherwise = min(otherwise, pending.offset)
        return otherwise
