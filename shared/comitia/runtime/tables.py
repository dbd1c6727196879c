"""Tables: topics read whole, by every process for itself, without a group.

In come compacted topics (cards, weights) and broadcasts (heartbeats, control); each record is given
to the function that keeps the table. A table is ready once it was read to the end that was asked
for at the start. What cannot be read is logged and skipped: the process that wrote it cannot be
told, and every reader would otherwise keep its own dead letter of it.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from comitia.effects import Recorded
from comitia.errors import Poison
from comitia.ports import Reader, ReaderSpec, Record
from comitia.runtime.context import Runtime
from comitia.runtime.dead_letters import fields
from comitia.runtime.reading import fetch
from comitia.runtime.retry import Backoff, Stopped, persist

_LOG = logging.getLogger("comitia.tables")
M = TypeVar("M", bound=Message)
_BATCH_MAX = 1_000


@dataclass(frozen=True, slots=True)
class _Table(Generic[M]):
    message: type[M]
    apply: Callable[[str, Recorded[M] | None], None]
    back_ms: int | None


class Tables:
    """All tables of a process, over one reader. Add them first, then `run`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._tables: dict[str, _Table[Any]] = {}
        self._ready = asyncio.Event()
        runtime.health.set("tables", "being read")

    def add(
        self,
        entity: str,
        message: type[M],
        apply: Callable[[str, Recorded[M] | None], None],
        back_ms: int | None = None,
    ) -> None:
        """Read a topic of the catalogue into `apply(key, recorded)`; None stands for a tombstone.

        `back_ms` None reads from the beginning, else from so long ago by the broker's clock.
        """
        self._tables[self._runtime.names.topic(entity)] = _Table(message, apply, back_ms)

    async def ready(self) -> None:
        """Wait until everything was read that was there at the start."""
        await self._ready.wait()

    async def run(self) -> None:
        """Read until `runtime.stop`."""
        runtime = self._runtime
        spec = ReaderSpec(topics=tuple(self._tables))
        backoff = Backoff(runtime.instance)
        try:
            reader = await persist(runtime, "broker", lambda: runtime.log.reader(spec))
            try:
                ends = await persist(runtime, "broker", lambda: self._seek(reader))
                while not runtime.stop.is_set():
                    for record in await fetch(runtime, reader, _BATCH_MAX, backoff):
                        self._apply(record)
                    if not self._ready.is_set():
                        await persist(runtime, "broker", lambda: self._look(reader, ends))
            finally:
                await reader.close()
        except Stopped:
            return

    async def _seek(self, reader: Reader) -> dict[Any, int]:
        """Start each table where it begins; the ends that make it ready."""
        partitions = reader.assignment()
        now_ms = self._runtime.clock.now_ms()
        for topic, table in self._tables.items():
            if table.back_ms is not None:
                own = frozenset(tp for tp in partitions if tp.topic == topic)
                starts = await reader.offsets_at(own, now_ms - table.back_ms)
                for tp, offset in starts.items():
                    reader.seek(tp, offset)
        return dict(await reader.end_offsets(partitions))

    async def _look(self, reader: Reader, ends: dict[Any, int]) -> None:
        behind = [tp for tp, end in ends.items() if await reader.position(tp) < end]
        if not behind:
            self._ready.set()
            self._runtime.health.set("tables", None)

    def _apply(self, record: Record) -> None:
        table = self._tables[record.topic]
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            table.apply(key, None)
            return
        try:
            table.apply(key, self._runtime.codec.decode(table.message, record))
        except Poison as poison:
            _LOG.warning(
                "%s[%d] offset %d skipped: %s",
                *(record.topic, record.partition, record.offset, poison),
                extra={"event": "skipped", "reason": poison.reason, **fields(record, "")},
            )
