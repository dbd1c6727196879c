"""Three embedded brokers that the services reach only through a proxy, so that a network can be
cut.

In comes a folder; out come the brokers' addresses, for tools the direct ones and for services the
proxy's, and the faults that a broker can have: SIGKILL and a later start. Each broker has a second
listener, whose advertised address is the proxy's, so a service never learns of a way around it.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from comitia.broker import HOST, BrokerSettings, find_java, resolve_jars
from comitia.broker import properties as files
from comitia.broker.lock import OwnerLock
from comitia.broker.node import Node
from comitia.broker.storage import Installation, prepare
from comitia.config import DirectorySettings, load
from tests.conftest import free_ports

NODES = 3
READY_TIMEOUT_S = 120
PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class Door:
    """One broker as services see it: the proxy listens on `outside` and connects to `inside`."""

    outside: int
    inside: int


class Cluster:
    """The brokers and their ports. `start` and `stop` block; use them outside of busy moments."""

    def __init__(self, folder: Path) -> None:
        self._settings = _settings(folder)
        first = self._settings.port + 2 * NODES
        self.doors = [Door(first + i, first + NODES + i) for i in range(NODES)]
        self._lock = OwnerLock(self._settings.home)
        self._nodes: list[Node] = []

    @property
    def bootstrap(self) -> str:
        """Addresses for the publisher, the watchers and the checker."""
        return self._settings.bootstrap

    @property
    def behind_proxy(self) -> str:
        """Addresses for services."""
        return ",".join(f"{HOST}:{door.outside}" for door in self.doors)

    @property
    def data(self) -> list[Path]:
        """Where the brokers keep their logs."""
        return [files.data_dir(self._settings, number) for number in range(NODES)]

    def start(self) -> None:
        """Start all brokers and return; `in_sync` tells when they serve."""
        self._lock.acquire()
        # Brokers that live for minutes, and restart, gain nothing from the optimising compiler.
        os.environ["JAVA_TOOL_OPTIONS"] = "-XX:TieredStopAtLevel=1"
        installation = Installation(find_java(), resolve_jars(self._settings.cache_dir))
        prepare(self._settings, installation)
        for number, door in enumerate(self.doors):
            with files.properties_file(self._settings, number).open("a") as properties:
                properties.write(self._second_listener(number, door))
            self._nodes.append(Node(self._settings, number, installation))
            self._nodes[number].start(self._lock.fd)

    def stop(self) -> None:
        """Stop all brokers and give the folder free."""
        for node in self._nodes:
            node.ask_to_stop()
        for node in self._nodes:
            node.wait()
        self._lock.release()

    def kill(self, number: int) -> None:
        """SIGKILL: no last words, as in a crash of the machine."""
        self._nodes[number].kill()

    def restart(self, number: int) -> None:
        """Start a killed broker again; returns at once."""
        self._nodes[number].start(self._lock.fd)

    async def until_in_sync(self) -> None:
        """Wait until all brokers are up and every partition has all its replicas in sync.

        AssertionError when that takes longer than READY_TIMEOUT_S.
        """
        admin = AdminClient(client(self.bootstrap))
        async with asyncio.timeout(READY_TIMEOUT_S):
            while not await asyncio.to_thread(_whole, admin):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(PAUSE_S)

    def _second_listener(self, number: int, door: Door) -> str:
        """Lines that override those of the same names before them."""
        settings = self._settings
        plain = f"PLAINTEXT://{HOST}:{settings.client_port(number)}"
        control = f"CONTROLLER://{HOST}:{settings.controller_port(number)}"
        entries = {
            "listeners": f"{plain},PROXIED://{HOST}:{door.inside},{control}",
            "advertised.listeners": f"{plain},PROXIED://{HOST}:{door.outside}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,"
            "CONTROLLER:PLAINTEXT",
        }
        return "".join(f"{key}={value}\n" for key, value in entries.items())


def client(bootstrap: str) -> dict[str, str | int | float | bool]:
    """What every librdkafka client of a run is told; brokers that are away are no news here."""
    return {"bootstrap.servers": bootstrap, "socket.timeout.ms": 5_000, "log_level": 0}


def _settings(folder: Path) -> BrokerSettings:
    cache_dir = load(DirectorySettings).cache_dir
    return BrokerSettings(folder, cache_dir, free_ports(4 * NODES), nodes=NODES)


def _whole(admin: AdminClient) -> bool:
    try:
        found = admin.list_topics(timeout=3)
    except KafkaException:
        return False
    partitions = [part for topic in found.topics.values() for part in topic.partitions.values()]
    return len(found.brokers) == NODES and all(len(part.isrs) == NODES for part in partitions)
