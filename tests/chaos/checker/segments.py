"""The brokers' own files: what client libraries hide, control records and whether a batch belongs
to a transaction.

Data directories in; counts per partition out, each partition as its fullest replica has it. Record
batches of version 2 as Kafka's documentation lays them out: attribute bit 4 says transactional, bit
5 control; a control record's key is two int16, version and type, 0 for ABORT and 1 for COMMIT.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.checker.wire import zigzag

# baseOffset, batchLength, partitionLeaderEpoch, magic, crc, attributes
_HEAD = struct.Struct(">qiibIh")
# baseOffset and batchLength are not counted in batchLength.
_UNCOUNTED_BYTES = 12
_RECORDS_AT = 61
_MAGIC = 2
TRANSACTIONAL, CONTROL = 1 << 4, 1 << 5
ABORT, COMMIT = 0, 1


@dataclass(slots=True)
class Markers:
    """Of one partition: control records by type, and data batches outside any transaction."""

    aborts: int = 0
    commits: int = 0
    plain: int = 0


def markers(folders: Iterable[Path], topic: str) -> dict[int, Markers]:
    """Partition of `topic` -> its markers. FileNotFoundError when a folder is not there."""
    found: dict[int, Markers] = {}
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is no data directory of a broker")
        for place in folder.glob(f"{topic}-*"):
            number = place.name[len(topic) + 1 :]
            if number.isdecimal():
                here = _of_replica(place)
                best = found.setdefault(int(number), Markers())
                best.aborts = max(best.aborts, here.aborts)
                best.commits = max(best.commits, here.commits)
                best.plain = max(best.plain, here.plain)
    return found


def _of_replica(place: Path) -> Markers:
    found = Markers()
    for segment in sorted(place.glob("*.log")):
        for attributes, batch in batches(segment.read_bytes()):
            if not attributes & CONTROL:
                found.plain += not attributes & TRANSACTIONAL
            elif (kind := _control_type(batch)) == ABORT:
                found.aborts += 1
            elif kind == COMMIT:
                found.commits += 1
    return found


def batches(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Attributes and bytes of every whole batch; a torn or zeroed end is left out."""
    at = 0
    while at + _RECORDS_AT <= len(data):
        _, length, _, magic, _, attributes = _HEAD.unpack_from(data, at)
        end = at + _UNCOUNTED_BYTES + length
        if length <= 0 or end > len(data) or magic != _MAGIC:
            return
        yield attributes, data[at:end]
        at = end


def _control_type(batch: bytes) -> int:
    """Of its only record: length, attributes, two deltas, then the key."""
    at = _RECORDS_AT
    _, at = zigzag(batch, at)
    at += 1
    for _ in range(3):
        _, at = zigzag(batch, at)
    kind: int = struct.unpack_from(">hh", batch, at)[1]
    return kind
