"""What the checker decodes itself: offset commits, control markers in segment files, Confluent's
frame, murmur2; against bytes written by hand from Kafka's own descriptions.
"""

import struct
from pathlib import Path

import pytest

from comitia.runtime import partitioner
from tests.chaos.checker.evidence import OffsetCommit
from tests.chaos.checker.offsets import decode
from tests.chaos.checker.partitions import partition_of
from tests.chaos.checker.segments import ABORT, COMMIT, Markers, markers
from tests.chaos.checker.wire import messages, unframed

TOPIC = "comitia.decisions.v1"


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


KEY = struct.pack(">h", 1) + text("group") + text("topic") + struct.pack(">i", 3)


@pytest.mark.parametrize(
    "value",
    [
        struct.pack(">hq", 1, 42) + text("17") + struct.pack(">qq", 99, 100),
        struct.pack(">hq", 2, 42) + text("17") + struct.pack(">q", 99),
        struct.pack(">hqi", 3, 42, -1) + text("17") + struct.pack(">q", 99),
        struct.pack(">hqi", 4, 42, -1) + b"\x0317" + struct.pack(">q", 99) + b"\x00",
    ],
    ids=["1", "2", "3", "4"],
)
def test_offset_commits_of_every_version(value: bytes) -> None:
    assert decode(KEY, value) == OffsetCommit("group", "topic", 3, 42, "17", 99)


def test_what_is_no_offset_commit_is_passed_over() -> None:
    assert decode(KEY, None) is None
    assert decode(struct.pack(">h", 2) + text("group"), b"metadata of a group") is None
    with pytest.raises(ValueError, match="version 9"):
        decode(KEY, struct.pack(">hq", 9, 42))


def batch(attributes: int, records: bytes) -> bytes:
    """A record batch of version 2 around one record."""
    rest = struct.pack(">ibIhiqqqhii", 0, 2, 0, attributes, 0, 0, 0, 7, 0, -1, 1) + records
    return struct.pack(">qi", 0, len(rest)) + rest


def control(kind: int) -> bytes:
    """Length, attributes, deltas, key length, key (version and type), value length, headers."""
    body = b"\x00\x00\x00\x08" + struct.pack(">hh", 0, kind) + b"\x0c" + b"\x00" * 6 + b"\x00"
    return batch(0x30, bytes([2 * len(body)]) + body)


def test_markers_are_counted_once_whatever_the_replicas(tmp_path: Path) -> None:
    data, plain = batch(0x10, b"\x00" * 10), batch(0x00, b"\x00" * 10)
    whole = data + control(ABORT) + data + control(COMMIT) + plain
    for node, content in enumerate((whole, whole, data + control(ABORT))):
        place = tmp_path / str(node) / f"{TOPIC}-1"
        place.mkdir(parents=True)
        (place / "00000000000000000000.log").write_bytes(content + b"\x00" * 200)
        (tmp_path / str(node) / f"{TOPIC}-high-1").mkdir()
    torn = tmp_path / "2" / f"{TOPIC}-0"
    torn.mkdir()
    (torn / "00000000000000000000.log").write_bytes(control(COMMIT) + whole[:70])
    found = markers([tmp_path / str(node) for node in range(3)], TOPIC)
    assert found == {0: Markers(0, 1, 0), 1: Markers(1, 1, 1)}


def test_a_folder_that_is_not_there_is_no_proof(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        markers([tmp_path / "none"], TOPIC)


def test_confluents_frame_is_taken_off() -> None:
    task = messages().kind("Task")(id="t")
    bare = task.SerializeToString()
    frame = b"\x00\x00\x00\x00\x07"
    for indexes in (b"\x00", b"\x02\x00", b"\x04\x02\x04"):
        assert unframed(frame + indexes + bare) == bare
    assert unframed(bare) == bare
    assert unframed(frame[:4]) is None and unframed(frame + b"\x02") is None
    assert messages().parse("Task", frame + b"\x00" + bare) == task
    assert messages().parse("Task", b"\xff") is None


def test_partitions_are_kafkas() -> None:
    for key in ("", "a", "ab", "abc", "t-1", "a longer key, of some words", "é"):
        assert partition_of(key.encode(), 7) == partitioner.partition_of(key, 7)
