"""The network between services and brokers, as a process that can cut one client off.

`python -m tests.chaos.proxy OUTSIDE:INSIDE...` forwards every pair of ports of this machine. Orders
come as lines on standard input: `stall PID` (bytes of that process stand still, both ways), `reset
PID` (its connections are aborted, new ones too), `heal PID`. A client is known by its port: the
proxy looks up whose socket it is. It ends when its input does. `Proxy` is the handle that the
harness holds.
"""

import asyncio
import contextlib
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal, cast

import psutil
import uvloop

from comitia.broker import HOST
from tests.chaos.cluster import Door

Cut = Literal["stall", "reset"]


class Link(asyncio.Protocol):
    """One side of a forwarded connection; what arrives goes out on `other`."""

    def __init__(self, switch: "Switch") -> None:
        self.switch = switch
        self.other: Link | None = None
        self.transport: asyncio.Transport | None = None
        self.early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.other is None or self.other.transport is None:
            # A loop may read once more after it was asked to pause.
            self.early += data
        else:
            self.other.transport.write(data)

    def join(self, other: "Link") -> None:
        """From now on what arrives goes out on `other`."""
        assert other.transport is not None
        self.other = other
        other.transport.write(bytes(self.early))
        self.early.clear()

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    # Flow control: a side that cannot take more keeps the other from reading on.
    def pause_writing(self) -> None:
        self._other_reads(False)

    def resume_writing(self) -> None:
        self._other_reads(True)

    def _other_reads(self, on: bool) -> None:
        if self.other is not None:
            self.other.read(on and not self.switch.is_stalled(self))

    def read(self, on: bool) -> None:
        """Begin or cease to read; a closing connection is left alone."""
        if self.transport is not None and not self.transport.is_closing():
            (self.transport.resume_reading if on else self.transport.pause_reading)()

    def abort(self) -> None:
        """End at once, without a goodbye: the other end sees a reset."""
        if self.transport is not None and not self.transport.is_closing():
            peer = self.transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()


class Client(Link):
    """The side of a service; connects on to the broker when it is accepted."""

    def __init__(self, switch: "Switch", inside: int) -> None:
        super().__init__(switch)
        self._inside = inside
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.port = self.transport.get_extra_info("peername")[1]
        self.transport.pause_reading()
        self.switch.take(self)

    async def connect(self) -> None:
        """Reach the broker; one that is down refuses the service as it would without a proxy."""
        assert self.transport is not None
        loop = asyncio.get_running_loop()
        try:
            _, broker = await loop.create_connection(lambda: Link(self.switch), HOST, self._inside)
        except OSError:
            self.abort()
            return
        if self.transport.is_closing() or cast(asyncio.Transport, broker.transport).is_closing():
            broker.abort()
            self.abort()
        else:
            self.join(broker)
            broker.join(self)
            self.both_read(not self.switch.is_stalled(self))

    def both_read(self, on: bool) -> None:
        """Let bytes flow, or stand still, in both directions."""
        self.read(on)
        if self.other is not None:
            self.other.read(on)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.switch.drop(self)


class Switch:
    """All forwarded connections, and who is cut off."""

    def __init__(self) -> None:
        self._clients: set[Client] = set()
        self._cuts: dict[int, Cut] = {}
        # Clients whose bytes stand still, with the process that they were cut off with.
        self._stalled: dict[Client, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, client: Client) -> None:
        """A new connection: forwarded, or treated as its process is."""
        self._clients.add(client)
        for pid, cut in self._cuts.items():
            if client.port in ports_of(pid):
                if cut == "reset":
                    client.abort()
                    return
                self._stalled[client] = pid
        task = asyncio.get_running_loop().create_task(client.connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop(self, client: Client) -> None:
        """A connection has ended."""
        self._clients.discard(client)
        self._stalled.pop(client, None)

    def is_stalled(self, link: Link) -> bool:
        return link in self._stalled or link.other in self._stalled

    def order(self, line: str) -> None:
        """Obey one line of the input."""
        verb, text = line.split()
        pid = int(text)
        if verb == "heal":
            self._cuts.pop(pid, None)
            for client in [client for client, of in self._stalled.items() if of == pid]:
                del self._stalled[client]
                client.both_read(True)
            return
        self._cuts[pid] = "stall" if verb == "stall" else "reset"
        ports = ports_of(pid)
        for client in [client for client in self._clients if client.port in ports]:
            if verb == "reset":
                client.abort()
            else:
                self._stalled[client] = pid
                client.both_read(False)


def ports_of(pid: int) -> frozenset[int]:
    """Local ports of a process's TCP sockets; none when it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return frozenset(found.laddr.port for found in psutil.Process(pid).net_connections("tcp4"))
    return frozenset()


async def forward(doors: Sequence[Door]) -> None:
    """Serve until the input ends."""
    loop, switch = asyncio.get_running_loop(), Switch()
    for door in doors:
        await loop.create_server(
            lambda inside=door.inside: Client(switch, inside),  # type: ignore[misc]
            *(HOST, door.outside),
        )
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print("ready", flush=True)
    while line := await orders.readline():
        switch.order(line.decode())


class Proxy:
    """The proxy's process, as the harness holds it."""

    def __init__(self, doors: Sequence[Door], log: IO[bytes]) -> None:
        pairs = [f"{door.outside}:{door.inside}" for door in doors]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxy", *pairs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the proxy did not start; its log says why")

    def cut(self, pid: int, how: Cut) -> None:
        """Cut one process off from all brokers."""
        self._order(f"{how} {pid}")

    def heal(self, pid: int) -> None:
        """End a cut."""
        self._order(f"heal {pid}")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _order(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()


if __name__ == "__main__":
    pairs = (pair.split(":") for pair in sys.argv[1:])
    uvloop.run(forward([Door(int(outside), int(inside)) for outside, inside in pairs]))
