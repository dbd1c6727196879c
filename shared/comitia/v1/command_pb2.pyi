from comitia.v1 import cancel_pb2 as _cancel_pb2
from comitia.v1 import verdict_pb2 as _verdict_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Command(_message.Message):
    __slots__ = ("cancel", "verdict")
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    cancel: _cancel_pb2.Cancel
    verdict: _verdict_pb2.Verdict
    def __init__(self, cancel: _Optional[_Union[_cancel_pb2.Cancel, _Mapping]] = ..., verdict: _Optional[_Union[_verdict_pb2.Verdict, _Mapping]] = ...) -> None: ...
