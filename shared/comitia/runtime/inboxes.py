"""What a worker process holds of one inbox: partitions, their offsets, and the work that has begun.

In come the partitions given and taken by the group, and records; out come pieces of work, and the
positions that may be committed, which tell what was finished above them. Work whose partition is
taken away goes on; when the partition comes back, what runs or was finished is recognised by its
offset and not begun again.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from comitia.effects import Recorded
from comitia.ports import Committed, Partitions, Record, TopicPartition
from comitia.runtime.delivery import Job, trace_of
from comitia.runtime.finished import from_text, to_text
from comitia.runtime.offsets import Offsets
from comitia.v1.assignment_pb2 import Assignment


@dataclass(slots=True, eq=False)
class Work:
    """One assignment on its way.

    `recorded` is set once it could be read; `runner` while it is answered; `stopped` when nobody
    waits for its answer any more. `begun_ms`: when work on it began,
    by the monotonic clock. `read`: its record was read in the present holding of `inbox`.
    """

    record: Record
    inbox: "Inbox"
    job: Job
    recorded: Recorded[Assignment] | None = None
    runner: "asyncio.Task[None] | None" = None
    stopped: bool = False
    read: bool = True
    begun_ms: float = 0.0

    def begin(self) -> None:
        self.inbox.running[self.record.offset] = self

    def finish(self) -> None:
        """Nothing is left to be done for it, whether its partition is still held or not."""
        if self.job.span is not None:
            self.job.span.end()
        inbox, offset = self.inbox, self.record.offset
        if inbox.running.get(offset) is self:
            del inbox.running[offset]
        if self.read:
            inbox.offsets.finish(offset)
        else:
            inbox.finished.add(offset)


@dataclass(slots=True, eq=False)
class Inbox:
    """One partition while it is held.

    `running`: work that has begun, by offset, also in a former holding. `finished` and `before`:
    offsets that were finished in a former holding and may be read again; `known_ms`: append time of
    the last record read then. Records that are younger are others, of an inbox that was made anew.
    `told`: offsets that the group's last commit says are finished. `first`: the first offset read;
    `latest_ms`: the last append time.
    """

    offsets: Offsets = field(default_factory=Offsets)
    running: dict[int, Work] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)
    before: range = range(0)
    known_ms: int = -1
    told: set[int] = field(default_factory=set)
    first: int | None = None
    latest_ms: int = -1
    held: bool = True

    def successor(self) -> "Inbox":
        """The same partition, held again: its work is adopted, its knowledge kept."""
        low = self.offsets.low_water
        known = self.finished | self.offsets.finished
        before = self.before if low is None or self.first is None else range(self.first, low)
        latest_ms = max(self.latest_ms, self.known_ms)
        inbox = Inbox(running=self.running, finished=known, before=before, known_ms=latest_ms)
        for work in self.running.values():
            work.inbox, work.read = inbox, False
        return inbox

    @property
    def position(self) -> Committed | None:
        """What may be committed; None before anything was read."""
        low = self.offsets.low_water
        if low is None:
            return None
        return Committed(low, to_text(low, self.offsets.finished | self.finished | self.told))

    def take(self, record: Record) -> Work | None:
        """Work, unless it runs or is finished already."""
        offset = record.offset
        if self.first is None:
            self.first = offset
        self.latest_ms = max(self.latest_ms, record.timestamp_ms)
        self.offsets.begin(offset)
        running = self.running.get(offset)
        if running is not None and running.record.timestamp_ms == record.timestamp_ms:
            running.read = True
            return None
        known = record.timestamp_ms <= self.known_ms
        if offset in self.told or (known and (offset in self.finished or offset in self.before)):
            self.told.discard(offset)
            self.finished.discard(offset)
            self.offsets.finish(offset)
            return None
        return Work(record, self, Job((), record, trace=trace_of(record)))


class Inboxes:
    """The partitions of one topic, by number."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._held: dict[int, Inbox] = {}
        self._lost: dict[int, Inbox] = {}

    def assigned(self, partitions: Partitions) -> None:
        """All that is held from now on."""
        self._held = {}
        for tp in partitions:
            former = self._lost.pop(tp.partition, None)
            self._held[tp.partition] = Inbox() if former is None else former.successor()

    def revoked(self, partitions: Partitions) -> None:
        """Taken away: its unstarted work is to be dropped, what runs goes on."""
        for tp in partitions:
            inbox = self._held.pop(tp.partition, None)
            if inbox is not None:
                inbox.held = False
                self._lost[tp.partition] = inbox

    def recall(self, partition: TopicPartition, committed: Committed | None) -> None:
        """What the group's last commit tells: offsets above it that need not be worked on."""
        inbox = self._held.get(partition.partition)
        if inbox is not None and committed is not None:
            inbox.told |= from_text(committed.offset, committed.metadata)

    def take(self, records: Iterable[Record]) -> list[Work]:
        """The work to be done among records just read: not what runs or is finished, nor what is of
        a partition that is not held.
        """
        taken = []
        for record in records:
            inbox = self._held.get(record.partition)
            work = inbox.take(record) if inbox is not None else None
            if work is not None:
                taken.append(work)
        return taken

    def positions(self) -> dict[TopicPartition, Committed | None]:
        """What may be committed of each partition that is held."""
        return {
            TopicPartition(self._topic, number): inbox.position
            for number, inbox in self._held.items()
        }
