"""The network between one simulated process and the log: delays, losses, silence and death.

In come requests; out they go later, never, or with their answer lost, as the weather and chance
have it. A frozen process gets no further than its next call and sends no heartbeats; a dead one
never calls again and says no goodbye; what either had sent arrives all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from comitia.errors import Retryable
from comitia.ports import (
    Committed,
    TopicPartition,
)
from comitia.testing import LocalLog
from comitia.testing.partition import Transaction
from comitia.testing.reader import LocalReader

T = TypeVar("T")
# Who did what: process, operation, subject, what came of it.
Tell = Callable[[str, str, str, str], None]
# Requests on their way.
Going = set["asyncio.Future[Any]"]
# Calls in which a process dies that is armed.
_ARMED = ("append", "commit_transaction", "writer")
OnCommit = Callable[[str, TopicPartition, Committed], None]


@dataclass(slots=True)
class Weather:
    """What the network does to every call of every process. Shares are of 1."""

    chance: Random
    slow: float = 0.0
    slow_ms: int = 40
    lost: float = 0.0
    outage: bool = False
    # Transactions that are committed for good while their markers are still being written, by id.
    settling: dict[str, "asyncio.Future[None]"] = field(default_factory=dict)
    prepared: set[Transaction] = field(default_factory=set)

    async def settled(self, transactional_id: str) -> None:
        """Wait until the last transaction of this id has its markers."""
        while (settling := self.settling.get(transactional_id)) and not settling.done():
            await asyncio.wait({settling})

    def heal(self) -> None:
        self.slow = self.lost = 0.0
        self.outage = False


@dataclass(eq=False)
class Network:
    """One process's way to the log."""

    log: LocalLog
    name: str
    weather: Weather
    tell: Tell
    on_commit: OnCommit
    dead: bool = False
    thawed: asyncio.Event = field(default_factory=asyncio.Event)
    readers: list[LocalReader] = field(default_factory=list)
    # What is called when an armed process has died in a call; None: not armed.
    armed: Callable[[], None] | None = None
    # Set while fetches get through; cleared, the process is as one whose consumer is cut off.
    hears: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.thawed.set()
        self.hears.set()

    def deafen(self) -> None:
        """Fetches and heartbeats do not get through, all else does, until `hears` is set."""
        self.hears.clear()
        for reader in self.readers:
            self.log.silence(reader)

    def freeze(self) -> None:
        """No call returns any more, no heartbeat is sent, until `thaw`."""
        self.thawed.clear()
        for reader in self.readers:
            self.log.silence(reader)

    def thaw(self) -> None:
        self.thawed.set()

    def die(self) -> None:
        self.dead = True
        self.freeze()

    async def call(
        self, operation: str, subject: str, act: Callable[[], Awaitable[T]], *, sure: bool = False
    ) -> T:
        """One request and its answer. `sure`: the answer is not lost where the request was not."""
        await self._thawed()
        result = await self._request(operation, subject, act)
        return await self._answer(operation, subject, result, sure)

    async def travel(
        self, operation: str, subject: str, act: Callable[[], Awaitable[T]], going: Going
    ) -> T:
        """A call whose request goes on when its sender is cancelled, frozen or dead meanwhile: it
        is in the network. `going` holds it until it has arrived.
        """
        await self._thawed()
        task = asyncio.ensure_future(self._request(operation, subject, act))
        going.add(task)
        task.add_done_callback(going.discard)
        task.add_done_callback(_look)
        return await self._answer(operation, subject, await asyncio.shield(task), False)

    async def _answer(self, operation: str, subject: str, result: T, sure: bool) -> T:
        await self._die_if_armed(operation, subject, "before its answer came")
        if not sure and self._lost():
            self.tell(self.name, operation, subject, "done, and its answer lost")
            await asyncio.sleep(0.05)
            raise Retryable(f"{operation}: the answer was lost")
        await self._thawed()
        return result

    async def _die_if_armed(self, operation: str, subject: str, when: str) -> None:
        if self.armed is None or operation not in _ARMED or self.weather.chance.random() < 0.5:
            return
        died, self.armed = self.armed, None
        self.tell(self.name, operation, subject, f"dies {when}")
        self.die()
        died()
        await self._thawed()

    async def _request(self, operation: str, subject: str, act: Callable[[], Awaitable[T]]) -> T:
        weather = self.weather
        if weather.slow and weather.chance.random() < weather.slow:
            await asyncio.sleep(weather.chance.randrange(1, weather.slow_ms) / 1000)
        if weather.outage:
            await asyncio.sleep(0.05)
            raise Retryable(f"{operation}: the broker is away")
        if self._lost():
            self.tell(self.name, operation, subject, "lost on its way")
            await asyncio.sleep(0.05)
            raise Retryable(f"{operation}: the request was lost")
        await self._die_if_armed(operation, subject, "before it came")
        return await act()

    def _lost(self) -> bool:
        return self.weather.lost > 0 and self.weather.chance.random() < self.weather.lost

    async def _thawed(self) -> None:
        while self.dead or not self.thawed.is_set():
            if self.dead:
                await asyncio.Future()  # until it is cancelled
            await self.thawed.wait()


def _look(arrived: "asyncio.Future[Any]") -> None:
    """Look at the error of a request whose sender is gone, so that nobody misses it."""
    if not arrived.cancelled():
        arrived.exception()
