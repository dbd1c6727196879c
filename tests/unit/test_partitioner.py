"""A key's partition is the one that Apache Kafka's Java client chooses."""

from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from comitia.runtime.partitioner import murmur2, partition_of

# UtilsTest.testMurmur2 of Apache Kafka; Java prints 32 bits as a signed number.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


def test_murmur2_equals_the_java_clients() -> None:
    assert {key: murmur2(key) for key in JAVA} == {k: v % 2**32 for k, v in JAVA.items()}


def test_partitions_equal_the_java_clients() -> None:
    # toPositive(murmur2(key)) % partitions: the sign bit is dropped, the number is not negated.
    assert partition_of(b"foobar", 5) == (-790332482 & 0x7FFFFFFF) % 5 == 1
    assert partition_of(b"abc", 4) == 479470107 % 4 == 3


@given(st.binary(max_size=64))
def test_murmur2_equals_the_producers_own(key: bytes) -> None:
    assert murmur2(key) == reference(key) % 2**32


@given(st.text(max_size=32), st.integers(1, 1_000))
def test_text_counts_as_utf8_and_partitions_stay_in_range(key: str, count: int) -> None:
    partition = partition_of(key, count)
    assert partition == partition_of(key.encode(), count)
    assert 0 <= partition < count
