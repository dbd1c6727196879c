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
    `append_ms - monotonic`: the estimate lags by the shortest delay met between append and
    observation. Only observations of this window and the one before count, so that a clock that was
    set back is followed one or two windows later; where nothing is observed, what is known stays.

    What `now_ms` promises: it does not go back, with one exception. When the broker's clock was set
    back by more than STEP_MS, `now_ms` steps back too, once; smaller corrections make it stand
    still until they are caught up with. So a deadline may be judged twice on either side of such a
    step, and whoever acts on one must do so by the log (a recorded decision), not by the time.
    """

    WINDOW_MS = 30_000
    STEP_MS = 1_000

    def __init__(self, monotonic_ms: Callable[[], float] = _monotonic_ms) -> None:
        self._monotonic_ms = monotonic_ms
        self._began_ms = 0.0
        self._best_ms: float | None = None
        self._former_ms: float | None = None
        self._told_ms = 0

    @property
    def known(self) -> bool:
        """Whether anything has been observed."""
        return self._best_ms is not None

    def observe(self, append_ms: int) -> None:
        """Take in the append time of a record just acknowledged or read. -1 (no append time) is
        left out.
        """
        if append_ms < 0:
            return
        at_ms = self._monotonic_ms()
        offset_ms = append_ms - at_ms
        if self._best_ms is None or at_ms - self._began_ms >= self.WINDOW_MS:
            self._former_ms, self._best_ms, self._began_ms = self._best_ms, offset_ms, at_ms
        elif offset_ms > self._best_ms:
            self._best_ms = offset_ms

    def now_ms(self) -> int:
        """Retryable before the first observation: a guess would fire deadlines too early or too
        late.
        """
        if self._best_ms is None:
            raise Retryable("the broker's clock is not known yet: no record has been acknowledged")
        offset_ms = self._best_ms
        if self._former_ms is not None and self._former_ms > offset_ms:
            offset_ms = self._former_ms
        now_ms = int(self._monotonic_ms() + offset_ms)
        if now_ms > self._told_ms or now_ms < self._told_ms - self.STEP_MS:
            self._told_ms = now_ms
        return self._told_ms

    def monotonic_ms(self) -> float:
        return self._monotonic_ms()
