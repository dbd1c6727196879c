"""Taking a partition over: which of its tasks are decided, and where its fold begins.

In come the committed position and its metadata; out come the decided tasks, read from `decisions`
to the end asked for, and the first offset to fold.
"""

import logging
from typing import Protocol

from comitia.errors import Poison
from comitia.ports import Committed, Reader, ReaderSpec, TopicPartition
from comitia.runtime.context import Runtime
from comitia.runtime.partition_state import PartitionState
from comitia.v1.decision_pb2 import Decision

_LOG = logging.getLogger("comitia.owner")
_FETCH_MAX = 2_000


class Window(Protocol):
    """How long decided tasks are remembered."""

    @property
    def duplicate_window_ms(self) -> int: ...


async def recall(
    runtime: Runtime,
    state: PartitionState,
    partition: int,
    committed: Committed | None,
    window: Window,
) -> None:
    """Read `decisions` of the same partition into `state`. Retryable when the broker is away.

    It begins where the former owner said in the metadata of its commit, else at the beginning of
    the duplicate window.
    """
    tp = TopicPartition(runtime.names.topic("decisions"), partition)
    reader = await runtime.log.reader(ReaderSpec(partitions=(tp,)))
    try:
        here = frozenset({tp})
        if committed is not None and committed.metadata.isdecimal():
            start = int(committed.metadata)
        else:
            since_ms = runtime.clock.now_ms() - window.duplicate_window_ms
            start = (await reader.offsets_at(here, since_ms))[tp]
        reader.seek(tp, start)
        end = (await reader.end_offsets(here))[tp]
        while await reader.position(tp) < end:
            for record in await reader.fetch(_FETCH_MAX, runtime.fetch_wait_ms):
                try:
                    state.recall(runtime.codec.decode(Decision, record))
                except Poison as poison:
                    _LOG.warning("%s[%d] offset %d: %s", tp.topic, partition, record.offset, poison)
        state.decisions_next = end
    finally:
        await reader.close()


async def start_of(reader: Reader, tp: TopicPartition, committed: Committed | None) -> int:
    """The committed low-water mark, else the beginning of the partition."""
    if committed is not None:
        return committed.offset
    return (await reader.offsets_at(frozenset({tp}), 0))[tp]
