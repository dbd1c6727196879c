"""LocalReader: one consumer of a LocalLog, with or without a group. Implements
comitia.ports.Reader.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from comitia.errors import ConfigError, Retryable
from comitia.ports import Committed, OnPartitions, Partitions, ReaderSpec, Record, TopicPartition
from comitia.testing.group import Group, Member

if TYPE_CHECKING:
    from comitia.testing.local_log import LocalLog

METADATA_BYTES_MAX = 4096


class LocalReader:
    """Made by LocalLog.reader()."""

    def __init__(self, log: "LocalLog", spec: ReaderSpec, name: str) -> None:
        self.spec = spec
        self.wake = asyncio.Event()
        # When a fetch that waits is to give up, by the clock's monotonic time.
        self.give_up_ms = math.inf
        self.group: Group | None = None
        self.member: Member | None = None
        self._log = log
        self._name = name
        self._assignment: Partitions = frozenset()
        self._positions: dict[TopicPartition, int] = {}
        # What a fetch, or a question, told last.
        self._ends: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._served: TopicPartition | None = None
        self._closed = False
        self._silent = False
        self._hook_error: Exception | None = None

    def start(self, group: Group | None, partitions: Partitions) -> None:
        """Take `partitions` for good, or join `group`: soon, so that who asked holds this reader
        before the first hook is called.
        """
        self.group = group
        if group is None:
            self._take(partitions)
            for partition in partitions:
                self._position(partition)
        else:
            asyncio.get_running_loop().call_soon(self._join_unless_closed, group)

    async def fetch(self, records_max: int, timeout_ms: int) -> Sequence[Record]:
        self.give_up_ms = self._log.clock.monotonic_ms() + timeout_ms
        self._silent = False
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(timeout_ms / 1000 if timeout_ms > 0 else None):
                while True:
                    self.wake.clear()
                    # One that fell silent while it waited is not served any more.
                    found = [] if self._silent else self._poll(records_max)
                    now_ms = self._log.clock.monotonic_ms()
                    if found or timeout_ms <= 0 or now_ms >= self.give_up_ms:
                        return found
                    await self.wake.wait()
        except TimeoutError:
            return ()
        finally:
            self.give_up_ms = math.inf

    def assignment(self) -> Partitions:
        return self._assignment

    def pause(self, partitions: Partitions) -> None:
        self._paused |= partitions & self._assignment

    def resume(self, partitions: Partitions) -> None:
        self._paused -= partitions
        self.wake.set()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._own(partition)
        self._positions[partition] = offset
        self.wake.set()

    async def position(self, partition: TopicPartition) -> int:
        self._log.check("position", partition.topic)
        self._own(partition)
        return self._position(partition)

    async def end_offsets(self, partitions: Partitions) -> Mapping[TopicPartition, int]:
        self._log.check("end_offsets", "")
        ends = {tp: self._log.partition(tp).end(self.spec.read_committed) for tp in partitions}
        self._ends |= ends
        return ends

    def lag(self) -> Mapping[TopicPartition, int]:
        told = ((tp, self._ends[tp]) for tp in self._assignment if tp in self._ends)
        return {tp: max(0, end - self._position(tp)) for tp, end in told}

    async def offsets_at(
        self, partitions: Partitions, timestamp_ms: int
    ) -> Mapping[TopicPartition, int]:
        self._log.check("offsets_at", "")
        return {
            tp: self._log.partition(tp).offset_at(timestamp_ms, self.spec.read_committed)
            for tp in partitions
        }

    async def committed(self, partition: TopicPartition) -> Committed | None:
        group = self._group()
        self._log.check("committed", self.spec.group or "")
        return group.committed.get(partition)

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        group = self._group()
        self._log.check("commit", self.spec.group or "")
        if self.member is None:
            raise Retryable("commit refused: this reader has not joined its group yet")
        for position in offsets.values():
            size = len(position.metadata.encode())
            if size > METADATA_BYTES_MAX:
                raise ConfigError(
                    f"commit metadata of {size} bytes: the broker takes up to {METADATA_BYTES_MAX}"
                    " (offset.metadata.max.bytes)"
                )
        group.commit(self.member, offsets)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._log.forget(self)
        if self.group is None or self.member is None:
            return
        if self.member.static:
            # As on a broker: a static member does not say goodbye, so that its restart moves
            # nothing.
            self.fall_silent()
        else:
            self.group.leave(self.member)

    def fall_silent(self) -> None:
        """Send no heartbeats from now on; one that is about to join sends none either."""
        self._silent = True
        if self.member is not None and self.member.silent_since_ms is None:
            self.member.silent_since_ms = self._log.clock.now_ms()

    def _poll(self, records_max: int) -> list[Record]:
        self._log.check("fetch", self._name)
        if self._closed:
            raise Retryable("this reader is closed")
        if self._hook_error is not None:
            error, self._hook_error = self._hook_error, None
            raise error
        self._heartbeat()
        found: list[Record] = []
        for partition in self._turns():
            position, log = self._position(partition), self._log.partition(partition)
            self._ends[partition] = log.end(self.spec.read_committed)
            records, self._positions[partition] = log.read(
                position, records_max - len(found), self.spec.read_committed
            )
            found += records
            if records:
                self._served = partition
            if len(found) >= records_max:
                break
        return found

    def _heartbeat(self) -> None:
        """Be a member again: after silence there may be another assignment or no membership."""
        group, member = self.group, self.member
        if group is None or member is None:
            return
        member.silent_since_ms = None
        if group.replaced(member):
            raise Retryable(f"another reader took over the membership {member.name}: end this one")
        if not group.has(member):
            self._revoked()
            self._join(group)
        elif member.generation != group.generation:
            self._revoked()
            group.tell(member)

    def _turns(self) -> list[TopicPartition]:
        """Partitions to serve, beginning after the one served last, so that none starves."""
        ready = sorted(self._assignment - self._paused)
        last = self._served
        if last is None:
            return ready
        return [tp for tp in ready if tp > last] + [tp for tp in ready if tp <= last]

    def _join_unless_closed(self, group: Group) -> None:
        if not self._closed:
            self._join(group)

    def _join(self, group: Group) -> None:
        spec = self.spec
        name, static = spec.instance_id or self._name, spec.instance_id is not None
        self.member = Member(name, static, spec.topics, self._assigned, self._revoked)
        if self._silent:
            self.member.silent_since_ms = self._log.clock.now_ms()
        group.join(self.member)

    def _take(self, partitions: Partitions) -> None:
        self._assignment = partitions
        self._positions, self._ends = {}, {}
        self._paused = set()
        self.wake.set()

    def _assigned(self, partitions: Partitions) -> None:
        self._take(partitions)
        self._call(self.spec.on_assigned, partitions)

    def _revoked(self) -> None:
        lost, self._assignment = self._assignment, frozenset()
        if lost:
            self._call(self.spec.on_revoked, lost)

    def _call(self, hook: OnPartitions | None, partitions: Partitions) -> None:
        """A hook that raises fails the next fetch, not the rebalance of the others."""
        if hook is None:
            return
        try:
            hook(partitions)
        except Exception as error:  # noqa: BLE001 - kept, and raised by fetch
            self._hook_error = error

    def _own(self, partition: TopicPartition) -> None:
        if partition not in self._assignment:
            raise Retryable(f"{partition.topic}[{partition.partition}] is not this reader's now")

    def _position(self, partition: TopicPartition) -> int:
        """Where to read on. Out of range, as with nothing committed, is `start` again."""
        log = self._log.partition(partition)
        position = self._positions.get(partition)
        if position is None and self.group is not None:
            committed = self.group.committed.get(partition)
            position = committed.offset if committed is not None else None
        if position is None or not 0 <= position <= log.high_watermark:
            position = 0 if self.spec.start == "earliest" else log.end(self.spec.read_committed)
        self._positions[partition] = position
        return position

    def _group(self) -> Group:
        if self.group is None:
            raise ConfigError("a reader without a group has no committed positions: name a group")
        return self.group
