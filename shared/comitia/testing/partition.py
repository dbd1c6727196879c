"""One partition of LocalLog: records, control records and transactions in append order, read as
Apache Kafka lets them be read.

Offsets are dense, and the marker that ends a transaction takes one, so that committed readers see
the same gaps as on a broker. In come appends and ends of transactions; out come records up to the
high watermark or the last stable offset.
"""

from dataclasses import dataclass, field
from typing import Literal

from comitia.ports import Record


@dataclass(eq=False, slots=True)
class Transaction:
    """A producer's transaction over any number of partitions. `begun_ms`: the clock at its first
    record.
    """

    begun_ms: int
    state: Literal["open", "committed", "aborted"] = "open"
    partitions: dict["Partition", int] = field(default_factory=dict)
    """Partitions written to, and the offset of the first record there."""

    def end(self, state: Literal["committed", "aborted"], now_ms: int) -> None:
        """Write the marker to each partition; nothing to do when it has ended already."""
        if self.state != "open":
            return
        self.state = state
        for partition in self.partitions:
            partition.append_marker(self, now_ms)


@dataclass(slots=True)
class _Entry:
    timestamp_ms: int
    record: Record | None
    transaction: Transaction | None

    def visible(self, read_committed: bool) -> bool:
        if self.record is None:
            return False
        hidden = self.transaction is not None and self.transaction.state != "committed"
        return not (read_committed and hidden)


class Partition:
    """Entries of one partition. Topic and number only name the records. `first`: the offset where
    the log begins, above 0 once records were removed.
    """

    def __init__(self, topic: str, number: int) -> None:
        self.topic = topic
        self.number = number
        self.first = 0
        self._entries: list[_Entry] = []
        self._open: dict[Transaction, int] = {}

    @property
    def high_watermark(self) -> int:
        return len(self._entries)

    @property
    def last_stable(self) -> int:
        """First offset of the oldest open transaction, else the high watermark."""
        return min(self._open.values(), default=self.high_watermark)

    def end(self, read_committed: bool) -> int:
        return self.last_stable if read_committed else self.high_watermark

    def append(
        self,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: tuple[tuple[str, bytes], ...],
        transaction: Transaction | None = None,
    ) -> int:
        """Append a record and return its offset."""
        offset = self.high_watermark
        record = Record(self.topic, self.number, offset, timestamp_ms, key, value, headers)
        self._entries.append(_Entry(timestamp_ms, record, transaction))
        if transaction is not None and self not in transaction.partitions:
            transaction.partitions[self] = self._open[transaction] = offset
        return offset

    def append_marker(self, transaction: Transaction, now_ms: int) -> None:
        """Append the control record that ends `transaction` here."""
        del self._open[transaction]
        self._entries.append(_Entry(now_ms, None, transaction))

    def trim(self, first: int) -> None:
        """Remove what stands before the offset `first`, as retention does."""
        self.first = max(self.first, min(first, self.high_watermark))

    def read(self, offset: int, records_max: int, read_committed: bool) -> tuple[list[Record], int]:
        """Up to `records_max` visible records from `offset` on, and the next offset to read."""
        found: list[Record] = []
        end = self.end(read_committed)
        offset = max(offset, self.first)
        while offset < end and len(found) < records_max:
            entry = self._entries[offset]
            if entry.record is not None and entry.visible(read_committed):
                found.append(entry.record)
            offset += 1
        while offset < end and not self._entries[offset].visible(read_committed):
            offset += 1
        return found, offset

    def offset_at(self, timestamp_ms: int, read_committed: bool) -> int:
        """First offset whose timestamp is at or after `timestamp_ms`, else the end."""
        end = self.end(read_committed)
        for offset in range(self.first, end):
            if self._entries[offset].timestamp_ms >= timestamp_ms:
                return offset
        return end
