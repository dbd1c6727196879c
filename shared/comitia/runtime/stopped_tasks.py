"""Which tasks nobody works on any more: the table of the control topic, for agents.

In come the aggregators' orders to stop; out comes a plain question that the workers loop asks.
"""

from comitia.effects import Recorded
from comitia.ports import Clock
from comitia.v1.control_pb2 import Control

_SWEEP_AT_LEAST = 1_000


class StoppedTasks:
    """Bounded: an entry is forgotten once its task's deadline has passed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deadlines_ms: dict[str, int] = {}
        self._sweep_at = _SWEEP_AT_LEAST

    def apply(self, _: str, recorded: Recorded[Control] | None) -> None:
        """For Tables.add("control", Control, ...)."""
        if recorded is None:
            return
        self._deadlines_ms[recorded.message.task_id] = recorded.message.deadline_ms
        if len(self._deadlines_ms) >= self._sweep_at:
            now_ms = self._clock.now_ms()
            self._deadlines_ms = {k: v for k, v in self._deadlines_ms.items() if v > now_ms}
            self._sweep_at = max(_SWEEP_AT_LEAST, 2 * len(self._deadlines_ms))

    def __call__(self, task_id: str) -> bool:
        return task_id in self._deadlines_ms
