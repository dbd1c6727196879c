"""A small world for the runtime's loops: LocalLog on virtual time, and short ways to write and read
its topics.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from google.protobuf.message import Message

from comitia.ports import Outgoing, Record, TopicPartition
from comitia.runtime.codec import Codec
from comitia.runtime.context import Runtime
from comitia.runtime.health import Health
from comitia.telemetry.setup import setup
from comitia.testing import LocalLog, ManualClock
from comitia.testing.virtual_time import run_virtual
from comitia.topics import Names

M = TypeVar("M", bound=Message)


@dataclass
class World:
    clock: ManualClock = field(default_factory=ManualClock)
    names: Names = field(default_factory=Names)
    log: LocalLog = field(init=False)
    health: Health = field(default_factory=Health)
    processes: int = 0

    def __post_init__(self) -> None:
        self.log = LocalLog(self.clock)

    def runtime(self, service: str = "test", **changes: Any) -> Runtime:
        """A process of its own: name, codec, health and stop event are new."""
        self.processes += 1
        instance = f"{service}-{self.processes}"
        made = Runtime(
            service=service,
            instance=instance,
            names=self.names,
            log=self.log,
            clock=self.clock,
            codec=Codec(service, instance),
            telemetry=setup(service, instance, {}),
            health=Health(),
            stop=asyncio.Event(),
            observe=lambda _: None,
            commit_interval_ms=50,
        )
        return replace(made, **changes)

    async def create(self, *inboxes: str) -> None:
        await self.log.create(
            [*self.names.specs(), *(self.names.inbox_spec(agent) for agent in inboxes)]
        )

    async def write(
        self,
        topic: str,
        key: str,
        value: Message | bytes | None,
        partition: int | None = None,
        headers: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        """Append a record to a topic by its full name."""
        data = value.SerializeToString() if isinstance(value, Message) else value
        writer = await self.log.writer()
        await (await writer.send(Outgoing(topic, data, key.encode(), headers, partition)))

    def records(self, topic: str) -> list[Record]:
        """All records of a topic, partition by partition, as a read_committed reader sees them."""
        partitions = self.log.topic(topic).partitions
        return [r for p in partitions for r in p.read(0, 1_000_000, True)[0]]

    def messages(self, topic: str, message: type[M]) -> list[M]:
        return [message.FromString(record.value or b"") for record in self.records(topic)]

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        made = self.log._groups.get(group)
        found = made.committed.get(TopicPartition(topic, partition)) if made else None
        return None if found is None else found.offset


async def until(holds: Callable[[], bool], within_ms: int = 60_000) -> None:
    """Let (virtual) time pass until `holds()`."""
    for _ in range(within_ms // 5):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come about")


def simulate(world: World, story: Coroutine[Any, Any, None]) -> None:
    """Run a story on the world's virtual time."""
    run_virtual(story, world.clock)
