"""Which tasks of one partition are open, and what they take of the load that all partitions share.

In come tasks as they begin, change and end; out come the task of an id, the oldest offset that one
of them depends on, and when one wants to be woken. Conflicts, tasks that are decided and wait for
a person, are kept apart: they may stand for weeks, and no panel is refused for their number.
"""

from itertools import chain
from typing import Any

from comitia.runtime.fold import Load
from comitia.runtime.open_tasks import OpenTask
from comitia.runtime.timers import Timers


class TaskTable:
    """`tasks`: by id, those that are not decided, in the order in which they began. `conflicts`: by
    id, those that wait for a person.
    """

    def __init__(self, load: Load) -> None:
        self.tasks: dict[str, OpenTask] = {}
        self.conflicts: dict[str, OpenTask] = {}
        self.timers = Timers()
        self._load = load

    def get(self, task_id: str) -> OpenTask | None:
        """The task of this id, undecided or a conflict."""
        return self.tasks.get(task_id) or self.conflicts.get(task_id)

    def begin(self, task_id: str, offset: int) -> OpenTask:
        """A task of which the first event is read."""
        task = self.tasks[task_id] = OpenTask(task_id, offset, offset)
        self._load.tasks += 1
        return task

    def reopen(self, task: OpenTask, offset: int) -> OpenTask:
        """The record at `offset` says that `task` waits for a person."""
        if task.conflict:
            if task.deciding is None:
                # Else what settles it stands before, and is to be folded again with the conflict.
                task.first = offset
            return task
        self.forget(task)
        conflict = OpenTask(task.task_id, offset, offset, counted=False, conflict=True)
        self.conflicts[task.task_id] = conflict
        return conflict

    def count(self, task: OpenTask, *, deciding: bool) -> None:
        """Whether a decision of the task is under way: then it is no part of the load."""
        if not task.conflict and task.counted == deciding:
            task.counted = not deciding
            self._load.tasks += 1 if task.counted else -1

    def stepped(self, task: OpenTask, state: Any) -> None:
        """What is known of the task is now `state`."""
        task.state = state
        self.grow(task, (state.size_bytes if state is not None else 0) - task.size)
        timer_ms = state.timer_ms if state is not None else None
        if timer_ms != task.timer_ms:
            task.timer_ms = timer_ms
            if timer_ms is not None:
                self.timers.add(timer_ms, task.task_id)

    def grow(self, task: OpenTask, size: int) -> None:
        """The task takes so many bytes more."""
        task.size += size
        self._load.bytes += size

    def forget(self, task: OpenTask) -> None:
        """The task is open no more, if it was."""
        among = self.conflicts if task.conflict else self.tasks
        if among.get(task.task_id) is task:
            del among[task.task_id]
            self._load.tasks -= task.counted
            self._load.bytes -= task.size

    def low(self, otherwise: int) -> int:
        """The oldest offset that an open task depends on; `otherwise` where there is none."""
        low = next(iter(self.tasks.values())).first if self.tasks else otherwise
        # In no order: each stands where it was said to be open last.
        return min((low, *(task.first for task in self.conflicts.values())))

    def sweep(self) -> None:
        """Drop the times that nobody waits for."""
        every = chain(self.tasks.values(), self.conflicts.values())
        self.timers.sweep(every, len(self.tasks) + len(self.conflicts))

    def clear(self) -> None:
        """Nothing of it is used any more: it is no part of the load."""
        for task in (*self.tasks.values(), *self.conflicts.values()):
            self.forget(task)
