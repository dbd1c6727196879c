"""Taking a partition over: its writer first, then which of its tasks are decided, then its fold.

In come the committed position and its metadata; out comes a `Held` that has folded the log to an
end asked for after its writer was opened. With transactions, opening the writer (InitProducerId)
fences the former owner and ends what it had open; that is why it comes first: whatever is read
after it is all that the former owner will ever have said.
"""

import logging
from typing import Protocol

from comitia.errors import Fenced, Poison, Retryable
from comitia.ports import Committed, Reader, ReaderSpec, TopicPartition, Writer
from comitia.runtime.context import Runtime
from comitia.runtime.dead_letters import fields
from comitia.runtime.flush import Outlet
from comitia.runtime.held import Held
from comitia.telemetry.metrics import FOLD_DURATION, RECORDS_LOST
from comitia.telemetry.names import Attribute
from comitia.v1.decision_pb2 import Decision

_LOG = logging.getLogger("comitia.owner")
_FETCH_MAX = 2_000


class Terms(Protocol):
    """On which terms a partition is owned."""

    @property
    def exactly_once(self) -> bool:
        """Whether effects go out in transactions."""

    @property
    def duplicate_window_ms(self) -> int:
        """How long decided tasks are remembered."""


async def take_over(runtime: Runtime, reader: Reader, held: Held, terms: Terms) -> None:
    """Fold `held` to the end of its log. Retryable when the broker is away: then never go on with
    half a fold, but begin again with a new `Held`. ConfigError when the broker cannot do it.
    """
    here = frozenset({held.tp})
    reader.pause(here)
    writer = await open_writer(runtime, terms, held.tp.partition)
    held.outlet = Outlet(runtime, writer, held.tp, terms.exactly_once)
    await recall(runtime, reader, held, terms)
    held.folding = True
    reader.seek(held.tp, held.state.next)
    reader.resume(here)
    await held.caught_up.wait()


def tell(runtime: Runtime, held: Held, took_ms: float) -> None:
    """Say that a partition is taken over, and how long that took."""
    runtime.telemetry.record(FOLD_DURATION, took_ms / 1000)
    state = held.state
    _LOG.info(
        "partition %d is live: %d open, %d remembered, folded to %d",
        *(held.tp.partition, state.open, len(state.decided), state.next),
        extra={
            "event": "take_over",
            "topic": held.tp.topic,
            "partition": held.tp.partition,
            "offset": state.next,
            "open": state.open,
            "remembered": len(state.decided),
            "duration_ms": round(took_ms),
        },
    )


def tell_failure(tp: TopicPartition, error: Retryable) -> None:
    """Say why a partition is to be taken over again; being fenced is worth a name of its own."""
    _LOG.warning(
        *("partition %d is to be taken over again: %s", tp.partition, error),
        extra={
            "event": "fenced" if isinstance(error, Fenced) else "take_over_failed",
            "topic": tp.topic,
            "partition": tp.partition,
            "error": type(error).__name__,
        },
    )


async def open_writer(runtime: Runtime, terms: Terms, partition: int) -> Writer:
    """The writer of one partition's effects; with transactions, no other can write any more."""
    if not terms.exactly_once:
        return await runtime.log.writer()
    return await runtime.log.writer(runtime.names.transactional_id(runtime.service, partition))


async def prove_membership(reader: Reader, tp: TopicPartition) -> None:
    """Commit the committed position once more: the group checks it against its generation, which
    opening a writer is not. Retryable when the partition is, or may be, somebody else's.

    Being fenced does not tell: a transaction that ran into its timeout ends in the same error.
    """
    committed = await reader.committed(tp)
    if committed is None:
        committed = Committed((await reader.offsets_at(frozenset({tp}), 0))[tp])
    await reader.commit({tp: committed})


async def recall(runtime: Runtime, reader: Reader, held: Held, terms: Terms) -> None:
    """Make `held` ready to fold: its decided tasks, `state.next` and `end`.

    `decisions` is read from where the former owner said in the metadata of its commit, else from
    the beginning of the duplicate window. The end of the events is asked for last.
    """
    committed = await reader.committed(held.tp)
    await _decisions(runtime, held, committed, terms)
    here = frozenset({held.tp})
    first = (await reader.offsets_at(here, 0))[held.tp]
    if committed is None:
        held.state.next = first
    else:
        held.state.next = _still_there(runtime, held.tp, committed.offset, first)
    held.end = (await reader.end_offsets(here))[held.tp]


async def _decisions(
    runtime: Runtime, held: Held, committed: Committed | None, terms: Terms
) -> None:
    tp = TopicPartition(runtime.names.topic("decisions"), held.tp.partition)
    here = frozenset({tp})
    reader = await runtime.log.reader(ReaderSpec(partitions=(tp,)))
    try:
        now_ms = runtime.clock.now_ms()
        since_ms = now_ms - terms.duplicate_window_ms
        start = window = (await reader.offsets_at(here, since_ms))[tp]
        if committed is not None and committed.metadata.isdecimal():
            first = (await reader.offsets_at(here, 0))[tp]
            start = _still_there(runtime, tp, int(committed.metadata), first)
        # A memory that was bounded by number begins later than the window, and nothing tells when.
        held.state.memory.begin(start, since_ms if start <= window else now_ms + 1)
        reader.seek(tp, start)
        end = (await reader.end_offsets(here))[tp]
        while await reader.position(tp) < end:
            for record in await reader.fetch(_FETCH_MAX, runtime.fetch_wait_ms):
                try:
                    held.state.recall(runtime.codec.decode(Decision, record))
                except Poison as poison:
                    _LOG.warning(
                        *("%s[%d] offset %d: %s", tp.topic, tp.partition, record.offset, poison),
                        extra={"event": "skipped", "reason": poison.reason, **fields(record, "")},
                    )
        held.state.decisions_next = end
    finally:
        await reader.close()


def _still_there(runtime: Runtime, tp: TopicPartition, wanted: int, first: int) -> int:
    """Where to begin when `wanted` was to be read, and the log begins at `first` by now."""
    # Of a log that was idle for long, the marker of its last transaction may be all that is gone.
    if first - wanted > 1:
        _LOG.warning(
            "%s[%d]: offsets %d to %d were removed before they were read; tasks that only they knew"
            " are lost, or may be decided again: raise the topic's retention.ms and"
            " retention.bytes (`comitia doctor` says how far)",
            *(tp.topic, tp.partition, wanted, first - 1),
            extra={
                "event": "records_lost",
                "topic": tp.topic,
                "partition": tp.partition,
                "offset": wanted,
                "lost": first - wanted,
            },
        )
        lost: dict[str, str] = {Attribute.MESSAGING_DESTINATION_NAME: tp.topic}
        runtime.telemetry.add(RECORDS_LOST, first - wanted, lost)
    return max(wanted, first)
