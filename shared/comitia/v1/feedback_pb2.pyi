from comitia.v1 import value_pb2 as _value_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Feedback(_message.Message):
    __slots__ = ("id", "task_id", "decision_partition", "decision_offset", "correct", "by")
    ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_PARTITION_FIELD_NUMBER: _ClassVar[int]
    DECISION_OFFSET_FIELD_NUMBER: _ClassVar[int]
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    id: str
    task_id: str
    decision_partition: int
    decision_offset: int
    correct: _value_pb2.Value
    by: str
    def __init__(self, id: _Optional[str] = ..., task_id: _Optional[str] = ..., decision_partition: _Optional[int] = ..., decision_offset: _Optional[int] = ..., correct: _Optional[_Union[_value_pb2.Value, _Mapping]] = ..., by: _Optional[str] = ...) -> None: ...
