"""One service as a child process: started, asked whether it is ready, stopped. It knows nothing of
restarts.

In: what to run (`ServiceSpec`) and where its log goes. Out: its exit status, its readiness as
/readyz tells it, its memory.
"""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil

HOST = "127.0.0.1"
LIFELINE = Path(__file__).with_name("lifeline.py")
PROBE_TIMEOUT_S = 2.0
WHY_CHARS_MAX = 300
LOG_TAIL_BYTES = 8192
# As the services' logging writes it: "2026-01-31 12:00:00,000 router ERROR ".
_LOG_PREFIX = re.compile(r"^[\d-]{10} [\d:,]{12} \S+ [A-Z]+ ")


@dataclass(frozen=True)
class ServiceSpec:
    """A program and the settings it gets beyond this process's environment.

    COMITIA_HTTP_PORT and COMITIA_LOG_FORMAT are set by whoever starts it.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def free_port() -> int:
    """A TCP port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Child:
    """A running service. Make one with `spawn`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, lifeline: int) -> None:
        self.port = port
        self._process = process
        self._lifeline = lifeline

    @classmethod
    async def spawn(cls, spec: ServiceSpec, log: Path) -> "Child":
        """Start `spec`, its output appended to `log`. It dies with this process."""
        port = free_port()
        read, write = os.pipe()
        command = (sys.executable, "-SE", str(LIFELINE), str(os.getpid()), str(read), *spec.command)
        try:
            with log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(read,),
                    # A group of its own: Ctrl-C on the terminal is for the supervisor, which stops
                    # the others in order.
                    start_new_session=True,
                    env={
                        **os.environ,
                        **spec.env,
                        "COMITIA_HTTP_PORT": str(port),
                        # For people, and for `last_line`.
                        "COMITIA_LOG_FORMAT": "text",
                    },
                )
        except BaseException:
            os.close(write)
            raise
        finally:
            os.close(read)
        return cls(process, port, write)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        """Its exit status; minus the signal's number when one ended it."""
        status = await self._process.wait()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        return status

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is not None:
            return
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            # It ended between the decision to signal it and the signal: nothing is left to do.
            return

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL once `grace_s` seconds have passed."""
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.wait(), grace_s)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.wait()

    async def readiness(self, session: aiohttp.ClientSession) -> tuple[bool, str]:
        """Whether /readyz says yes, and if not, why."""
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
        try:
            async with session.get(f"http://{HOST}:{self.port}/readyz", timeout=timeout) as reply:
                why = (await reply.text())[:WHY_CHARS_MAX].strip()
                return reply.status == 200, "" if reply.status == 200 else why
        except TimeoutError:
            return False, f"/readyz gave no answer within {PROBE_TIMEOUT_S:g} s"
        except aiohttp.ClientError:
            return False, "starting"

    def rss_bytes(self) -> int:
        """Resident memory of the process and its children, bytes; 0 when it is gone."""
        try:
            process = psutil.Process(self._process.pid)
            return sum(p.memory_info().rss for p in (process, *process.children(recursive=True)))
        except psutil.Error:
            return 0


def last_line(log: Path) -> str:
    """The last line of a log that says something, without time, service and level; "" when there
    is none.
    """
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - LOG_TAIL_BYTES))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    return _LOG_PREFIX.sub("", next((line for line in reversed(lines) if line), ""))
