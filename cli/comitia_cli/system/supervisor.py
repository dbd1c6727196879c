"""Keeps services running: starts them, restarts with growing pauses those that die, watches
readiness, stops all.

In: specs and a stop event. Out: `states`, kept current for whoever shows them, and `ready`, set
once all are. A service that ends with status 2 has a wrong setting or file; restarting cannot mend
that, so it stays down with its last words.
"""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import aiohttp

from comitia_cli.system.service import Child, ServiceSpec, last_line
from comitia_cli.system.waiting import first_of

EXIT_CONFIG = 2
LOG_BYTES_MAX = 20 * 1024 * 1024

Phase = Literal["starting", "ready", "waiting", "failed", "stopped"]


@dataclass(frozen=True)
class Patience:
    """Seconds between steps. A service that lived for `steady_s` starts again without a pause worth
    naming.
    """

    backoff_s: float = 0.25
    backoff_s_max: float = 15.0
    steady_s: float = 30.0
    grace_s: float = 15.0
    poll_s: float = 0.2
    poll_ready_s: float = 1.0
    # A service that dies so often before all have ever been ready is not tried again.
    restarts_max: int = 5


@dataclass
class ServiceState:
    """What is known of one service. `why`: what it waits for or what ended it. `rss_bytes`:
    resident memory.
    """

    name: str
    phase: Phase = "starting"
    pid: int = 0
    port: int = 0
    restarts: int = 0
    rss_bytes: int = 0
    why: str = ""


def describe_exit(status: int) -> str:
    """An exit status in words: "exit status 1", or "killed by SIGKILL"."""
    if status >= 0:
        return f"exit status {status}"
    return f"killed by {signal.Signals(-status).name}"


class Supervisor:
    """Runs `specs` until told to stop."""

    def __init__(
        self, specs: Sequence[ServiceSpec], log_dir: Path, patience: Patience | None = None
    ) -> None:
        self.states = [ServiceState(spec.name) for spec in specs]
        self.ready = asyncio.Event()
        self.failed = asyncio.Event()
        self._specs = specs
        self._log_dir = log_dir
        self._patience = patience or Patience()

    def log(self, name: str) -> Path:
        return self._log_dir / f"{name}.log"

    async def run(self, stop: asyncio.Event) -> None:
        """Start all, keep them running until `stop` is set, then stop all. Cancelling it stops all,
        too.
        """
        self._log_dir.mkdir(parents=True, exist_ok=True)
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for spec, state in zip(self._specs, self.states, strict=True):
                group.create_task(self._keep(spec, state, stop, session))

    async def _keep(
        self,
        spec: ServiceSpec,
        state: ServiceState,
        stop: asyncio.Event,
        session: aiohttp.ClientSession,
    ) -> None:
        loop = asyncio.get_running_loop()
        pause_s = self._patience.backoff_s
        while not stop.is_set():
            started = loop.time()
            status = await self._live(spec, state, stop, session)
            if status is None:
                break
            self._note_end(state, status)
            if state.phase == "failed":
                await stop.wait()
                return
            if loop.time() - started > self._patience.steady_s:
                pause_s = self._patience.backoff_s
            await first_of(stop.wait(), asyncio.sleep(pause_s))
            pause_s = min(2 * pause_s, self._patience.backoff_s_max)
            state.restarts += 1
        state.phase, state.pid, state.rss_bytes, state.why = "stopped", 0, 0, ""

    async def _live(
        self,
        spec: ServiceSpec,
        state: ServiceState,
        stop: asyncio.Event,
        session: aiohttp.ClientSession,
    ) -> int | None:
        """One life of a service: its exit status, or None when it was stopped on request."""
        log = self.log(spec.name)
        bound(log, LOG_BYTES_MAX)
        child = await Child.spawn(spec, log)
        state.phase, state.pid, state.port, state.why = "starting", child.pid, child.port, ""
        watch = asyncio.create_task(self._watch(child, state, session))
        try:
            await first_of(stop.wait(), child.wait())
            if not stop.is_set():
                return await child.wait()
            return None
        finally:
            watch.cancel()
            await asyncio.shield(child.stop(self._patience.grace_s))

    def _note_end(self, state: ServiceState, status: int) -> None:
        words = last_line(self.log(state.name))
        state.pid, state.rss_bytes = 0, 0
        hopeless = not self.ready.is_set() and state.restarts >= self._patience.restarts_max
        state.phase = "failed" if status == EXIT_CONFIG or hopeless else "waiting"
        state.why = words if status == EXIT_CONFIG else f"{describe_exit(status)}: {words}"
        if state.phase == "failed":
            self.failed.set()

    async def _watch(
        self, child: Child, state: ServiceState, session: aiohttp.ClientSession
    ) -> None:
        log = self.log(state.name)
        while True:
            ready, state.why = await child.readiness(session)
            state.phase = "ready" if ready else "starting"
            state.rss_bytes = child.rss_bytes()
            if all(other.phase == "ready" for other in self.states):
                self.ready.set()
            bound(log, LOG_BYTES_MAX)
            await asyncio.sleep(self._patience.poll_ready_s if ready else self._patience.poll_s)


def bound(log: Path, bytes_max: int) -> None:
    """Move a log that has grown past `bytes_max` aside, keeping one former part; its writer appends
    and goes on.
    """
    if not log.exists() or log.stat().st_size <= bytes_max:
        return
    log.with_suffix(".log.1").write_bytes(log.read_bytes())
    with log.open("r+b") as file:
        file.truncate(0)
