"""Which partition a task belongs to: murmur2 of its root's id, else its own, modulo the count.

Written from the public description of MurmurHash2 as Kafka's Java client uses it (seed 0x9747b28c).
"""

import struct

_SEED, _FACTOR, _BITS = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Partition of `key`, from 0 to `partitions` - 1."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(key: bytes) -> int:
    words, rest = divmod(len(key), 4)
    state = _SEED ^ len(key)
    for (word,) in struct.iter_unpack("<I", key[: 4 * words]):
        mixed = word * _FACTOR & _BITS
        mixed = (mixed ^ (mixed >> 24)) * _FACTOR & _BITS
        state = (state * _FACTOR & _BITS) ^ mixed
    if rest:
        state ^= int.from_bytes(key[4 * words :], "little")
        state = state * _FACTOR & _BITS
    state = (state ^ (state >> 13)) * _FACTOR & _BITS
    return state ^ (state >> 15)
