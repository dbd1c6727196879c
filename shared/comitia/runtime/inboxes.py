"""What a worker process holds of its inbox: partitions, their offsets, and the work that has begun.

In come the partitions given and taken by the group, and records; out come pieces of work, and the
positions that may be committed. Work whose partition is taken away goes on; when the partition
comes back, it is recognised by its offset and not begun again.
"""

from dataclasses import dataclass, field

from comitia.effects import Recorded
from comitia.ports import Partitions, Record, TopicPartition
from comitia.runtime.delivery import Job, trace_of
from comitia.runtime.offsets import Offsets
from comitia.v1.assignment_pb2 import Assignment


@dataclass(slots=True, eq=False)
class Inbox:
    """One partition: its offsets, and the work of it that has begun, by offset."""

    offsets: Offsets = field(default_factory=Offsets)
    running: dict[int, "Work"] = field(default_factory=dict)
    held: bool = True


@dataclass(slots=True, eq=False)
class Work:
    """One assignment on its way. `recorded` is set once it could be read."""

    record: Record
    inbox: Inbox
    job: Job
    recorded: Recorded[Assignment] | None = None

    def begin(self) -> None:
        self.inbox.running[self.record.offset] = self

    def finish(self) -> None:
        """Nothing is left to be done for it, whether its partition is still held or not."""
        if self.job.span is not None:
            self.job.span.end()
        self.inbox.running.pop(self.record.offset, None)
        self.inbox.offsets.finish(self.record.offset)


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
            inbox = self._held[tp.partition] = Inbox()
            former = self._lost.pop(tp.partition, None)
            for offset, work in former.running.items() if former is not None else ():
                inbox.running[offset] = work
                work.inbox = inbox

    def revoked(self, partitions: Partitions) -> None:
        """Taken away: its unstarted work is to be dropped, what runs goes on."""
        for tp in partitions:
            inbox = self._held.pop(tp.partition, None)
            if inbox is not None:
                inbox.held = False
                self._lost[tp.partition] = inbox

    def take(self, record: Record) -> Work | None:
        """Work to be done; None when the partition is not held or the work is under way."""
        inbox = self._held.get(record.partition)
        if inbox is None:
            return None
        inbox.offsets.begin(record.offset)
        if record.offset in inbox.running:
            return None
        return Work(record, inbox, Job((), record, trace=trace_of(record)))

    def offsets(self) -> dict[TopicPartition, Offsets]:
        """For commits."""
        return {
            TopicPartition(self._topic, number): inbox.offsets
            for number, inbox in self._held.items()
        }
