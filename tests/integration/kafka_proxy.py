"""A proxy before a real broker that speaks Kafka's protocol well enough to change three answers.

Clients connect to `address`; what they send passes as it is. In ApiVersions the keys in `hidden`
are left out; in Metadata the broker's address becomes the proxy's, so that clients stay with it;
and while `coordinating` is false, a transaction coordinator is answered to be not available.
"""

import asyncio

METADATA, FIND_COORDINATOR, API_VERSIONS = 3, 10, 18
COORDINATOR_NOT_AVAILABLE = 15
TRANSACTION = b"\x01"
NOWHERE = b"\xff\xff\xff\xff" + b"\x00\x00" + b"\xff\xff\xff\xff"


class KafkaProxy:
    """Use as an asynchronous context manager."""

    def __init__(self, bootstrap: str, hidden: frozenset[int] = frozenset()) -> None:
        self.hidden = hidden
        self.coordinating = True
        # Released each time that the coordinator of a transaction was asked for and refused.
        self.refused = asyncio.Semaphore(0)
        self._host, port = bootstrap.rsplit(":", 1)
        self._port = int(port)
        self._own = 0
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def address(self) -> str:
        return f"{self._host}:{self._own}"

    async def __aenter__(self) -> "KafkaProxy":
        self._server = await asyncio.start_server(self._client, self._host, 0)
        self._own = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._clients.values():
            writer.close()
        await asyncio.gather(*self._clients)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        there, broker = await asyncio.open_connection(self._host, self._port)
        asked: dict[bytes, bytes] = {}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, broker, asked))
                group.create_task(self._responses(there, writer, asked))
        except* (asyncio.IncompleteReadError, ConnectionError):
            pass  # One side closed its connection: so does the other.
        finally:
            broker.close()
            writer.close()
            del self._clients[task]

    async def _requests(
        self, reader: asyncio.StreamReader, broker: asyncio.StreamWriter, asked: dict[bytes, bytes]
    ) -> None:
        while True:
            frame = await _frame(reader)
            asked[frame[4:8]] = frame
            _send(broker, frame)
            await broker.drain()

    async def _responses(
        self, broker: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: dict[bytes, bytes]
    ) -> None:
        while True:
            frame = await _frame(broker)
            _send(writer, self._changed(asked.pop(frame[:4]), frame))
            await writer.drain()

    def _changed(self, request: bytes, response: bytes) -> bytes:
        key, version = int.from_bytes(request[:2]), int.from_bytes(request[2:4])
        # aiokafka's connections ask version 0; newer ones are encoded otherwise.
        if key == API_VERSIONS and version == 0:
            entries = [response[at : at + 6] for at in range(10, len(response), 6)]
            kept = [one for one in entries if int.from_bytes(one[:2]) not in self.hidden]
            return response[:6] + len(kept).to_bytes(4) + b"".join(kept)
        if key == METADATA:
            host = self._host.encode()
            return response.replace(host + self._port.to_bytes(4), host + self._own.to_bytes(4))
        if key == FIND_COORDINATOR and request.endswith(TRANSACTION) and not self.coordinating:
            self.refused.release()
            error = COORDINATOR_NOT_AVAILABLE.to_bytes(2)
            return response[:4] + bytes(4) + error + b"\xff\xff" + NOWHERE
        return response


async def _frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4)))


def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(len(frame).to_bytes(4) + frame)
