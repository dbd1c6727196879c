"""Dead letters: records that could not be processed, with their originals, and which of them
somebody has dealt with.

A letter is never changed or taken away: a mark behind it, in the same partition, says that it was
replayed or discarded. In: the dead-letters topic. Out: letters, each with what was done about it.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from comitia.errors import Poison
from comitia.ports import Record
from comitia.runtime.codec import unframed
from comitia.runtime.dead_letters import RESOLVES
from comitia.topics import INBOX, TOPICS, Names
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia_cli import exits
from comitia_cli.client.records import decode, partitions_of, scan
from comitia_cli.shell import Session

Place = tuple[int, int]
# Of an int64.
OFFSET_DIGITS_MAX = 19


@dataclass(frozen=True)
class Letter:
    """A dead letter and the record that it is. `done`: REPLAYED or DISCARDED, "" while it is
    open.
    """

    letter: DeadLetter
    record: Record
    done: str = ""

    @property
    def place(self) -> Place:
        """Partition and offset."""
        return self.record.partition, self.record.offset


@dataclass(frozen=True)
class Choice:
    """Which letters: those at `places`, else those of this reason and task; "" is any."""

    places: Collection[Place] = ()
    reason: str = ""
    task_id: str = ""

    def takes(self, letter: Letter) -> bool:
        if self.places:
            return letter.place in self.places
        return self.reason in ("", letter.letter.reason) and self.task_id in (
            "",
            letter.letter.task_id,
        )


async def letters(session: Session, choice: Choice) -> AsyncIterator[Letter]:
    """The letters of a choice, oldest first. The topic is read twice: marks come after what they
    speak of, and letters are too large to be kept until then.
    """
    partitions = partitions_of([await session.topic("dead-letters")])
    done: dict[Place, str] = {}
    async for record in scan(session.log, partitions):
        offset = _resolved(record)
        if offset is not None:
            done[record.partition, offset] = decode(DeadLetter, record).reason
    async for record in scan(session.log, partitions):
        if _resolved(record) is not None:
            continue
        try:
            message = decode(DeadLetter, record)
        except Poison as error:
            exits.say(f"passed over: {error}")
            continue
        letter = Letter(message, record, done.get((record.partition, record.offset), ""))
        if choice.takes(letter):
            yield letter


def message_of(names: Names, topic: str) -> type[Message] | None:
    """What a topic of Comitia carries; None where it is none."""
    kinds = {names.topic(entity): kind.message for entity, kind in TOPICS.items()}
    if topic.startswith(f"{names.prefix}comitia.inbox."):
        return INBOX.message
    return kinds.get(topic)


def original(session: Session, letter: DeadLetter) -> dict[str, object] | None:
    """The original as proto3 JSON, where it can be read as the message of its topic."""
    message = message_of(session.names, letter.topic)
    if message is None or not letter.value:
        return None
    try:
        return dict(MessageToDict(message.FromString(unframed(letter.value))))
    except (DecodeError, ValueError):
        return None


def _resolved(record: Record) -> int | None:
    """Offset of the letter that a mark speaks of; None when the record is no mark."""
    for key, value in record.headers:
        if key == RESOLVES and value and value.isdigit() and len(value) <= OFFSET_DIGITS_MAX:
            return int(value)
    return None
