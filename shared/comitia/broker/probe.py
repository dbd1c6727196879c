"""Asks a broker whether it really answers: one ApiVersions and one Metadata request over a plain
socket.

An open port says little: Apache Kafka binds it seconds before it serves, and somebody else may have
it. These two requests, in their oldest forms, are all that the embedding needs of the protocol, so
it needs no client library. Layouts: https://kafka.apache.org/protocol, ApiVersions v0 and Metadata
v1, request header v1.
"""

import socket
import struct
from collections.abc import Callable

API_VERSIONS = 18
METADATA = 3
REPLY_BYTES_MAX = 1 << 20


def broker_ids(host: str, port: int, timeout_s: float = 2.0) -> frozenset[int] | None:
    """The ids of the brokers that the one at this address knows to be alive; None when no Apache
    Kafka answers there.
    """
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            versions = _ask(connection, API_VERSIONS, 0, b"")
            if struct.unpack_from(">h", versions)[0] != 0:
                return None
            # An empty list of topics asks for none of them in Metadata v1.
            return _ids(_ask(connection, METADATA, 1, struct.pack(">i", 0)))
    except (OSError, struct.error, ValueError):
        # Refused, silent, closed, or bytes that are no answer of a broker: it is not ready, or not
        # Apache Kafka.
        return None


def _ask(connection: socket.socket, api: int, version: int, body: bytes) -> bytes:
    client = b"comitia-probe"
    header = struct.pack(">hhih", api, version, 1, len(client)) + client
    connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
    (size,) = struct.unpack(">i", _exactly(connection.recv, 4))
    if not 4 <= size <= REPLY_BYTES_MAX:
        raise ValueError(f"a reply of {size} bytes is not one of Apache Kafka")
    return _exactly(connection.recv, size)[4:]


def _exactly(receive: Callable[[int], bytes], count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = receive(count - len(parts))
        if not part:
            raise ValueError("the connection was closed within a reply")
        parts += part
    return bytes(parts)


def _ids(reply: bytes) -> frozenset[int]:
    (count,) = struct.unpack_from(">i", reply)
    at, ids = 4, []
    for _ in range(count):
        node, host_bytes = struct.unpack_from(">ih", reply, at)
        at += 6 + host_bytes + 4
        (rack_bytes,) = struct.unpack_from(">h", reply, at)
        at += 2 + max(rack_bytes, 0)
        ids.append(node)
    return frozenset(ids)
