"""One lane of an agent's work: an inbox that is read, bounded, paused and committed by itself.

In come the records of one inbox topic; out come pieces of work in `waiting`, in their order, for
the workers to take. At its bounds the lane is paused, and resumed when there is room for half of
what may wait, whatever other lanes do. `Turns` deals the workers out among two lanes so that
neither starves.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from comitia.errors import Retryable
from comitia.ports import Partitions, Reader, ReaderSpec
from comitia.runtime.context import Runtime
from comitia.runtime.inboxes import Inboxes, Work
from comitia.runtime.membership import Membership
from comitia.runtime.reading import Commits, fetch
from comitia.runtime.retry import Backoff, Stopped, persist
from comitia.telemetry.measures import messaging
from comitia.telemetry.metrics import CONSUMED
from comitia.telemetry.names import Operation

_LOG = logging.getLogger("comitia.lane")
# Turns of the high lane for one of the normal lane, while work waits in both.
HIGH_TURNS = 4


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """`condition` names the lane in the health; `open_max` bounds what is taken and not finished,
    `waiting_max` what of it is not begun; `arrived` is called when there is work to be begun.
    """

    topic: str
    group: str
    condition: str
    open_max: int
    waiting_max: int
    arrived: Callable[[], None]


class Lane:
    """One inbox topic, read by one member of its group."""

    def __init__(self, runtime: Runtime, spec: LaneSpec) -> None:
        self.spec = spec
        self.waiting: deque[Work] = deque()
        self._runtime = runtime
        self._inboxes = Inboxes(spec.topic)
        self._open = 0
        self._room = asyncio.Event()
        self._paused = False
        # Partitions just given, of which the last commit has not been looked at.
        self._fresh: Partitions = frozenset()
        self._reader: Reader
        self._commits: Commits | None = None
        self._member = Membership(runtime, spec.group, (spec.topic,))
        runtime.health.set(spec.condition, "waiting for its partitions")

    async def open(self) -> None:
        """Join the group. Raises Stopped when the service stops before a broker is there."""
        spec = ReaderSpec(
            topics=(self.spec.topic,),
            group=self.spec.group,
            instance_id=self._runtime.member_id,
            # Work is safe to begin early: only answers to assignments that the log lists count.
            read_committed=False,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        )
        log = self._runtime.log
        self._reader = await persist(self._runtime, "broker", lambda: log.reader(spec))
        self._member.reads(self._reader)
        tracer = self._runtime.telemetry.tracer
        self._commits = Commits(self._reader, tracer, self.spec.group)

    async def close(self) -> None:
        await self._reader.close()

    async def read(self) -> None:
        """Read until `runtime.stop`."""
        reader, backoff = self._reader, Backoff(self._runtime.instance)
        while not self._runtime.stop.is_set():
            full = self._left <= 0
            if full and not await self._room_within(self._runtime.fetch_wait_ms):
                # Paused or not, fetching goes on: a member that does not poll is thrown out.
                self._paused = True
                reader.pause(reader.assignment())
            elif self._paused:
                self._paused = False
                reader.resume(reader.assignment())
            try:
                while self._fresh:
                    await self._recall()
            except Stopped:
                return
            room = max(self._left, 1)
            records = await fetch(self._runtime, reader, room, backoff, self._member)
            if records:
                self._runtime.dead_letter_limit.read(len(records))
                topic = messaging(self.spec.topic, Operation.POLL)
                self._runtime.telemetry.add(CONSUMED, len(records), topic)
                work = self._inboxes.take(records)
                self._open += len(work)
                self.waiting.extend(work)
            if self.waiting:
                self.spec.arrived()

    def begin(self, work: Work) -> None:
        """A piece of this lane's work does not wait any more."""
        work.begin()
        self._tell_room()

    def finish(self, work: Work) -> None:
        """Nothing is left to be done for a piece of this lane's work."""
        work.finish()
        self._leave(1)

    async def commit(self) -> None:
        """Commit what is finished, and what is finished out of order as the commit's metadata."""
        if self._commits is not None:
            await self._commits.commit(self._inboxes.positions())

    @property
    def unstarted(self) -> int:
        """Assignments not begun: not read, as far as is known, or waiting."""
        return self._member.lag + len(self.waiting)

    async def look(self) -> None:
        """Ask where the inbox ends: a lane that is paused, or busy with what it has fetched, is not
        told otherwise.
        """
        try:
            await self._reader.end_offsets(self._reader.assignment())
        except Retryable as error:
            _LOG.debug("the end of %s: %s", self.spec.topic, error)

    @property
    def _left(self) -> int:
        """How many assignments may be fetched."""
        return min(self.spec.open_max - self._open, self.spec.waiting_max - len(self.waiting))

    def _leave(self, count: int) -> None:
        self._open -= count
        self._tell_room()

    def _tell_room(self) -> None:
        # Not for each: a fetch should bring several.
        if 2 * self._left >= self.spec.waiting_max:
            self._room.set()

    async def _room_within(self, duration_ms: int) -> bool:
        """Wait until half of what may wait has room; whether it was in time."""
        self._room.clear()
        try:
            async with asyncio.timeout(duration_ms / 1000):
                await self._room.wait()
        except TimeoutError:
            return False
        return True

    async def _recall(self) -> None:
        """Learn from the last commit what is finished in partitions just given; then read them."""
        fresh, self._fresh = self._fresh, frozenset()
        for partition in fresh:
            ask = partial(self._reader.committed, partition)
            self._inboxes.recall(partition, await persist(self._runtime, "broker", ask))
        if not self._fresh and not self._paused:
            self._reader.resume(fresh)

    def _assigned(self, partitions: Partitions) -> None:
        self._member.assigned()
        self._inboxes.assigned(partitions)
        if self._commits is not None:
            self._commits.forget()
            # A rebalance forgets pauses; and nothing is read before the last commit was.
            self._reader.pause(partitions)
        self._fresh = partitions
        self._runtime.health.set(self.spec.condition, None)

    def _revoked(self, partitions: Partitions) -> None:
        self._inboxes.revoked(partitions)
        # What waits is read again by whoever is given its partition.
        kept = [work for work in self.waiting if work.inbox.held]
        dropped = len(self.waiting) - len(kept)
        self.waiting.clear()
        self.waiting.extend(kept)
        self._leave(dropped)


class Turns:
    """Takes work from two lanes: while it waits in both, HIGH_TURNS pieces of the high one for one
    of the normal one.
    """

    def __init__(self, normal: deque[Work], high: deque[Work]) -> None:
        self._normal = normal
        self._high = high
        self._in_a_row = 0

    def __len__(self) -> int:
        return len(self._normal) + len(self._high)

    def take(self) -> Work:
        """The next piece. IndexError when nothing waits."""
        if self._high and (not self._normal or self._in_a_row < HIGH_TURNS):
            self._in_a_row = self._in_a_row + 1 if self._normal else 0
            return self._high.popleft()
        self._in_a_row = 0
        return self._normal.popleft()
