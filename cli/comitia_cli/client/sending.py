"""Appending messages: encoded with the headers that every record of Comitia carries, acknowledged
before it counts.
"""

import functools
import secrets

from google.protobuf.message import Message

from comitia.effects import Publish
from comitia.ports import Ack, Outgoing, Record
from comitia.runtime.codec import Codec
from comitia_cli.shell import Session


@functools.cache
def codec() -> Codec:
    """This process's."""
    return Codec("cli", f"cli-{secrets.token_hex(8)}")


def outgoing(topic: str, key: str, message: Message) -> Outgoing:
    """The record for a message."""
    return codec().encode(Publish(topic, key, message))


async def publish_one(session: Session, entity: str, key: str, message: Message) -> Ack:
    """Append one message to a topic of the catalogue and wait until the broker has it."""
    topic = await session.topic(entity)
    return await _append(session, outgoing(topic.name, key, message))


async def withdraw(session: Session, record: Record) -> Ack:
    """Append the tombstone of a record of a compacted topic: its key stands for nothing from now
    on.
    """
    tombstone = Outgoing(record.topic, None, record.key, partition=record.partition)
    return await _append(session, tombstone)


async def _append(session: Session, record: Outgoing) -> Ack:
    writer = await session.log.writer()
    try:
        return await (await writer.send(record))
    finally:
        await writer.close()
