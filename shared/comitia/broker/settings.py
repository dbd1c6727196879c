"""What an embedded broker is told: where it keeps its data and its jars, on which port, and how
many nodes it has.

The CLI and the tests make one from `comitia.config`'s values; nothing here reads the environment.
Everything else about where things lie and which ports are used is derived here, so that no two
modules can disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
PORT_DEFAULT = 19092
PORT_SETTING = "COMITIA_BROKER_PORT"
STATE_SETTING = "COMITIA_STATE_DIR"


def broker_home(state_dir: Path) -> Path:
    """The folder of the embedded broker within Comitia's state directory; all of it belongs to the
    broker.
    """
    return state_dir / "broker"


@dataclass(frozen=True)
class BrokerSettings:
    """An embedded broker. Nodes are numbered from 0; node i listens on `port + i` for clients and
    on `port + nodes + i` for the other nodes, on loopback only: `nodes` is 1 in use and 3 in tests
    of failure.

    `extra`: Kafka's own settings, over those that are made here, and `scram`: users as
    kafka-storage's --add-scram takes them; both are for tests of listeners that demand more.
    """

    state_dir: Path
    cache_dir: Path
    port: int = PORT_DEFAULT
    nodes: int = 1
    extra: Mapping[str, str] = field(default_factory=dict)
    scram: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        return broker_home(self.state_dir)

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes, as clients want them."""
        return ",".join(f"{HOST}:{self.client_port(node)}" for node in range(self.nodes))

    def client_port(self, node: int) -> int:
        return self.port + node

    def controller_port(self, node: int) -> int:
        return self.port + self.nodes + node

    def node_dir(self, node: int) -> Path:
        return self.home / f"node-{node}"
