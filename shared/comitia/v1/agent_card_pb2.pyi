from comitia.v1 import answer_pb2 as _answer_pb2
from comitia.v1 import format_pb2 as _format_pb2
from comitia.v1 import input_pb2 as _input_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AgentCard(_message.Message):
    __slots__ = ("name", "version", "description", "skills", "role", "inputs", "formats", "model", "no_heartbeat", "content_digest", "priority_lane", "shadow")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SKILLS_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NO_HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_LANE_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    description: str
    skills: _containers.RepeatedScalarFieldContainer[str]
    role: str
    inputs: _containers.RepeatedScalarFieldContainer[_input_pb2.InputKind]
    formats: _containers.RepeatedScalarFieldContainer[_format_pb2.FormatKind]
    model: _answer_pb2.ModelRef
    no_heartbeat: bool
    content_digest: str
    priority_lane: bool
    shadow: bool
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., description: _Optional[str] = ..., skills: _Optional[_Iterable[str]] = ..., role: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[_input_pb2.InputKind, str]]] = ..., formats: _Optional[_Iterable[_Union[_format_pb2.FormatKind, str]]] = ..., model: _Optional[_Union[_answer_pb2.ModelRef, _Mapping]] = ..., no_heartbeat: _Optional[bool] = ..., content_digest: _Optional[str] = ..., priority_lane: _Optional[bool] = ..., shadow: _Optional[bool] = ...) -> None: ...
