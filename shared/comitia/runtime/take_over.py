"""Taking a partition over: which of its tasks are decided, and where its fold begins.

In come the committed position and its metadata; out come the decided tasks, read from `decisions`
to its end, the first offset to fold and the end to fold to.
"""

import logging
from typing import Protocol

from comitia.errors import Poison
from comitia.ports import Committed, Reader, ReaderSpec, TopicPartition
from comitia.runtime.context import Runtime
from comitia.runtime.held import Held
from comitia.v1.decision_pb2 import Decision

_LOG = logging.getLogger("comitia.owner")
_FETCH_MAX = 2_000


class Window(Protocol):
    """How long decided tasks are remembered."""

    @property
    def duplicate_window_ms(self) -> int: ...


async def recall(runtime: Runtime, reader: Reader, held: Held, window: Window) -> None:
    """Make `held` ready to fold: its decided tasks, `state.next` and `end`.

    `decisions` is read from where the former owner said in the metadata of its commit, else from
    the beginning of the duplicate window. The end of the events is asked for last. Retryable when
    the broker is away.
    """
    committed = await reader.committed(held.tp)
    await _decisions(runtime, held, committed, window)
    here = frozenset({held.tp})
    if committed is not None:
        held.state.next = committed.offset
    else:
        held.state.next = (await reader.offsets_at(here, 0))[held.tp]
    held.end = (await reader.end_offsets(here))[held.tp]


async def _decisions(
    runtime: Runtime, held: Held, committed: Committed | None, window: Window
) -> None:
    tp = TopicPartition(runtime.names.topic("decisions"), held.tp.partition)
    here = frozenset({tp})
    reader = await runtime.log.reader(ReaderSpec(partitions=(tp,)))
    try:
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
                    held.state.recall(runtime.codec.decode(Decision, record))
                except Poison as poison:
                    _LOG.warning(
                        "%s[%d] offset %d: %s", tp.topic, tp.partition, record.offset, poison
                    )
        held.state.decisions_next = end
    finally:
        await reader.close()
