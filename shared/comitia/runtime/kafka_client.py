"""Settings of the Apache Kafka clients, in one frozen object that KafkaLog hands to its reader,
writer and admin.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from comitia.errors import ComitiaError, ConfigError
from comitia.runtime.kafka_errors import RAISED, UNAUTHORIZED, translate
from comitia.runtime.kafka_security import Security

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")

MIB = 1024 * 1024


class Right(NamedTuple):
    """What an ACL must allow for a call. `resource`: topic, group, transactional-id or cluster."""

    operation: str
    resource: str
    name: str


@dataclass(frozen=True, slots=True)
class KafkaClient:
    """Where the cluster is and how patiently it is spoken to. All times are milliseconds, all sizes
    bytes.

    `request_timeout_ms` bounds one call (a commit, a lookup, a start); `delivery_timeout_ms` a
    record's way from send to acknowledgement. `fetch_wait_ms` is how long the broker may hold an
    empty fetch back: a resumed or sought partition waits for that long at most, an idle reader asks
    that often. One fetch brings up to `fetch_bytes_max` in all (per broker) and
    `partition_bytes_max` per partition, or one record where it alone is larger; a reader holds one
    fetch.
    """

    bootstrap: str
    client_id: str = "comitia"
    session_timeout_ms: int = 10_000
    request_timeout_ms: int = 10_000
    delivery_timeout_ms: int = 30_000
    transaction_timeout_ms: int = 10_000
    fetch_wait_ms: int = 50
    fetch_bytes_max: int = 16 * MIB
    partition_bytes_max: int = 2 * MIB
    linger_ms: int = 0
    record_bytes_max: int = 16 * MIB
    security: Security = field(default_factory=Security)

    def __post_init__(self) -> None:
        for address in self.bootstrap.split(","):
            found = _ADDRESS.fullmatch(address.strip())
            if found is None or not 0 < int(found[2]) < 65_536:
                raise ConfigError(
                    f"COMITIA_BOOTSTRAP: {address.strip()!r} is not an address; write host:port,"
                    " several separated by commas"
                )

    @property
    def servers(self) -> list[str]:
        """Addresses, as aiokafka takes them."""
        return [address.strip() for address in self.bootstrap.split(",")]

    def options(self) -> dict[str, Any]:
        """What every client of aiokafka's is made with."""
        return {
            "bootstrap_servers": self.servers,
            "client_id": self.client_id,
            "request_timeout_ms": self.request_timeout_ms,
            **self.security.options(),
        }

    def translate(self, error: BaseException, doing: str, *needs: Right) -> ComitiaError:
        """The error to raise instead of `error`: of a missing right it names the one of `needs`, of
        a passing fault why connections fail.
        """
        resource = UNAUTHORIZED.get(type(error))
        for right in needs:
            if right.resource == resource:
                # Of several topics aiokafka tells which.
                told = error.args[0] if error.args else ()
                topics = sorted({told} if isinstance(told, str) else told)
                known = right.name.split(", ") if right.name else topics
                name = ", ".join(topic for topic in topics if topic in known) or right.name
                granted = self.security.grant(right.operation, right.resource, name)
                return ConfigError(f"{doing}: {granted}")
        return self.security.blamed(translate(error, doing))

    @contextmanager
    def mapped(self, doing: str, *needs: Right) -> Iterator[None]:
        """Turn what aiokafka raises inside into Comitia's errors."""
        try:
            yield
        except RAISED as error:
            raise self.translate(error, doing, *needs) from error

    @property
    def heartbeat_interval_ms(self) -> int:
        """A member learns of a rebalance from a heartbeat's answer, so they are frequent."""
        return min(500, self.session_timeout_ms // 3)
