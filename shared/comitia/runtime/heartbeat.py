"""Heartbeats: who is alive, and what the broker's clock says.

In come the heartbeats of this process (one for a service, one per agent); out they go at intervals,
the last ones saying that it leaves. The append time in each acknowledgement feeds the clock, and an
acknowledgement that does not come tells that the broker is away, even while nothing else is sent.
"""

import asyncio
from collections.abc import Callable, Sequence

from comitia.effects import Publish
from comitia.errors import Retryable
from comitia.ports import Writer
from comitia.runtime.context import Runtime
from comitia.runtime.reading import settle
from comitia.runtime.retry import Stopped, persist, stopped_within
from comitia.telemetry.measures import messaging
from comitia.telemetry.metrics import SENT
from comitia.telemetry.names import Operation
from comitia.v1.decision_pb2 import DELIVERY_UNSPECIFIED, Delivery
from comitia.v1.heartbeat_pb2 import Heartbeat

# Called with True when the process leaves.
Beats = Callable[[bool], Sequence[Heartbeat]]
CONDITION = "heartbeats"
_OVERDUE_INTERVALS = 2


def service_beats(runtime: Runtime, delivery: Delivery = DELIVERY_UNSPECIFIED) -> Beats:
    """The one heartbeat of a service that is not an agent; `delivery` is an aggregator's."""

    def beats(leaving: bool) -> Sequence[Heartbeat]:
        return (
            Heartbeat(
                service=runtime.service,
                instance=runtime.instance,
                interval_ms=runtime.heartbeat_interval_ms,
                leaving=leaving,
                delivery=delivery,
            ),
        )

    return beats


async def run_heartbeats(runtime: Runtime, beats: Beats) -> None:
    """Send until `runtime.stop`, then say goodbye once."""
    try:
        writer = await persist(runtime, "broker", runtime.log.writer)
    except Stopped:
        return
    pending: asyncio.Task[None] | None = None
    try:
        while True:
            leaving = runtime.stop.is_set()
            pending = pending or asyncio.create_task(_send(runtime, writer, beats(leaving)))
            # Never cancelled and never piled up: the producer itself gives it up in time.
            await asyncio.wait({pending}, timeout=_overdue_s(runtime))
            if pending.done():
                _conclude(runtime, pending)
                pending = None
            else:
                runtime.health.set(CONDITION, "the broker does not acknowledge")
            if leaving:
                return
            await stopped_within(runtime.stop, runtime.heartbeat_interval_ms)
    finally:
        if pending is not None:
            pending.cancel()
        await writer.close()


async def send_once(runtime: Runtime, beats: Beats) -> None:
    """Send one round and wait: after it the clock is known. Retryable when the broker is away."""
    writer = await runtime.log.writer()
    try:
        await _send(runtime, writer, beats(False))
    finally:
        await writer.close()


async def _send(runtime: Runtime, writer: Writer, messages: Sequence[Heartbeat]) -> None:
    topic = runtime.names.topic("heartbeats")
    acks = []
    for message in messages:
        publish = Publish(topic, message.agent or message.service, message)
        acks.append(await writer.send(runtime.codec.encode(publish)))
    settled = await settle(acks)
    runtime.telemetry.add(SENT, len(settled), messaging(topic, Operation.SEND))
    for ack in settled:
        if ack.timestamp_ms >= 0:
            runtime.observe(ack.timestamp_ms)


def _conclude(runtime: Runtime, sent: "asyncio.Task[None]") -> None:
    error = sent.exception()
    if isinstance(error, Retryable):
        runtime.health.set(CONDITION, str(error))
    elif error is not None:
        raise error
    else:
        runtime.health.set(CONDITION, None)


def _overdue_s(runtime: Runtime) -> float:
    return _OVERDUE_INTERVALS * runtime.heartbeat_interval_ms / 1000
