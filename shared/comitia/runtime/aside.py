"""What an owner says beside its transactions: orders to stop work.

In come the orders of tasks whose decision is published; out they go through a plain writer, off the
hot path. One that is lost, because the process dies or the broker is away for long, only lets an
agent work for nothing: no decision depends on it, so none waits for it.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

from comitia.runtime.context import Runtime
from comitia.runtime.delivery import Delivery, Job
from comitia.runtime.retry import Stopped, persist

_WAITING_MAX = 10_000
_BATCH_MAX = 1_000


class Aside:
    """Bounded: beyond it the oldest orders are dropped, which are also the least use."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: deque[Job] = deque(maxlen=_WAITING_MAX)
        self._wake = asyncio.Event()
        self._closing = False

    def put(self, jobs: Iterable[Job]) -> None:
        """Send these some time soon."""
        self._waiting.extend(jobs)
        if self._waiting:
            self._wake.set()

    def close(self) -> None:
        """Let `run` return once everything is sent."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Send until closed."""
        try:
            writer = await persist(self._runtime, "broker", self._runtime.log.writer)
        except Stopped:
            return
        delivery = Delivery(self._runtime, writer)
        try:
            while self._waiting or not self._closing:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    count = min(len(self._waiting), _BATCH_MAX)
                    await delivery.deliver([self._waiting.popleft() for _ in range(count)])
        finally:
            await writer.close()
