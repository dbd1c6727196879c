"""Values framed by Confluent's serialisers: read wherever a message is, refused where the frame is
broken. The layout is that of Confluent's documentation of its wire format: a magic byte 0, the
schema's id in four bytes, big-endian, then the message indexes as zigzag varints.
"""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.errors import Poison
from comitia.ports import Record
from comitia.runtime.codec import Codec, unframed
from comitia.v1 import decision_pb2 as d
from comitia.v1.cancel_pb2 import Cancel
from comitia.v1.command_pb2 import Command
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.task_pb2 import Task
from tests.unit.panel_world import COMMANDS, Panel, a_task
from tests.unit.runtime_world import until

CODEC = Codec("test", "i")


def zigzag(number: int) -> bytes:
    """A signed 32-bit number as a zigzag varint."""
    left = (number << 1) ^ (number >> 31)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


def framed(payload: bytes, indexes: tuple[int, ...] = (0,), schema_id: int = 100_001) -> bytes:
    """As the serialiser writes it: the path [0] is shortened to a single 0."""
    path = b"\x00" if indexes == (0,) else b"".join(map(zigzag, (len(indexes), *indexes)))
    return b"\x00" + struct.pack(">I", schema_id) + path + payload


def record(value: bytes) -> Record:
    return Record("t", 0, 0, 0, b"k", value)


@pytest.mark.parametrize("indexes", [(0,), (1,), (2, 0), (0, 0, 0), (63, 64, 8_191, 8_192), ()])
def test_a_frame_is_taken_off_whatever_path_it_names(indexes: tuple[int, ...]) -> None:
    task = a_task("t-1")
    found = CODEC.decode(Task, record(framed(task.SerializeToString(), indexes)))
    assert found.message == task


@pytest.mark.parametrize(
    "message", [a_task("t"), Command(cancel=Cancel(task_id="t")), Feedback(task_id="t")]
)
def test_what_users_write_may_be_framed_or_bare(message: Task | Command | Feedback) -> None:
    payload = message.SerializeToString()
    for value in (payload, framed(payload)):
        assert CODEC.decode(type(message), record(value)).message == message


@given(st.lists(st.integers(0, 2**31 - 1), max_size=64), st.binary(), st.integers(0, 2**32 - 1))
def test_every_frame_gives_back_what_was_put_in(
    indexes: list[int], payload: bytes, schema_id: int
) -> None:
    assert unframed(framed(payload, tuple(indexes), schema_id)) == payload


BROKEN = [
    *(framed(b"", (300, 300))[:length] for length in range(1, 10)),
    b"\x00\x00\x00\x00\x01" + b"\xff" * 20,
    b"\x00\x00\x00\x00\x01" + zigzag(-1),
    b"\x00\x00\x00\x00\x01" + zigzag(1) + zigzag(-5),
    b"\x00\x00\x00\x00\x01" + zigzag(1_000_000) + b"\x00" * 100,
    framed(b"\xff\xff no task"),
]


@pytest.mark.parametrize("value", BROKEN)
def test_a_broken_frame_is_unreadable(value: bytes) -> None:
    with pytest.raises(Poison) as caught:
        CODEC.decode(Task, record(value))
    assert caught.value.reason == "UNREADABLE"


@given(st.binary(max_size=40))
def test_no_bytes_after_the_magic_byte_raise_anything_else(rest: bytes) -> None:
    try:
        CODEC.decode(Task, record(b"\x00" + rest))
    except Poison as poison:
        assert poison.reason == "UNREADABLE"


def test_no_bare_message_begins_like_a_frame() -> None:
    # A tag's field number is at least 1, so its first byte is never 0.
    assert min(field.number for field in Task.DESCRIPTOR.fields) >= 1
    with pytest.raises(Poison):
        CODEC.decode(Task, record(b"\x00"))


def test_framed_tasks_and_commands_go_through_a_panel() -> None:
    panel = Panel()

    async def story() -> None:
        await panel.publish(framed(a_task("t-1").SerializeToString()), "t-1")
        assert (await panel.decided("t-1")).status == d.DECISION_STATUS_DECIDED
        cancel = Command(cancel=Cancel(task_id="t-2", reason="no longer wanted"))
        await panel.world.write(COMMANDS, "t-2", framed(cancel.SerializeToString(), (0, 1)))
        await until(lambda: any(e.HasField("task_cancelled") for e in panel.events()))
        await panel.publish(framed(a_task("t-2").SerializeToString(), (2,)), "t-2")
        assert (await panel.decided("t-2")).status == d.DECISION_STATUS_CANCELLED
        await panel.publish(framed(b"")[:4], "t-3")
        assert (await panel.decided("t-3")).status == d.DECISION_STATUS_REJECTED
        assert [letter.reason for letter in panel.letters()] == ["UNREADABLE"]

    panel.run(story)
