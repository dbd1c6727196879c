"""Offset commits as the group coordinator keeps them in `__consumer_offsets`.

Bytes of a record in, an OffsetCommit out; None for what is no commit of an offset (group metadata,
tombstones). The layouts are those of Kafka's schemas OffsetCommitKey (versions 0 and 1) and
OffsetCommitValue (versions 0 to 4).
"""

import struct

from tests.chaos.checker.evidence import OffsetCommit

_FLEXIBLE = 4
_WITH_EPOCH = 3


def decode(key: bytes | None, value: bytes | None) -> OffsetCommit | None:
    """ValueError when the value has a version that is not known."""
    if not key or not value or struct.unpack_from(">h", key)[0] not in (0, 1):
        return None
    group, at = _text(key, 2)
    topic, at = _text(key, at)
    (partition,) = struct.unpack_from(">i", key, at)
    version, offset = struct.unpack_from(">hq", value)
    at = 10
    if version > _FLEXIBLE:
        raise ValueError(f"offset commit of version {version}: known are 0 to {_FLEXIBLE}")
    if version >= _WITH_EPOCH:
        at += 4
    metadata, at = _compact(value, at) if version == _FLEXIBLE else _text(value, at)
    (at_ms,) = struct.unpack_from(">q", value, at)
    return OffsetCommit(group, topic, partition, offset, metadata, at_ms)


def _text(data: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">h", data, at)
    end = at + 2 + max(0, length)
    return data[at + 2 : end].decode(), end


def _compact(data: bytes, at: int) -> tuple[str, int]:
    length = shift = 0
    while True:
        byte = data[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    end = at + max(0, length - 1)
    return data[at:end].decode(), end
