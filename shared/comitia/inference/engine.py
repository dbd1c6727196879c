"""The engine thread: one per model, so that the event loop never waits for a product and cores are
not fought over.

Jobs go in from any thread, up to a bound; the core, which only the thread touches, takes them and
works in steps. Between two steps new jobs join and cancelled ones leave. A step that fails costs
the jobs that were in it; when nothing but failing steps come, the engine ends and says so.
"""

import asyncio
import logging
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, Protocol

from comitia.errors import Overloaded, Retryable
from comitia.inference.jobs import Job
from comitia.ports import Watch

_LOG = logging.getLogger("comitia.inference")
# Failing steps in a row after which an engine gives up.
_FAILURES_MAX = 3


class Core(Protocol):
    """What the thread drives. Errors of one job end in that job's future; what `step` raises is
    an error of the core itself.
    """

    def add(self, job: Job[Any]) -> None:
        """Take a job; no work yet."""

    def let_go(self) -> None:
        """Drop the jobs that were cancelled; no work."""

    def step(self) -> None:
        """A bounded piece of work; settles the jobs that it finishes."""

    def held(self) -> int:
        """Jobs taken and not settled."""

    def recover(self, error: BaseException) -> None:
        """After a step that raised: fail the jobs that were at work, forget what they left."""

    def abandon(self, error: BaseException) -> None:
        """Fail every job that is held."""

    def watched(self, watch: Watch) -> None:
        """Tell `watch` of the work from now on."""


class Engine:
    """Runs `core`; at most `jobs_max` jobs are waiting or under way."""

    def __init__(self, core: Core, name: str, jobs_max: int) -> None:
        self._core, self._name, self._jobs_max = core, name, jobs_max
        self._arrived: deque[Job[Any]] = deque()
        self._held = 0
        self._changed = threading.Condition()
        self._closing: BaseException | None = None
        self._over: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name=f"engine-{name}", daemon=True)
        self._thread.start()

    def submit(self, job: Job[Any]) -> None:
        """Queue a job. Raises Overloaded when the bound is reached, Retryable when the engine has
        ended.
        """
        with self._changed:
            if self._closing is not None:
                raise Retryable(f"The engine of model '{self._name}' has ended: {self._closing}")
            if len(self._arrived) + self._held >= self._jobs_max:
                raise Overloaded(
                    f"Model '{self._name}' has {self._jobs_max} requests at work and takes no more "
                    "now."
                )
            self._arrived.append(job)
            self._changed.notify()

    def watch(self, watch: Watch) -> None:
        """See `ports.Model`."""
        self._core.watched(watch)

    def close(self) -> None:
        """End the thread after its current step; jobs not finished fail with Retryable. Blocks for
        that step.
        """
        with self._changed:
            if self._closing is None:
                self._closing = Retryable(f"The engine of model '{self._name}' was closed.")
            self._changed.notify()
        self._thread.join()

    async def ended(self) -> None:
        """See `ports.Model`."""
        await asyncio.shield(asyncio.wrap_future(self._over))

    def _run(self) -> None:
        failures, reason = 0, None
        while failures < _FAILURES_MAX:
            try:
                if reason is not None:
                    self._core.recover(reason)
                    reason = None
                if not self._take():
                    self._end(None)
                    return
                self._core.step()
                failures = 0
            except BaseException as error:  # noqa: BLE001 - whatever it is, the callers must hear
                failures += 1
                _LOG.exception("the engine of model %s failed in a step", self._name)
                reason = Retryable(f"The engine of model '{self._name}' failed: {error!r}")
        self._end(reason)

    def _take(self) -> bool:
        """Move arrived jobs to the core, waiting where there is none; False once closing."""
        self._core.let_go()
        with self._changed:
            self._held = self._core.held()
            self._changed.wait_for(lambda: self._arrived or self._held or self._closing)
            if self._closing is not None:
                return False
            while self._arrived:
                job = self._arrived.popleft()
                if not job.cancelled:
                    self._core.add(job)
            self._held = self._core.held()
            return True

    def _end(self, error: Retryable | None) -> None:
        """Fail what is left, and tell; `error` None where it was closed."""
        with self._changed:
            if error is not None:
                self._closing = error
            waiting = list(self._arrived)
            self._arrived.clear()
        reason = Retryable(f"The engine of model '{self._name}' has ended: {self._closing}")
        try:
            self._core.abandon(reason)
        finally:
            # Whatever else is broken, nobody waits in vain.
            for job in waiting:
                job.fail(reason)
            if error is None:
                self._over.set_result(None)
            else:
                self._over.set_exception(reason)
