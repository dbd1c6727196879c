"""When the tasks of one partition want to be woken. In come their times, out come those due.

A task that changes its mind leaves its former time behind; whoever is given a time compares it with
the one that the task has now.
"""

import heapq
from collections.abc import Iterable, Iterator

from comitia.runtime.open_tasks import OpenTask

_SLACK = 1_000


class Timers:
    """A heap of (due, task id). Times: broker's clock, epoch milliseconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    @property
    def next_ms(self) -> int | None:
        """When one may be due next."""
        return self._heap[0][0] if self._heap else None

    def add(self, due_ms: int, task_id: str) -> None:
        """Wake this task then."""
        heapq.heappush(self._heap, (due_ms, task_id))

    def due(self, now_ms: int) -> Iterator[tuple[int, str]]:
        """Take out what is due at `now_ms`, the earliest first."""
        while self._heap and self._heap[0][0] <= now_ms:
            yield heapq.heappop(self._heap)

    def sweep(self, tasks: Iterable[OpenTask], count: int) -> None:
        """Drop the times that nobody waits for, once they outnumber the `count` open tasks."""
        if len(self._heap) > 2 * count + _SLACK:
            self._heap = [(t.timer_ms, t.task_id) for t in tasks if t.timer_ms is not None]
            heapq.heapify(self._heap)
