"""What a handler may ask for. Handlers do no I/O: they return effects, and the runtime alone
carries them out.

A handler gets a message as it stands in the log (`Recorded`) and gives back effects in the order
in which they are to happen; `Publish.order` separates groups that must be acknowledged one after
the other.
"""

import hashlib
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from comitia.v1.value_pb2 import Value
from comitia.v1.verdict_pb2 import Verdict
from comitia.values import value

M = TypeVar("M", bound=Message)


@value
class Recorded(Generic[M]):
    """A decoded message and where it stands.

    `append_ms`: the broker's append time, milliseconds since 1970-01-01 UTC. `traceparent`: W3C
    trace context of the message, "" when it was not traced.
    """

    message: M
    topic: str
    partition: int
    offset: int
    append_ms: int
    traceparent: str = ""


@value
class Publish:
    """Append `message` to `topic` (its full name) under `key`.

    `partition` None leaves the choice to the log (murmur2 of the key). Effects with a lower
    `order` are acknowledged before those with a higher one are sent. `traceparent` "" takes the
    context of the message being handled.
    """

    topic: str
    key: str
    message: Message
    partition: int | None = None
    order: int = 0
    traceparent: str = ""


@value
class StopWork:
    """Tell agents that the outcome of a task can no longer change. `deadline_ms`: broker's clock,
    epoch milliseconds.
    """

    task_id: str
    panel_id: str
    reason: str
    deadline_ms: int


@value
class DeadLetter:
    """Keep the original of the message being handled. `reason` is short, stable and in capitals;
    `error` is for a person.

    `attempts`: how often it was tried. `exception` is the class of the error that ended it, by its
    full name, and `stacktrace` where it was raised; "" where a handler asks for the letter.
    """

    reason: str
    error: str
    task_id: str = ""
    attempts: int = 1
    exception: str = ""
    stacktrace: str = ""


@value
class AnswerDropped:
    """Tell the metrics that an answer does not count. `reason` is short, stable and in capitals."""

    reason: str


Effect = Publish | StopWork | DeadLetter | AnswerDropped


@value
class Timer:
    """An event for a task's step: the timer that its state asked for is due, and the log was read
    past that time.

    `due_ms`: broker's clock, milliseconds since 1970-01-01 UTC.
    """

    task_id: str
    due_ms: int


@dataclass(slots=True)
class DecidedTask:
    """What is remembered of a decided task.

    `offset` and `append_ms` are those of its Decision in `decisions`. `digest` names the task's
    content; b"" when it is not known, because the Decision does not tell it. `event_offset` is
    that of the last of its events that was read; -1: none. `escalated`: it is left to a person.
    `settled`: names the verdict that made this revision (see `settled_by`), b"" where none did.
    """

    task_id: str
    revision: int
    offset: int
    append_ms: int
    digest: bytes = b""
    event_offset: int = -1
    escalated: bool = False
    settled: bytes = b""


def settled_by(settled: Value, by: str, because: str) -> bytes:
    """Names what a person has said of a conflict: equal for equal words, 16 bytes."""
    said = Verdict(value=settled, by=by, because=because)
    return hashlib.blake2b(said.SerializeToString(deterministic=True), digest_size=16).digest()
