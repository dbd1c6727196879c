"""Looking up whether a task was decided before the time that an owner remembers.

In come the partitions that a process holds, with the events that are parked there because their
task may be decided already; out goes each task's decision, or that there is none. Without it, a
task that is delivered again after its id was forgotten would be decided twice. Nothing of this is
kept: parked events hold the low-water mark, so that whoever takes over reads and parks them again.
"""

import asyncio
import logging
from collections.abc import Mapping

from comitia.effects import Recorded
from comitia.errors import Poison, Retryable
from comitia.ports import ReaderSpec, TopicPartition
from comitia.runtime.context import Runtime
from comitia.runtime.dead_letters import fields
from comitia.runtime.held import Held
from comitia.runtime.memory import Parked
from comitia.runtime.retry import Backoff
from comitia.telemetry.metrics import LOOKUPS
from comitia.telemetry.names import Attribute
from comitia.v1.decision_pb2 import Decision

_LOG = logging.getLogger("comitia.owner")
_FETCH_MAX = 2_000
CONDITION = "look-ups"


class Lookups:
    """For all partitions in `held`, one after the other, with a reader of its own."""

    def __init__(self, runtime: Runtime, held: Mapping[int, Held]) -> None:
        self._runtime = runtime
        self._held = held
        self._backoff = Backoff(runtime.instance + CONDITION)

    async def work(self) -> None:
        """Settle what is parked now: one scan of `decisions` a partition, however many tasks."""
        failed = False
        for held in tuple(self._held.values()):
            if not held.state.parked:
                continue
            try:
                await self._settle(held)
            except Retryable as error:
                # Of this partition: the next one's leader may well be there.
                self._runtime.health.set(CONDITION, str(error))
                failed = True
        if failed:
            await asyncio.sleep(self._backoff.next_ms() / 1000)
            return
        self._backoff.reset()
        self._runtime.health.set(CONDITION, None)

    async def _settle(self, held: Held) -> None:
        state, runtime = held.state, self._runtime
        wanted = dict(state.parked)
        tp = TopicPartition(runtime.names.topic("decisions"), held.tp.partition)
        found = await scan(runtime, tp, wanted, state.memory.from_offset)
        state.settle(wanted, found)
        held.wake.set()
        _LOG.info(
            "partition %d: %d of %d tasks from before what is remembered were decided already",
            *(held.tp.partition, len(found), len(wanted)),
            extra={
                "event": "looked_up",
                "partition": held.tp.partition,
                "found": len(found),
                "wanted": len(wanted),
            },
        )
        for reason, count in (("FOUND", len(found)), ("NOT_FOUND", len(wanted) - len(found))):
            if count:
                attributes: dict[str, str] = {Attribute.COMITIA_REASON: reason}
                runtime.telemetry.add(LOOKUPS, count, attributes)


async def scan(
    runtime: Runtime, tp: TopicPartition, wanted: Mapping[str, Parked], end: int
) -> dict[str, Recorded[Decision]]:
    """The last decision before the offset `end` of each task in `wanted` that has one, by id.

    Reads from the earliest append time wanted. Retryable when the broker is away.
    """
    found: dict[str, Recorded[Decision]] = {}
    keys = {parked.key for parked in wanted.values()}
    since_ms = min(parked.since_ms for parked in wanted.values())
    reader = await runtime.log.reader(ReaderSpec(partitions=(tp,)))
    try:
        reader.seek(tp, (await reader.offsets_at(frozenset({tp}), since_ms))[tp])
        while await reader.position(tp) < end:
            for record in await reader.fetch(_FETCH_MAX, runtime.fetch_wait_ms):
                # A decision has the key of its task's events, and decoding is what takes time.
                if record.offset >= end or record.key not in keys:
                    continue
                try:
                    recorded = runtime.codec.decode(Decision, record)
                except Poison as poison:
                    _LOG.warning(
                        *("%s[%d] offset %d: %s", tp.topic, tp.partition, record.offset, poison),
                        extra={"event": "skipped", "reason": poison.reason, **fields(record, "")},
                    )
                    continue
                if recorded.message.task_id in wanted:
                    found[recorded.message.task_id] = recorded
    finally:
        await reader.close()
    return found
