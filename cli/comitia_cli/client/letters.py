"""Dead letters: records that could not be processed, with their originals."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from comitia.ports import TopicPartition
from comitia.topics import INBOX, TOPICS
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia_cli.client.records import decode, partitions_of, scan
from comitia_cli.shell import Session


@dataclass(frozen=True)
class Letter:
    """A dead letter and where it stands; `at_ms`: milliseconds since 1970-01-01 UTC."""

    letter: DeadLetter
    partition: int
    offset: int
    at_ms: int


async def letters(session: Session) -> AsyncIterator[Letter]:
    """All that are kept, oldest first."""
    async for record in scan(session.log, partitions_of([await session.topic("dead-letters")])):
        letter = decode(DeadLetter, record)
        yield Letter(letter, record.partition, record.offset, record.timestamp_ms)


async def letter_at(session: Session, partition: int, offset: int) -> Letter | None:
    """The one at this offset; None when there is none."""
    topic = await session.topic("dead-letters")
    place = TopicPartition(topic.name, partition)
    async for record in scan(session.log, frozenset({place}), {place: offset}):
        if record.offset == offset:
            letter = decode(DeadLetter, record)
            return Letter(letter, record.partition, record.offset, record.timestamp_ms)
        return None
    return None


def original(session: Session, letter: DeadLetter) -> dict[str, object] | None:
    """The original as proto3 JSON, where it can be read as the message of its topic."""
    kinds = {session.names.topic(entity): topic.message for entity, topic in TOPICS.items()}
    message = kinds.get(letter.topic)
    if message is None and ".inbox." in f".{letter.topic}":
        message = INBOX.message
    if message is None or not letter.value:
        return None
    try:
        return dict(MessageToDict(message.FromString(letter.value)))
    except DecodeError:
        return None
