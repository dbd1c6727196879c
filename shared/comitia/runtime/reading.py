"""Small pieces that every loop uses to read: a fetch that outlives a broker, and work at
intervals.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from comitia.errors import ComitiaError, Retryable
from comitia.ports import Committed, Reader, Record, TopicPartition
from comitia.runtime.codec import sampled_trace
from comitia.runtime.context import Runtime
from comitia.runtime.membership import Membership
from comitia.runtime.offsets import Offsets
from comitia.runtime.retry import Backoff
from comitia.telemetry.spans import LINKS_MAX, Tracing, fail

_LOG = logging.getLogger("comitia.reading")
T = TypeVar("T")


async def fetch(
    runtime: Runtime,
    reader: Reader,
    records_max: int,
    backoff: Backoff,
    member: Membership | None = None,
) -> Sequence[Record]:
    """The next records; none after `fetch_wait_ms`, or after a pause when the broker is away.

    What a `member` of a group fetched is measured, and traced where it is part of sampled traces.
    """
    tracer = runtime.telemetry.tracer if member is not None else None
    began_ns = time.time_ns() if tracer is not None else 0
    try:
        records = await reader.fetch(records_max, runtime.fetch_wait_ms)
    except Retryable as error:
        runtime.health.set("fetch", str(error))
        await asyncio.sleep(backoff.next_ms() / 1000)
        return ()
    backoff.reset()
    runtime.health.set("fetch", None)
    if records:
        runtime.observe(records[-1].timestamp_ms)
        if member is not None:
            member.polled(records)
            if tracer is not None:
                traces = (found for record in records if (found := sampled_trace(record.headers)))
                tracer.polled(records, list(islice(traces, LINKS_MAX)), member.group, began_ns)
    return records


async def every(interval_ms: int, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` again and again, with `interval_ms` between the end of one and the next."""
    while True:
        await asyncio.sleep(interval_ms / 1000)
        await work()


async def settle(acks: Sequence[Awaitable[T]]) -> list[T]:
    """Await all, also after a failure; then raise the first failure, if there was one."""
    results: list[T] = []
    failure: ComitiaError | None = None
    for pending in acks:
        try:
            results.append(await pending)
        except ComitiaError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return results


class Commits:
    """Commits of one reader, as `group`: positions that moved since the last one, off the hot
    path.
    """

    def __init__(self, reader: Reader, tracer: Tracing | None, group: str) -> None:
        self._reader = reader
        self._tracer = tracer
        self._group = group
        self._committed: dict[TopicPartition, Committed] = {}

    def forget(self) -> None:
        """After a rebalance: somebody else may have committed meanwhile."""
        self._committed.clear()

    async def commit(self, positions: Mapping[TopicPartition, Committed | None]) -> None:
        """Commit what moved. A passing fault is left to the next commit, which says as much or
        more; a partition that was lost is committed by its new owner.
        """
        due = {
            tp: position
            for tp, position in positions.items()
            if position is not None and position != self._committed.get(tp)
        }
        if not due:
            return
        span = self._tracer.commit(due, self._group) if self._tracer is not None else None
        try:
            await self._reader.commit(due)
        except Retryable as error:
            _LOG.debug("commit: %s", error)
            if span is not None:
                fail(span, error)
        else:
            self._committed.update(due)
            if self._tracer is not None:
                self._tracer.committed(due)
        finally:
            if span is not None:
                span.end()


def low_waters(offsets: Mapping[TopicPartition, Offsets]) -> dict[TopicPartition, Committed | None]:
    """What may be committed of each partition; None where nothing was begun."""
    return {
        tp: None if (low := held.low_water) is None else Committed(low)
        for tp, held in offsets.items()
    }
