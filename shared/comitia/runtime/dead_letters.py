"""Dead letters: what could not be processed, kept byte for byte, and what its task's log is told.

In comes a record with the reason why it was given up; out come the record for the dead-letters
topic and, where the task's id can be read, an event that lets the task end in a Decision. Header
names are those of KIP-1034 (dead letter queue in Kafka Streams), so that its tools can read them.
"""

import re
from collections.abc import Callable, Sequence

from google.protobuf.message import Message

from comitia.effects import DeadLetter, Effect, Publish
from comitia.errors import Poison
from comitia.ports import Ack, Outgoing, Record
from comitia.runtime.codec import Codec, trace_context
from comitia.runtime.partitioner import partition_of
from comitia.topics import TOPICS, Names
from comitia.v1 import dead_letter_pb2, decision_pb2, panel_event_pb2
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.task_pb2 import Task

HEADERS_BYTES_MAX = 64 * 1024
ERROR_BYTES_MAX = 16 * 1024
# A longer key stays in the letter alone: as the letter's own key it would take its room twice.
KEY_BYTES_MAX = 16 * 1024
# Of what a task's log is told: characters.
REASON_MAX = 4_096
# What the letter adds to the original: origin, error, headers, and the record's own overhead.
_ENVELOPE_BYTES = HEADERS_BYTES_MAX + 2 * ERROR_BYTES_MAX + KEY_BYTES_MAX + 16 * 1024
ORIGINAL_BYTES_MAX = TOPICS["dead-letters"].bytes_max - _ENVELOPE_BYTES
TOO_LARGE = "TOO_LARGE"
_TASK_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

Refused = Callable[[str, Poison, decision_pb2.DeadLetterRef], Sequence[Effect]]


def readable_task_id(record: Record) -> str:
    """The task's id from the record's key, where the value cannot be read; "" when it is none."""
    key = record.key or b""
    return key.decode() if _TASK_ID.fullmatch(key) else ""


def task_id_of(message: Message) -> str:
    """Id of the task that a message of ours is or speaks of; "" when it names none."""
    if isinstance(message, Task):
        return message.id
    if isinstance(message, Assignment):
        return message.task.id
    return str(getattr(message, "task_id", ""))


def letter(codec: Codec, names: Names, original: Record, why: DeadLetter, service: str) -> Outgoing:
    """The record for the dead-letters topic. What exceeds its bounds is cut, and the error says
    so.
    """
    error = why.error
    key, value = original.key or b"", original.value
    room = max(0, ORIGINAL_BYTES_MAX - len(key))
    if value is not None and len(value) > room:
        error = f"{error} (value of {len(value)} bytes cut to {room})"
        value = value[:room]
    kept = _bounded(original.headers)
    if len(kept) < len(original.headers):
        error = f"{error} ({len(original.headers) - len(kept)} headers left out)"
    error = error.encode()[:ERROR_BYTES_MAX].decode(errors="ignore")
    message = dead_letter_pb2.DeadLetter(
        topic=original.topic,
        partition=original.partition,
        offset=original.offset,
        timestamp_ms=original.timestamp_ms,
        key=original.key,
        value=value,
        headers=[dead_letter_pb2.Header(key=key, value=data) for key, data in kept],
        service=service,
        reason=why.reason,
        error=error,
        attempts=1,
        task_id=why.task_id,
    )
    headers = codec.headers(dead_letter_pb2.DeadLetter, *trace_context(original.headers))
    return Outgoing(
        names.topic("dead-letters"),
        message.SerializeToString(),
        original.key if len(key) <= KEY_BYTES_MAX else None,
        (*headers, *_kip_1034(original, why.reason, error)),
    )


def ref(ack: Ack) -> decision_pb2.DeadLetterRef:
    """Where an acknowledged dead letter stands."""
    return decision_pb2.DeadLetterRef(topic=ack.topic, partition=ack.partition, offset=ack.offset)


def task_refused(names: Names, partitions: int) -> Refused:
    """For the router: a task that could not be read is refused in its log (REJECTED)."""

    def refused(task_id: str, why: Poison, kept: decision_pb2.DeadLetterRef) -> Sequence[Effect]:
        event = panel_event_pb2.PanelEvent(task_id=task_id)
        event.task_refused.status = decision_pb2.DECISION_STATUS_REJECTED
        event.task_refused.reason = f"{why.reason}: {why}"[:REASON_MAX]
        event.task_refused.dead_letter.CopyFrom(kept)
        return (_event(names, event, partition_of(task_id, partitions)),)

    return refused


def task_failed(names: Names, partition: int) -> Refused:
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


def _bounded(headers: tuple[tuple[str, bytes], ...]) -> list[tuple[str, bytes]]:
    """The first headers, as many as fit into HEADERS_BYTES_MAX."""
    kept: list[tuple[str, bytes]] = []
    room = HEADERS_BYTES_MAX
    for key, value in headers:
        room -= len(key.encode()) + len(value or b"") + 16
        if room < 0:
            break
        kept.append((key, value))
    return kept


def _kip_1034(original: Record, reason: str, error: str) -> tuple[tuple[str, bytes], ...]:
    prefix = "__streams.errors."
    return (
        (prefix + "exception", reason.encode()),
        (prefix + "message", error.encode()),
        (prefix + "topic", original.topic.encode()),
        (prefix + "partition", str(original.partition).encode()),
        (prefix + "offset", str(original.offset).encode()),
    )
