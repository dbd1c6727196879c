"""Apache Kafka itself, embedded: found or fetched, formatted once, started, checked, stopped. One
node, or three in tests.

    with EmbeddedBroker(BrokerSettings(state_dir, cache_dir)) as broker:
        ... broker.bootstrap ...

The one who starts it owns it: the state directory is locked, and the broker ends with its owner,
even a killed one. Calls block (a cold start takes seconds); nothing here runs an event loop.
"""

import time
from types import TracebackType
from typing import Self

from comitia.broker.jars import Progress, resolve_jars
from comitia.broker.java import find_java
from comitia.broker.lock import OwnerLock
from comitia.broker.node import Node
from comitia.broker.settings import BrokerSettings
from comitia.broker.storage import Installation, prepare
from comitia.errors import ConfigError

READY_TIMEOUT_S = 120.0
PAUSE_S = 0.05


class EmbeddedBroker:
    """A broker owned by this process. `progress` hears of the jars' download, from several threads,
    one call at a time.
    """

    def __init__(self, settings: BrokerSettings, progress: Progress | None = None) -> None:
        self.settings = settings
        self._progress = progress
        self._lock = OwnerLock(settings.home)
        self._nodes: list[Node] = []

    @property
    def bootstrap(self) -> str:
        """host:port of every node, separated by commas."""
        return self.settings.bootstrap

    @property
    def pids(self) -> tuple[int | None, ...]:
        """Each node's process, None where none runs."""
        return tuple(node.pid for node in self._nodes)

    def start(self) -> str:
        """Start every node and wait until all answer; returns `bootstrap`. On failure nothing is
        left running.

        ConfigError: another one owns the directory, a port is taken, no Java, no jars, no room on
        the disk, or what Apache Kafka itself gives as its reason.
        """
        self._lock.acquire()
        try:
            installation = Installation(
                find_java(), resolve_jars(self.settings.cache_dir, self._progress)
            )
            prepare(self.settings, installation)
            self._nodes = [
                Node(self.settings, number, installation) for number in range(self.settings.nodes)
            ]
            for node in self._nodes:
                node.start(self._lock.fd)
            self._await_ready()
        except BaseException:
            self.stop()
            raise
        return self.bootstrap

    def stop(self) -> None:
        """Stop every node, in order with the quorum where there is one, and give the directory
        free.
        """
        for node in self._nodes:
            node.ask_to_stop()
        for node in self._nodes:
            node.wait()
        self._nodes = []
        self._lock.release()

    def kill(self, number: int) -> None:
        """SIGKILL one node's JVM and wait until it is gone."""
        self._nodes[number].kill()

    def stop_node(self, number: int) -> None:
        """Stop one node in order."""
        self._nodes[number].stop()

    def start_node(self, number: int) -> None:
        """Start a stopped or killed node again and wait until all that run know each other."""
        self._nodes[number].start(self._lock.fd)
        self._await_ready()

    def failure(self) -> str | None:
        """Why a node that should run does not; None while all is well. Cheap: meant to be asked
        once a second.
        """
        for node in self._nodes:
            if node.ended:
                return f"Apache Kafka ended: {node.reason()}"
        return None

    def _await_ready(self) -> None:
        running = [number for number, node in enumerate(self._nodes) if node.started]
        end = time.monotonic() + READY_TIMEOUT_S
        for number in running:
            while not self._nodes[number].ready(frozenset(running)):
                if time.monotonic() > end:
                    raise ConfigError(
                        f"Apache Kafka does not answer within {READY_TIMEOUT_S:.0f} s: "
                        f"{self._nodes[number].reason()}"
                    )
                time.sleep(PAUSE_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
