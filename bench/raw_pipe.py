"""One process of the raw pipeline: a consumer, a producer, and batches between them, on aiokafka
alone.

Records of one topic come in; what the handler makes of them is published and acknowledged, list
after list; then their offsets may be committed, off the path. As fast as aiokafka allows: uvloop,
one batch per partition of a fetch, several fetches in flight.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord
from google.protobuf.message import Message

RECORDS_MAX = 500
IN_FLIGHT_MAX = 4
COMMIT_S = 0.5
BATCH_BYTES = 512 * 1024
# (topic, key, message, partition); one list is acknowledged before the next one is sent.
Out = tuple[str, str, Message, int]
Handler = Callable[[Sequence[ConsumerRecord]], Sequence[Sequence[Out]]]
M = TypeVar("M", bound=Message)


def decoded(message: type[M], records: Sequence[ConsumerRecord]) -> list[M]:
    """The messages of `records`."""
    return [message.FromString(record.value) for record in records]


class Pipe:
    """One process: a consumer, a producer, and the batches between them."""

    def __init__(self, bootstrap: str, topic: str, group: str) -> None:
        self.consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=bootstrap.split(","),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            fetch_max_bytes=16 << 20,
            max_partition_fetch_bytes=2 << 20,
        )
        self.producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES,
        )
        role = group.rpartition(".")[2]
        self._source = f"/raw/{role}".encode()
        nonce = os.urandom(3).hex()
        self._instance = f"{role}-{socket.gethostname()}-{os.getpid()}-{nonce}".encode()
        self._sent = 0
        self._constant: dict[type[Message], list[tuple[str, bytes]]] = {}
        # Batches in the order of reading: the offsets that follow them, and whether they are done.
        self._batches: deque[tuple[dict[TopicPartition, int], asyncio.Event]] = deque()

    async def run(self, handle: Handler, stop: asyncio.Event) -> None:
        await self.producer.start()
        await self.consumer.start()
        slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        committing = asyncio.create_task(self._commit_often())
        try:
            async with asyncio.TaskGroup() as group:
                while not stop.is_set():
                    found = await self.consumer.getmany(timeout_ms=200, max_records=RECORDS_MAX)
                    if not found:
                        continue
                    ends = {tp: records[-1].offset + 1 for tp, records in found.items()}
                    done = asyncio.Event()
                    self._batches.append((ends, done))
                    stages = handle([record for records in found.values() for record in records])
                    await slots.acquire()
                    group.create_task(self._emit(stages, done, slots))
        finally:
            committing.cancel()
            await self._commit()
            await self.consumer.stop()
            await self.producer.stop()

    async def _emit(
        self, stages: Sequence[Sequence[Out]], done: asyncio.Event, slots: asyncio.Semaphore
    ) -> None:
        try:
            for stage in stages:
                await self._send(stage)
            done.set()
        finally:
            slots.release()

    async def _send(self, records: Sequence[Out]) -> None:
        """Append all, a batch per partition, and wait until the broker has them."""
        batches: dict[tuple[str, int], list[Any]] = {}
        for topic, key, message, partition in records:
            made = batches.setdefault((topic, partition), [])
            record = self._encoded(key, message)
            if not made or made[-1].append(**record) is None:
                made.append(self.producer.create_batch())
                made[-1].append(**record)
        acks: list[Awaitable[Any]] = []
        for (topic, partition), made in batches.items():
            for builder in made:
                acks.append(await self.producer.send_batch(builder, topic, partition=partition))
        await asyncio.gather(*acks)

    def _encoded(self, key: str, message: Message) -> dict[str, Any]:
        return {
            "timestamp": None,
            "key": key.encode(),
            "value": message.SerializeToString(),
            "headers": self._headers(type(message)),
        }

    def _headers(self, message: type[Message]) -> list[tuple[str, bytes]]:
        constant = self._constant.get(message)
        if constant is None:
            constant = self._constant[message] = [
                ("content-type", b"application/protobuf"),
                ("ce_specversion", b"1.0"),
                ("ce_source", self._source),
                ("ce_type", message.DESCRIPTOR.full_name.encode()),
            ]
        self._sent += 1
        return [*constant, ("ce_id", b"%b-%d" % (self._instance, self._sent))]

    async def _commit_often(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            await self._commit()

    async def _commit(self) -> None:
        offsets: dict[TopicPartition, int] = {}
        while self._batches and self._batches[0][1].is_set():
            offsets |= self._batches.popleft()[0]
        if offsets:
            await self.consumer.commit(offsets)
