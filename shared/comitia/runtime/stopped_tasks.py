"""Which tasks nobody works on any more: the table of the control topic, for agents.

In come the aggregators' orders to stop; out come a plain question that the workers loop asks before
it begins, and a call to whoever may be at work on the task now.
"""

from collections.abc import Callable

from comitia.effects import Recorded
from comitia.ports import Clock
from comitia.v1.control_pb2 import Control

_SWEEP_AT_LEAST = 1_000
# Beyond it the oldest order is forgotten: what it would have saved is done in vain, no more.
STOPPED_MAX = 200_000


class StoppedTasks:
    """Bounded: an entry is forgotten once its task's deadline has passed, or `stopped_max` others
    have come.
    """

    def __init__(self, clock: Clock, stopped_max: int = STOPPED_MAX) -> None:
        self._clock = clock
        self._stopped_max = stopped_max
        self._deadlines_ms: dict[str, int] = {}
        self._sweep_at = _SWEEP_AT_LEAST
        self._listeners: list[Callable[[str], None]] = []

    def listen(self, stop: Callable[[str], None]) -> None:
        """Call `stop(task id)` for every order that comes from now on. It must not raise."""
        self._listeners.append(stop)

    def apply(self, _: str, recorded: Recorded[Control] | None) -> None:
        """For Tables.add("control", Control, ...)."""
        if recorded is None:
            return
        task_id = recorded.message.task_id
        self._deadlines_ms[task_id] = recorded.message.deadline_ms
        for stop in self._listeners:
            stop(task_id)
        if len(self._deadlines_ms) >= self._sweep_at:
            now_ms = self._clock.now_ms()
            self._deadlines_ms = {k: v for k, v in self._deadlines_ms.items() if v > now_ms}
            self._sweep_at = max(_SWEEP_AT_LEAST, 2 * len(self._deadlines_ms))
        if len(self._deadlines_ms) > self._stopped_max:
            del self._deadlines_ms[next(iter(self._deadlines_ms))]

    def __call__(self, task_id: str) -> bool:
        return task_id in self._deadlines_ms
