"""Which partition a key belongs to: murmur2 modulo the partition count, as Apache Kafka's Java
client decides it.

Every writer of a keyed record and the router's rule "one partition per task" must agree on it,
whatever the client library. Source: org.apache.kafka.common.utils.Utils.murmur2 and
org.apache.kafka.clients.producer.internals.BuiltInPartitioner (MurmurHash2 by Austin Appleby,
public domain, seed 0x9747b28c).
"""

import struct
from functools import lru_cache

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_ROTATION = 24
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """32-bit MurmurHash2 of `data`, unsigned (Java prints the same bits signed)."""
    length = len(data)
    digest = _SEED ^ length
    whole = length & ~3
    for word in struct.unpack(f"<{length // 4}I", data[:whole]):
        word = word * _MULTIPLIER & _MASK
        word = (word ^ word >> _ROTATION) * _MULTIPLIER & _MASK
        digest = (digest * _MULTIPLIER & _MASK) ^ word
    if whole < length:
        digest = (digest ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    digest = (digest ^ digest >> 13) * _MULTIPLIER & _MASK
    return digest ^ digest >> 15


def partition_of(key: bytes | str, count: int) -> int:
    """Partition of `key` (text is taken as UTF-8) among `count` >= 1 partitions: 0 to count - 1."""
    return _partition_of(key.encode() if isinstance(key, str) else key, count)


# A task's records follow one another: its key is hashed once for all of them.
@lru_cache(maxsize=4096)
def _partition_of(data: bytes, count: int) -> int:
    return (murmur2(data) & 0x7FFFFFFF) % count
