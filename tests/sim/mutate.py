"""Mutations of messages: of their bytes, and of their fields.

In come valid messages and chance; out come bytes that are almost a message, or a message that no
honest writer would send. The same chance gives the same bytes.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

VARINT_MAX = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
# Longer than any integer of a message, and never ending.
VARINT_BOMBS = (VARINT_MAX, b"\xff\xff\xff\xff\x0f", b"\xff" * 12, b"\x80" * 20 + b"\x01")
BAD_UTF8 = (b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80")
TEXTS = ("", "x" * 300, "\x00", "\u202e\U0001f9d1", "a\nb\r\x1b[31m", "-1e999", "[[[[", "t1")
NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)
FLOATS = (0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 1e308, 5e-324)
DEPTH_MAX = 6
Change = Callable[[bytearray, Sequence[bytes], Random], None]


def mutated(corpus: Sequence[bytes], kind: type[Message], chance: Random) -> bytes:
    """One of `corpus`, which are messages of this kind, changed in its fields, its bytes or both;
    once in a while not at all.
    """
    data = chance.choice(corpus)
    if chance.random() < 0.5:
        message = kind()
        try:
            message.ParseFromString(data)
        except DecodeError:
            pass  # not a message any more: its bytes are changed below
        else:
            for _ in range(chance.choice((1, 1, 2, 4))):
                change_field(message, chance)
            data = message.SerializeToString()
    changed = bytearray(data)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 5))):
        chance.choice(CHANGES)(changed, corpus, chance)
    return bytes(changed)


def change_field(message: Message, chance: Random, depth: int = 0) -> None:
    """Set, clear, fill or double one field, somewhere in the tree."""
    if not message.DESCRIPTOR.fields:
        return
    fields: list[Any] = list(message.DESCRIPTOR.fields)
    field = chance.choice(fields)
    nested = field.message_type is not None
    if chance.random() < 0.15:
        message.ClearField(field.name)
    elif field.is_repeated:
        _change_repeated(getattr(message, field.name), field, chance, depth)
    elif nested:
        value = getattr(message, field.name)
        value.SetInParent()
        if depth < DEPTH_MAX:
            change_field(value, chance, depth + 1)
    else:
        setattr(message, field.name, _scalar(field, chance))


def _change_repeated(values: Any, field: FieldDescriptor, chance: Random, depth: int) -> None:
    kind = chance.random()
    if values and kind < 0.2:
        del values[chance.randrange(len(values)) :]
    elif values and kind < 0.5:
        values.append(chance.choice(values))
    elif field.message_type is None:
        values.extend(_scalar(field, chance) for _ in range(chance.choice((1, 2, 50))))
    else:
        value = chance.choice(values) if values and kind < 0.8 else values.add()
        if depth < DEPTH_MAX:
            change_field(value, chance, depth + 1)


def _scalar(field: FieldDescriptor, chance: Random) -> Any:
    """Any value that the field's type can hold; large ones and odd ones more often."""
    cpp = field.cpp_type
    if cpp == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return chance.randbytes(chance.choice((0, 1, 16, 40)))
        return chance.choice(TEXTS)
    if cpp in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return chance.choice(FLOATS)
    if cpp == FieldDescriptor.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if cpp == FieldDescriptor.CPPTYPE_ENUM:
        return chance.choice((0, 1, 2, 5, 99, -1))
    low, high = {
        FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
        FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    }[cpp]
    return chance.choice([number for number in NUMBERS if low <= number <= high])


def flip(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def drop(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    at = chance.randrange(len(data) + 1)
    del data[at : at + chance.randrange(1, 9)]


def insert(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.randbytes(chance.randrange(1, 9))


def splice(data: bytearray, corpus: Sequence[bytes], chance: Random) -> None:
    other = chance.choice(corpus)
    data[chance.randrange(len(data) + 1) :] = other[chance.randrange(len(other) + 1) :]


def double(data: bytearray, corpus: Sequence[bytes], chance: Random) -> None:
    """The message twice over, or another one behind it: all its fields come again."""
    data += bytes(data) if chance.random() < 0.5 else chance.choice(corpus)


def bomb(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    """A number or a length far beyond what follows."""
    at = chance.randrange(len(data) + 1)
    data[at : at + chance.randrange(2)] = chance.choice(VARINT_BOMBS)


def nest(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    """Messages within messages, deeper than any parser follows or a little less."""
    tag = chance.randrange(1, 16) << 3 | 2
    inner = bytes(data[:40])
    for _level in range(chance.choice((5, 60, 110))):
        inner = bytes((tag,)) + _varint(len(inner)) + inner
    data += inner


def unknown(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    """A field that no version knows."""
    payload = chance.randbytes(chance.randrange(20))
    data += _varint(chance.randrange(100, 5_000) << 3 | 2) + _varint(len(payload)) + payload


def spoil_text(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    """Bytes within a text that are no UTF-8, of the same length where there is room."""
    if len(data) > 8:
        bad = chance.choice(BAD_UTF8)
        at = chance.randrange(len(data) - len(bad))
        data[at : at + len(bad)] = bad


def frame(data: bytearray, _: Sequence[bytes], chance: Random) -> None:
    """As a serialiser of Confluent's frames it, more or less."""
    indexes = chance.choice((b"\x00", b"\x02\x00", b"\x04\x02\x00", VARINT_MAX, b"", b"\x01"))
    data[0:0] = b"\x00" + chance.randbytes(4) + indexes


CHANGES: tuple[Change, ...] = (
    flip, flip, flip, cut, drop, insert, splice, double, bomb, nest, unknown, spoil_text, frame,
)  # fmt: skip


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
