"""The embedded Apache Kafka as part of a system: started, watched, started again when it dies.

`EmbeddedBroker` blocks, so it runs in a thread; nothing here is called twice at the same time.
"""

import asyncio
from collections.abc import Callable

import psutil
from pydantic import Field

from comitia.broker.cluster import EmbeddedBroker
from comitia.broker.settings import PORT_DEFAULT, BrokerSettings
from comitia.config import DirectorySettings, load
from comitia.errors import ConfigError
from comitia_cli.places import human_bytes
from comitia_cli.system.supervisor import Patience, ServiceState
from comitia_cli.system.waiting import first_of

NAME = "Apache Kafka"


class EmbeddedSettings(DirectorySettings):
    """Where the embedded broker keeps its data, and its port. The port above it is taken, too."""

    broker_port: int = Field(PORT_DEFAULT, ge=1, le=65_534)


class BrokerKeeper:
    """Keeps one embedded broker running."""

    def __init__(self, say: Callable[[str], None]) -> None:
        settings = load(EmbeddedSettings)
        self.state = ServiceState(NAME, port=settings.broker_port)
        self._patience = Patience()
        self._say = say
        self._broker = EmbeddedBroker(
            BrokerSettings(settings.state_dir, settings.cache_dir, settings.broker_port),
            self._progress,
        )

    @property
    def bootstrap(self) -> str:
        return self._broker.bootstrap

    def _progress(self, done: int, total: int, name: str) -> None:
        self._say(f"fetching {name}: {human_bytes(done)} of {human_bytes(total)}")

    async def start(self) -> None:
        """ConfigError: the port is taken, the disk is full, no Java, ... as the broker says it."""
        await self._in_thread(self._broker.start)
        self._look()

    async def keep(self, stop: asyncio.Event) -> None:
        """Look after it once a second until `stop` is set."""
        pause_s = self._patience.backoff_s
        while not stop.is_set():
            failure = self._broker.failure()
            if failure is None:
                self._look()
                pause_s = self._patience.backoff_s
                await first_of(stop.wait(), asyncio.sleep(self._patience.poll_ready_s))
                continue
            self.state.phase, self.state.why, self.state.pid = "waiting", failure, 0
            await first_of(stop.wait(), asyncio.sleep(pause_s))
            pause_s = min(2 * pause_s, self._patience.backoff_s_max)
            if not stop.is_set():
                await self._again()

    async def _again(self) -> None:
        self.state.restarts += 1
        try:
            await self._in_thread(self._broker.stop)
            await self._in_thread(self._broker.start)
        except ConfigError as error:
            # What it waits for may pass (a full disk, a port): said in the table, tried again.
            self.state.why = str(error)

    async def stop(self) -> None:
        await self._in_thread(self._broker.stop)
        self.state.phase, self.state.pid, self.state.rss_bytes = "stopped", 0, 0

    async def _in_thread(self, work: Callable[[], object]) -> None:
        """To the end, even when cancelled: half a start cannot be left alone."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(None, work)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def _look(self) -> None:
        pid = next((pid for pid in self._broker.pids if pid is not None), 0)
        self.state.phase, self.state.pid, self.state.why = "ready", pid, ""
        try:
            self.state.rss_bytes = psutil.Process(pid).memory_info().rss if pid else 0
        except psutil.NoSuchProcess:
            # It ended just now; the next look finds out why.
            self.state.rss_bytes = 0
