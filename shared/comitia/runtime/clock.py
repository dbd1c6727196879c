"""BrokerClock: the broker's time without asking for it. In come the append times of a process's own
records, out comes `now_ms`.

Deadlines are counted from append times, so 'now' has to be the clock that stamps them, whatever the
local clock says.
"""

import time
from collections.abc import Callable

from comitia.errors import Retryable


def _monotonic_ms() -> float:
    return time.monotonic() * 1000


class BrokerClock:
    """Implements comitia.ports.Clock.

    An acknowledgement says that the broker's clock stood at `append_ms` some time before it was
    observed, so each observation is a lower bound, and the best known offset is the largest
    `append_ms - monotonic`. The estimate lags by the shortest delay met between append and
    observation; it never goes back, not even when the broker's clock does.
    """

    def __init__(self, monotonic_ms: Callable[[], float] = _monotonic_ms) -> None:
        self._monotonic_ms = monotonic_ms
        self._offset_ms: float | None = None

    @property
    def known(self) -> bool:
        """Whether anything has been observed."""
        return self._offset_ms is not None

    def observe(self, append_ms: int) -> None:
        """Take in the append time of a record just acknowledged or read. -1 (no append time) is
        left out.
        """
        if append_ms < 0:
            return
        offset_ms = append_ms - self._monotonic_ms()
        if self._offset_ms is None or offset_ms > self._offset_ms:
            self._offset_ms = offset_ms

    def now_ms(self) -> int:
        """Retryable before the first observation: a guess would fire deadlines too early or too
        late.
        """
        if self._offset_ms is None:
            raise Retryable("the broker's clock is not known yet: no record has been acknowledged")
        return int(self._monotonic_ms() + self._offset_ms)

    def monotonic_ms(self) -> float:
        return self._monotonic_ms()
