from comitia.v1 import value_pb2 as _value_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(_message.Message):
    __slots__ = ("task_id", "root_id", "revision", "decision_offset", "value", "because", "by")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ROOT_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_OFFSET_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    root_id: str
    revision: int
    decision_offset: int
    value: _value_pb2.Value
    because: str
    by: str
    def __init__(self, task_id: _Optional[str] = ..., root_id: _Optional[str] = ..., revision: _Optional[int] = ..., decision_offset: _Optional[int] = ..., value: _Optional[_Union[_value_pb2.Value, _Mapping]] = ..., because: _Optional[str] = ..., by: _Optional[str] = ...) -> None: ...
