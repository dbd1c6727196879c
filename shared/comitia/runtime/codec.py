"""Bytes to messages and back: the generated protobuf classes, and the headers of every record.

In come records and Publish effects; out come `Recorded` messages and records to append. A record
carries its content type, the attributes of CloudEvents in binary mode, and the W3C trace context
when there is one; none of them is required of what others write. A value may be framed as
Confluent's serialisers do it. Unknown fields survive, because the parsed message keeps them.
"""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from comitia.effects import Publish, Recorded
from comitia.errors import Poison
from comitia.ports import Outgoing, Record

M = TypeVar("M", bound=Message)
Headers = tuple[tuple[str, bytes], ...]

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
UNREADABLE = "UNREADABLE"
CONTENT_TYPE = b"application/protobuf"
# W3C trace context: version 00 is 55 characters long; a tracestate need not be kept beyond 512.
_TRACEPARENT_LENGTH = 55
_TRACESTATE_LENGTH_MAX = 512
_SAMPLED = frozenset(b"%x" % flags for flags in range(1, 16, 2))
# Of a Confluent frame: the magic byte and the schema's id. Messages nest no deeper than this.
_FRAME_BYTES = 5
_INDEXES_MAX = 64


class Codec:
    """Codec of one process. `instance` must be unique: with a count it makes the events' ids."""

    def __init__(self, service: str, instance: str) -> None:
        self._source = f"/comitia/{service}".encode()
        self._instance = instance.encode()
        self._count = 0
        self._constant: dict[type[Message], Headers] = {}

    def decode(
        self, message: type[M], record: Record, traceparent: str | None = None
    ) -> Recorded[M]:
        """The record's message and where it stands. Poison (UNREADABLE) when it is not one.

        `traceparent` replaces the record's own, for a caller that has opened a span.
        """
        if not record.value:
            raise Poison(
                f"empty value: expected the bytes of a {message.DESCRIPTOR.full_name}", UNREADABLE
            )
        try:
            # No field has the number 0: only a frame begins with this byte.
            payload = record.value if record.value[0] else unframed(record.value)
            parsed = message.FromString(payload)
        except (DecodeError, ValueError) as error:
            raise Poison(
                f"{len(record.value)} bytes that are not a {message.DESCRIPTOR.full_name}: {error}",
                UNREADABLE,
            ) from error
        return Recorded(
            parsed,
            record.topic,
            record.partition,
            record.offset,
            record.timestamp_ms,
            trace_context(record.headers)[0] if traceparent is None else traceparent,
        )

    def encode(
        self,
        publish: Publish,
        traceparent: str = "",
        tracestate: str = "",
        partition: int | None = None,
    ) -> Outgoing:
        """The record to append, under the given trace context.

        `partition` is taken where the effect names none.
        """
        message = publish.message
        return Outgoing(
            publish.topic,
            message.SerializeToString(),
            publish.key.encode(),
            self.headers(type(message), traceparent, tracestate),
            partition if publish.partition is None else publish.partition,
        )

    def headers(self, message: type[Message], traceparent: str, tracestate: str) -> Headers:
        """Headers of a new record that carries a `message`."""
        constant = self._constant.get(message)
        if constant is None:
            constant = self._constant[message] = (
                ("content-type", CONTENT_TYPE),
                ("ce_specversion", b"1.0"),
                ("ce_source", self._source),
                ("ce_type", message.DESCRIPTOR.full_name.encode()),
            )
        self._count += 1
        headers = (*constant, ("ce_id", b"%b-%d" % (self._instance, self._count)))
        if not traceparent:
            return headers
        if not tracestate:
            return (*headers, (TRACEPARENT, traceparent.encode()))
        return (*headers, (TRACEPARENT, traceparent.encode()), (TRACESTATE, tracestate.encode()))


def trace_context(headers: Headers) -> tuple[str, str]:
    """`traceparent` and `tracestate` of a record; "" where absent or not fit to be passed on."""
    traceparent = tracestate = ""
    for key, value in headers:
        if key == TRACEPARENT and len(value or b"") == _TRACEPARENT_LENGTH and value.isascii():
            traceparent = value.decode()
        elif key == TRACESTATE and value.isascii() and len(value) <= _TRACESTATE_LENGTH_MAX:
            tracestate = value.decode()
    return traceparent, tracestate if traceparent else ""


def sampled_trace(headers: Headers) -> tuple[str, str] | None:
    """As `trace_context`, of a record whose trace is sampled; None of every other."""
    # From behind: records of ours end with it.
    for key, value in reversed(headers):
        if key == TRACEPARENT:
            return trace_context(headers) if (value or b"")[-1:] in _SAMPLED else None
    return None


def unframed(value: bytes) -> bytes:
    """The message's bytes out of a value framed as Confluent's protobuf serialiser does it, or
    `value` itself where it is not framed. ValueError when the frame is cut short or none at all.

    A frame is 0x00, four bytes of schema id, and the path of indexes that leads to the message
    within its schema: zigzag varints, their count first, with 0x00 standing for the path [0]. The
    schema is not looked up: the topic says which message it carries.
    """
    if not value or value[0] != 0:
        return value
    at = _FRAME_BYTES
    count, at = _varint(value, at)
    if not 0 <= count <= _INDEXES_MAX:
        raise ValueError(f"a frame that announces {count} message indexes")
    for _ in range(count):
        index, at = _varint(value, at)
        if index < 0:
            raise ValueError(f"a frame with the message index {index}")
    return value[at:]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag varint of 32 bits, and where it ends."""
    number = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            raise ValueError(f"a frame that is cut short: {len(data)} bytes")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
    raise ValueError("a frame with a message index that does not end")
