"""One partition that a process owns, between the reader and its fold.

In come records as they are read; out come a state that has folded them, and whether an end of the
log was reached that somebody waits for.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from comitia.errors import Poison, Retryable
from comitia.ports import Committed, Reader, Record, TopicPartition
from comitia.runtime.codec import UNREADABLE
from comitia.runtime.context import Runtime
from comitia.runtime.delivery import trace_of
from comitia.runtime.flush import Outlet
from comitia.runtime.open_tasks import Pending
from comitia.runtime.partition_state import PartitionState
from comitia.telemetry import spans
from comitia.telemetry.metrics import ANSWERS_DROPPED
from comitia.telemetry.names import Attribute
from comitia.telemetry.setup import Telemetry
from comitia.v1.panel_event_pb2 import PanelEvent


@dataclass(slots=True, eq=False)
class Held:
    """`folding`: records are taken in. `live`: folded to `end`, so that effects go out.

    `again`: it was taken over before, and that failed. `asked` is (now, end) of the question that
    goes before timers. `flushing`: a transaction may be open here; `written`: the last offset that
    we wrote to this partition ourselves.
    """

    tp: TopicPartition
    state: PartitionState
    again: bool = False
    outlet: Outlet | None = None
    folding: bool = False
    live: bool = False
    end: int = 0
    asked: tuple[int, int] | None = None
    flushing: bool = False
    written: int = -1
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def fold(self, runtime: Runtime, group: str, record: Record) -> None:
        """Fold one record; what cannot be folded waits among the effects, to be kept."""
        runtime.dead_letter_limit.read(1)
        trace = trace_of(record)
        span, task_id = None, ""
        # Replayed events were traced when they were new.
        if runtime.telemetry.tracer is not None and self.live:
            span, trace = runtime.telemetry.tracer.process(record, group, trace)
        try:
            recorded = runtime.codec.decode(PanelEvent, record, trace[0])
            task_id = recorded.message.task_id
            if not task_id:
                raise Poison("this PanelEvent names no task_id", UNREADABLE)
            if span is not None:
                spans.about(span, recorded.message)
            self.state.event(recorded, record, trace)
        except Poison as poison:
            self.state.reject(record, poison, task_id, trace)
            if span is not None:
                spans.fail(span, poison)
        if span is not None:
            span.end()

    def go_live(self) -> None:
        """Folded: what the fold found due, and the log does not show as done, goes out now."""
        self.live = True
        self.wake.set()

    def drop(self) -> None:
        """Not ours any more, or to be taken over again: forget all that was folded."""
        self.folding = self.live = False
        self.state.drop()

    def wants_end(self, now_ms: int) -> bool:
        """Whether timers are due at `now_ms` and the log's end may be asked for.

        It may not while a transaction of our own is open here: nothing behind that can be read, and
        the end that we are told is where it began.
        """
        free = self.live and self.asked is None and not self.flushing
        return free and self.state.has_due(now_ms)

    def told_end(self, now_ms: int, end: int) -> None:
        """The end that was asked for at `now_ms`: fire timers, if all before it was folded."""
        if end <= self.written:
            return  # the marker of our transaction is still on its way: ask again
        if self.state.next >= end:
            self.state.fire(now_ms)
            self.wake.set()
        else:
            self.asked = (now_ms, end)

    def note(self, batch: Sequence[Pending]) -> None:
        """A flush is done: remember how far it wrote into this very partition."""
        self.flushing = False
        here = [
            ack.offset
            for pending in batch
            for _, ack in pending.job.acks
            if ack.topic == self.tp.topic and ack.partition == self.tp.partition
        ]
        self.written = max((self.written, *here))

    async def close(self) -> None:
        """Give the writer back."""
        outlet, self.outlet = self.outlet, None
        if outlet is not None:
            await outlet.close()

    async def reached(self, reader: Reader, end: int) -> bool:
        """Whether everything before `end` was read."""
        if self.state.next >= end:
            return True
        try:
            # Past control records and aborted ones, which are never handed out.
            return await reader.position(self.tp) >= end
        except Retryable:
            return False  # not ours any more, or the broker is away: look again after a fetch

    def position(self, before_ms: int, decided_max: int) -> Committed | None:
        """Forget decisions older than `before_ms` or beyond `decided_max`; what may be committed:
        the low-water mark, and where to begin in `decisions`.
        """
        self.state.prune(before_ms, decided_max)
        return Committed(self.state.low_water(), str(self.state.decisions_from()))

    def tell(self, telemetry: Telemetry) -> None:
        """Count what the fold has dropped since the last time."""
        for reason, count in self.state.dropped.items():
            attributes: dict[str, str] = {Attribute.COMITIA_REASON: reason}
            telemetry.add(ANSWERS_DROPPED, count, attributes)
        self.state.dropped.clear()
