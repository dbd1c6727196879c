"""An event loop whose time jumps to the next timer instead of waiting, so that tests of loops with
pauses, retries and deadlines take no time and always run alike.

In comes a coroutine and the ManualClock that it lives by; while it runs, every jump advances the
clock by as much. It serves code without sockets, threads and subprocesses only: when nothing is
left that could ever happen, it raises instead of blocking.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from comitia.testing.clock import ManualClock

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Does not block: a wait becomes a jump of the loop's time."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.elapsed_s = 0.0
        self._clock = clock
        self._told_ms = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing can happen any more: every task waits for another one")
        if timeout > 0:
            self.elapsed_s += timeout
            due_ms = round(self.elapsed_s * 1000) - self._told_ms
            self._told_ms += due_ms
            self._clock.advance(due_ms)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _Selector) -> None:
        super().__init__(selector)
        self._virtual = selector

    def time(self) -> float:
        return self._virtual.elapsed_s


def run_virtual(main: Coroutine[Any, Any, T], clock: ManualClock) -> T:
    """Run `main` to its end on virtual time. RuntimeError when it could only wait for ever."""
    with asyncio.Runner(loop_factory=lambda: _Loop(_Selector(clock))) as runner:
        return runner.run(main)
