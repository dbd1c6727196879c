"""ManualClock: time that moves only when a test says so. Tests advance it; LocalLog and the loops
read it.
"""

from collections.abc import Callable


class ManualClock:
    """Implements comitia.ports.Clock. Begins at `now_ms` (milliseconds since 1970-01-01 UTC)."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._elapsed_ms = 0
        self._listeners: list[Callable[[], None]] = []

    def now_ms(self) -> int:
        return self._start_ms + self._elapsed_ms

    def monotonic_ms(self) -> float:
        return float(self._elapsed_ms)

    def advance(self, duration_ms: int) -> None:
        """Let `duration_ms` pass and tell whoever listens. Clocks here never go back: ValueError
        below 0.
        """
        if duration_ms < 0:
            raise ValueError(f"a clock cannot go back by {-duration_ms} ms")
        self._elapsed_ms += duration_ms
        for listener in tuple(self._listeners):
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each advance; it must not await."""
        self._listeners.append(listener)
