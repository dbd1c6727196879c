"""A connection with TLS through a network that is cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from comitia.broker import HOST
from comitia.config import KafkaSettings, load
from comitia.runtime.kafka_security import Security
from tests.integration.wire_support import Demanding


async def test_a_connection_that_nobody_answers_any_more_is_closed_at_once(
    demands: Demanding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that is cut off does not take part in TLS' goodbye, for which others wait 30 s."""
    for name, value in demands.sasl("admin").items():
        monkeypatch.setenv(name, value)
    security = Security(load(KafkaSettings))
    options = {"client_id": "test", "request_timeout_ms": 10_000, **security.options()}
    async with cut_off_later(demands.secure) as (port, cut):
        connection = await security.connect(HOST, port, options)
        cut.set()
        async with asyncio.timeout(10):
            await connection.close()


@contextlib.asynccontextmanager
async def cut_off_later(address: str) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A port that leads to `address` until the event is set; then nothing passes any more."""
    host, port = address.split(":")
    cut, open_ = asyncio.Event(), list[asyncio.StreamWriter]()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while found := await reader.read(65_536):
            if not cut.is_set():
                writer.write(found)
        await asyncio.Event().wait()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(host, int(port))
        open_.extend((writer, there[1]))
        pumps.append(asyncio.create_task(pass_on(reader, there[1])))
        pumps.append(asyncio.create_task(pass_on(there[0], writer)))

    pumps: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(accept, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1], cut
    finally:
        server.close()
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for writer in open_:
            writer.transport.abort()
