"""Dead letters: what could not be processed, kept byte for byte, and what its task's log is told.

In comes a record with the reason why it was given up; out come the record for the dead-letters
topic and, where the task's id can be read, an event that lets the task end in a Decision. Header
names are those of KIP-1034 (dead letter queue in Kafka Streams), so that its tools can read them.
What somebody has replayed or discarded stays where it is; a mark behind it says so.
"""

import logging
import re
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import Message

from comitia.effects import DeadLetter, Effect, Publish
from comitia.errors import Overloaded, Poison
from comitia.ports import Ack, Outgoing, Record
from comitia.runtime.codec import Codec, trace_context
from comitia.runtime.context import Runtime
from comitia.runtime.partitioner import partition_of
from comitia.topics import TOPICS, Names
from comitia.v1 import dead_letter_pb2, decision_pb2, panel_event_pb2
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.task_pb2 import Task

_LOG = logging.getLogger("comitia.dead_letters")
# The reason of what a bug of ours met; its error's words are not ours.
HANDLER_FAILED = "HANDLER_FAILED"
HEADERS_BYTES_MAX = 64 * 1024
ERROR_BYTES_MAX = 16 * 1024
STACKTRACE_BYTES_MAX = 8 * 1024
# A longer key stays in the letter alone: as the letter's own key it would take its room twice.
KEY_BYTES_MAX = 16 * 1024
# Of what a task's log is told: characters.
REASON_MAX = 4_096
# What the letter adds to the original: origin, error, headers, and the record's own overhead.
_ENVELOPE_BYTES = (
    HEADERS_BYTES_MAX + 2 * ERROR_BYTES_MAX + STACKTRACE_BYTES_MAX + KEY_BYTES_MAX + 16 * 1024
)
ORIGINAL_BYTES_MAX = TOPICS["dead-letters"].bytes_max - _ENVELOPE_BYTES
# How much of an original is kept, tried in turn: all of it, unless somebody has made the topic of
# the dead letters take less than the catalogue says. The last must do: no topic takes less.
ROOMS_BYTES = (ORIGINAL_BYTES_MAX, 512 * 1024, 8 * 1024)
# Header of a letter that does not hold all of its original: how long that was. Bytes.
CUT = "comitia_original_bytes"
# Header of a mark: offset, in the same partition, of the letter that it speaks of.
RESOLVES = "comitia_resolves"
REPLAYED, DISCARDED = "REPLAYED", "DISCARDED"
TOO_LARGE = "TOO_LARGE"
# No task may have so long an id; a shorter one that is not valid still ends in a decision.
ID_CHARACTERS_MAX = 256
_TASK_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

# Of a record that was given up: itself, its task's id, why, and where it is kept.
Refused = Callable[[Record, str, Poison, decision_pb2.DeadLetterRef], Sequence[Effect]]
Failed = Callable[[str, Poison, decision_pb2.DeadLetterRef], Sequence[Effect]]


def readable_task_id(record: Record) -> str:
    """The task's id from the record's key, where the value cannot be read; "" when it is none."""
    key = record.key or b""
    return key.decode() if _TASK_ID.fullmatch(key) else ""


def ending_task_id(task_id: str, record: Record) -> str:
    """Id of the task that is to end because `record` could not be processed: the one that its
    message names, else the one that its key is; "" when there is none, or none of a sane length.
    """
    if task_id:
        return task_id if len(task_id) <= ID_CHARACTERS_MAX else ""
    return readable_task_id(record)


def task_id_of(message: Message) -> str:
    """Id of the task that a message of ours is or speaks of; "" when it names none."""
    if isinstance(message, Task):
        return message.id
    if isinstance(message, Assignment):
        return message.task.id
    return str(getattr(message, "task_id", ""))


def fields(record: Record, task_id: str, traceparent: str = "") -> dict[str, Any]:
    """What a log line about a record says of it, for machines."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "task_id": task_id,
        "traceparent": traceparent,
    }


def tell(record: Record, why: Poison, task_id: str, traceparent: str) -> None:
    """One log line for a record that goes to the dead letters. What a handler choked on may quote
    the task: of that only the kind of error is told.
    """
    said = str(why)
    if why.reason == HANDLER_FAILED:
        said = said.partition(":")[0]
    _LOG.warning(
        "%s[%d] offset %d to the dead letters: %s: %s",
        *(record.topic, record.partition, record.offset, why.reason, said),
        extra={
            "event": "dead_letter",
            "reason": why.reason,
            **fields(record, task_id, traceparent),
        },
    )


def given_up(why: Poison, task_id: str) -> DeadLetter:
    """The effect that keeps what `why` ended, with all that the error tells of itself."""
    cause = why.__cause__ or why
    kind = type(cause)
    stack = "".join(traceback.format_exception(why)).encode()[-STACKTRACE_BYTES_MAX:]
    return DeadLetter(
        why.reason,
        str(why),
        task_id,
        why.attempts,
        f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
        stack.decode(errors="ignore"),
    )


def admit(runtime: Runtime, why: DeadLetter) -> None:
    """Count a letter that is about to be written. Overloaded, which is to end the service, when
    there are too many.
    """
    try:
        runtime.dead_letter_limit.admit(why, runtime.clock.monotonic_ms())
    except Overloaded as error:
        runtime.health.set("dead letters", str(error))
        raise


def letter(
    runtime: Runtime, original: Record, why: DeadLetter, room: int = ORIGINAL_BYTES_MAX
) -> Outgoing:
    """The record for the dead-letters topic. What exceeds its bounds is cut, and the error says
    so; `room`: bytes of key and value, and as many of each other part at most.
    """
    error, cut = why.error, False
    key, value = (original.key or b"")[:room], original.value
    if len(key) < len(original.key or b""):
        error, cut = f"{error} (key of {len(original.key or b'')} bytes cut to {room})", True
    left = max(0, room - len(key))
    if value is not None and len(value) > left:
        error, cut = f"{error} (value of {len(value)} bytes cut to {left})", True
        value = value[:left]
    kept = _bounded(original.headers, min(room, HEADERS_BYTES_MAX))
    if len(kept) < len(original.headers):
        error = f"{error} ({len(original.headers) - len(kept)} headers left out)"
        cut = True
    error = _head(error, min(room, ERROR_BYTES_MAX))
    message = dead_letter_pb2.DeadLetter(
        topic=original.topic,
        partition=original.partition,
        offset=original.offset,
        timestamp_ms=original.timestamp_ms,
        key=None if original.key is None else key,
        value=value,
        headers=[dead_letter_pb2.Header(key=key, value=data) for key, data in kept],
        service=runtime.service,
        reason=why.reason,
        error=error,
        attempts=why.attempts,
        task_id=why.task_id,
    )
    codec = runtime.codec
    headers = codec.headers(dead_letter_pb2.DeadLetter, *trace_context(original.headers))
    if cut:
        headers = (*headers, (CUT, str(len(original.value or b"")).encode()))
    return Outgoing(
        runtime.names.topic("dead-letters"),
        message.SerializeToString(),
        key if original.key is not None and len(key) <= min(room, KEY_BYTES_MAX) else None,
        (*headers, *_kip_1034(original, why, error)),
    )


def mark(letter: Record, reason: str, who: str, codec: Codec) -> Outgoing:
    """The record that says of a letter, as it stands in its topic, that it is dealt with: REPLAYED
    or DISCARDED. It goes behind the letter, into the same partition under the same key.
    """
    message = dead_letter_pb2.DeadLetter(
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        timestamp_ms=letter.timestamp_ms,
        service=who,
        reason=reason,
        attempts=1,
    )
    headers = (
        *codec.headers(dead_letter_pb2.DeadLetter, "", ""),
        (RESOLVES, str(letter.offset).encode()),
    )
    value = message.SerializeToString()
    return Outgoing(letter.topic, value, letter.key, headers, letter.partition)


def ref(ack: Ack) -> decision_pb2.DeadLetterRef:
    """Where an acknowledged dead letter stands."""
    return decision_pb2.DeadLetterRef(topic=ack.topic, partition=ack.partition, offset=ack.offset)


def task_refused(names: Names, partitions: int) -> Refused:
    """For the router: a task that could not be read is refused in its log (REJECTED)."""

    def refused(
        record: Record, task_id: str, why: Poison, kept: decision_pb2.DeadLetterRef
    ) -> Sequence[Effect]:
        event = panel_event_pb2.PanelEvent(task_id=task_id)
        event.task_refused.status = decision_pb2.DECISION_STATUS_REJECTED
        # A record that is read again long after is known by it as one that was decided.
        event.task_refused.task_appended_ms = record.timestamp_ms
        event.task_refused.reason = f"{why.reason}: {why}"[:REASON_MAX]
        event.task_refused.dead_letter.CopyFrom(kept)
        return (_event(names, event, partition_of(task_id, partitions)),)

    return refused


def task_failed(names: Names, partition: int) -> Failed:
    """For the aggregator: a task of which a record could not be processed fails, in its log."""

    def failed(task_id: str, why: Poison, kept: decision_pb2.DeadLetterRef) -> Sequence[Effect]:
        event = panel_event_pb2.PanelEvent(task_id=task_id)
        event.task_failed.reason = f"{why.reason}: {why}"[:REASON_MAX]
        event.task_failed.dead_letter.CopyFrom(kept)
        return (_event(names, event, partition),)

    return failed


def failed_decision(
    decision: decision_pb2.Decision, why: Poison, kept: decision_pb2.DeadLetterRef
) -> decision_pb2.Decision:
    """What is published instead of a decision that is too large: the same task, FAILED."""
    return decision_pb2.Decision(
        task_id=decision.task_id,
        revision=decision.revision,
        status=decision_pb2.DECISION_STATUS_FAILED,
        panel_id=decision.panel_id,
        method=decision.method,
        cost=decision.cost,
        explanation=f"the decision could not be published: {why}"[:REASON_MAX],
        dead_letter=kept,
        weights_version=decision.weights_version,
        delivery=decision.delivery,
        trace_id=decision.trace_id,
        skill=decision.skill,
        tenant=decision.tenant,
        session=decision.session,
        task_digest=decision.task_digest,
    )


def _event(names: Names, event: panel_event_pb2.PanelEvent, partition: int) -> Publish:
    return Publish(names.topic("panel-events"), event.task_id, event, partition)


def _bounded(headers: tuple[tuple[str, bytes], ...], room: int) -> list[tuple[str, bytes]]:
    """The first headers, as many as fit into `room` bytes."""
    kept: list[tuple[str, bytes]] = []
    for key, value in headers:
        room -= len(key.encode()) + len(value or b"") + 16
        if room < 0:
            break
        kept.append((key, value))
    return kept


def _head(text: str, bytes_max: int) -> str:
    return text.encode()[:bytes_max].decode(errors="ignore")


def _kip_1034(original: Record, why: DeadLetter, error: str) -> tuple[tuple[str, bytes], ...]:
    prefix = "__streams.errors."
    return (
        (prefix + "exception", (why.exception or why.reason).encode()),
        (prefix + "stacktrace", why.stacktrace.encode()),
        (prefix + "message", error.encode()),
        (prefix + "topic", original.topic.encode()),
        (prefix + "partition", str(original.partition).encode()),
        (prefix + "offset", str(original.offset).encode()),
    )
