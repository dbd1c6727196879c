"""Appending messages: encoded with the headers that every record of Comitia carries, acknowledged
before it counts.

Where the environment asks for traces (OTEL_*), each is sent in a span of its own, which the record
names: the trace of a task begins with whoever asks.
"""

import asyncio
import atexit
import functools
import os
import secrets
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from comitia.effects import Publish
from comitia.ports import Ack, Outgoing, Record, Writer
from comitia.runtime.codec import Codec
from comitia.telemetry.exporters import exporter
from comitia_cli.shell import Session

if TYPE_CHECKING:
    from comitia.telemetry.spans import Tracing


@functools.cache
def _instance() -> str:
    return f"cli-{secrets.token_hex(8)}"


@functools.cache
def codec() -> Codec:
    """This process's."""
    return Codec("cli", _instance())


@functools.cache
def tracing() -> "Tracing | None":
    """This process's spans, exported when it ends; None where nobody asks for them. ConfigError
    when the environment asks for an exporter that is not there.
    """
    if exporter("TRACES", os.environ) == "none":
        return None
    # Imported when needed, so that commands without traces start fast.
    from comitia.telemetry.setup import setup

    # A command has no metrics worth exporting.
    telemetry = setup("cli", _instance(), {**os.environ, "OTEL_METRICS_EXPORTER": "none"})
    atexit.register(telemetry.shutdown)
    return telemetry.tracer


async def send(writer: Writer, topic: str, key: str, message: Message) -> Awaitable[Ack]:
    """Queue a message; the returned awaitable is the broker's acknowledgement. Raises what
    ports.Writer.send raises.
    """
    tracer = tracing()
    if tracer is None:
        return await writer.send(codec().encode(Publish(topic, key, message)))
    from comitia.telemetry.spans import about, end_send

    span, trace = tracer.send(topic, key, ("", ""))
    record = codec().encode(Publish(topic, key, message), *trace)
    if span is None:
        return await writer.send(record)
    about(span, message)
    try:
        ack = asyncio.ensure_future(await writer.send(record))
    except BaseException as error:
        end_send(span, record, error)
        raise
    ack.add_done_callback(lambda done: end_send(span, record, _outcome(done)))
    return ack


def _outcome(done: "asyncio.Future[Ack]") -> Ack | BaseException:
    if done.cancelled():
        return asyncio.CancelledError()
    return done.exception() or done.result()


async def publish_one(session: Session, entity: str, key: str, message: Message) -> Ack:
    """Append one message to a topic of the catalogue and wait until the broker has it."""
    topic = await session.topic(entity)
    writer = await session.log.writer()
    try:
        return await (await send(writer, topic.name, key, message))
    finally:
        await writer.close()


async def withdraw(session: Session, record: Record) -> Ack:
    """Append the tombstone of a record of a compacted topic: its key stands for nothing from now
    on.
    """
    tombstone = Outgoing(record.topic, None, record.key, partition=record.partition)
    writer = await session.log.writer()
    try:
        return await (await writer.send(tombstone))
    finally:
        await writer.close()
