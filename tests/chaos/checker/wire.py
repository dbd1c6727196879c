"""The messages, without the services' generated classes: proto/ is compiled when the checker runs,
into a pool of its own.

In comes the bytes of a record; out comes a dynamic message. Confluent's framing (a zero byte, four
bytes of schema id, message indexes) is taken off where it is there.
"""

import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from grpc_tools import protoc

PROTO = Path(__file__).parents[3] / "proto"
PACKAGE = "comitia.v1"
FRAMED = 0x00
_SCHEMA_ID_END = 5


class Messages:
    """Message classes by their short name."""

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool

    def kind(self, name: str) -> Any:
        """The class of, for example, `Task`."""
        descriptor = self._pool.FindMessageTypeByName(f"{PACKAGE}.{name}")
        return message_factory.GetMessageClass(descriptor)

    def names_of(self, enum: str) -> Mapping[int, str]:
        """Number -> name of an enum's values, without the enum's own prefix."""
        found = self._pool.FindEnumTypeByName(f"{PACKAGE}.{enum}")
        prefix = "".join(f"_{c}" if c.isupper() else c.upper() for c in enum).lstrip("_") + "_"
        return {value.number: value.name.removeprefix(prefix) for value in found.values}

    def parse(self, name: str, value: bytes | None) -> Any | None:
        """The message, or None when `value` is not one."""
        if not value:
            return None
        bare = unframed(value)
        if not bare:
            return None
        try:
            return self.kind(name).FromString(bare)
        except DecodeError:
            return None


@cache
def messages() -> Messages:
    """Compile proto/ and load the result. RuntimeError when it does not compile."""
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    well_known = str(files("grpc_tools") / "_proto")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.binpb"
        code = protoc.main(
            [
                *("protoc", f"-I{PROTO}", f"-I{well_known}", "--include_imports"),
                *(f"--descriptor_set_out={out}", *sources),
            ]
        )
        if code != 0:
            raise RuntimeError(f"proto/ does not compile (protoc says {code})")
        compiled = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in compiled.file:
        pool.Add(file)
    return Messages(pool)


def unframed(value: bytes) -> bytes | None:
    """The payload without Confluent's frame; `value` itself where there is none, None where the
    frame is cut off.

    A bare message never begins with a zero byte, because no field has the number 0.
    """
    if value[0] != FRAMED:
        return value
    if len(value) <= _SCHEMA_ID_END:
        return None
    at = _SCHEMA_ID_END
    try:
        count, at = zigzag(value, at)
        for _ in range(count):
            _, at = zigzag(value, at)
    except IndexError:
        return None
    return value[at:]


def zigzag(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag varint at `at`, and where it ends. IndexError when it is cut short."""
    raw = shift = 0
    while True:
        byte = data[at]
        raw |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1), at
