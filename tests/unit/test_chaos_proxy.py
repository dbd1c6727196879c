"""The proxy that chaos cuts networks with: bytes of one process stop, start again, or are reset.

Runs the proxy's process in front of an echo server in this one; the client that is cut off is this
process itself.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from comitia.broker import HOST
from tests.chaos.cluster import Door
from tests.chaos.proxy import Proxy
from tests.conftest import free_ports

# What a reset connection raises, depending on what was under way.
CUT_OFF = (OSError, EOFError)


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[tuple[Proxy, int]]:
    """The proxy's handle and the port of its outside."""

    served: list[asyncio.StreamWriter] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        with contextlib.suppress(*CUT_OFF):
            while data := await reader.read(1_000):
                writer.write(data)

    door = Door(*range(first := free_ports(2), first + 2))
    server = await asyncio.start_server(echo, HOST, door.inside)
    with (tmp_path / "proxy.log").open("wb") as log:
        handle = Proxy([door], log)
        try:
            yield handle, door.outside
        finally:
            handle.close()
            server.close()
            for writer in served:
                await closed(writer)
            await server.wait_closed()
    assert (tmp_path / "proxy.log").read_text() == ""


async def test_bytes_come_back_the_way_they_went(proxy: tuple[Proxy, int]) -> None:
    reader, writer = await asyncio.open_connection(HOST, proxy[1])
    sent = os.urandom(300_000)
    writer.write(sent)
    assert await reader.readexactly(len(sent)) == sent
    await closed(writer)


async def test_a_stalled_process_hears_nothing_until_it_is_healed(proxy: tuple[Proxy, int]) -> None:
    handle, port = proxy
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"
    handle.cut(os.getpid(), "stall")
    await until_cut(port)
    writer.write(b"b")
    heard = asyncio.ensure_future(reader.readexactly(1))
    # Long enough for an echo that was not held back.
    await asyncio.wait([heard], timeout=0.2)
    assert not heard.done()
    handle.heal(os.getpid())
    assert await heard == b"b"
    await closed(writer)


async def test_a_reset_process_loses_its_connections_and_gets_no_new_one(
    proxy: tuple[Proxy, int],
) -> None:
    handle, port = proxy
    reader, writer = await asyncio.open_connection(HOST, port)
    handle.cut(os.getpid(), "reset")
    with pytest.raises(CUT_OFF):
        await reader.readexactly(1)
    await closed(writer)
    with pytest.raises(CUT_OFF):
        await echoes(port)
    handle.heal(os.getpid())
    await asyncio.wait_for(until_it_echoes(port), 10)


async def until_cut(port: int) -> None:
    """The order has been obeyed once a new connection echoes nothing any more."""
    while True:
        try:
            await asyncio.wait_for(echoes(port), 0.2)
        except TimeoutError:
            return


async def until_it_echoes(port: int) -> None:
    while True:
        with contextlib.suppress(*CUT_OFF):
            return await echoes(port)


async def echoes(port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(b"c")
        await reader.readexactly(1)
    finally:
        await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(*CUT_OFF):
        await writer.wait_closed()
