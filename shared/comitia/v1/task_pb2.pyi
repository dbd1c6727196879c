from comitia.v1 import format_pb2 as _format_pb2
from comitia.v1 import input_pb2 as _input_pb2
from comitia.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_NORMAL: _ClassVar[Priority]
    PRIORITY_HIGH: _ClassVar[Priority]
PRIORITY_UNSPECIFIED: Priority
PRIORITY_NORMAL: Priority
PRIORITY_HIGH: Priority

class Task(_message.Message):
    __slots__ = ("id", "root_id", "parent_id", "stage", "skill", "input", "format", "timeout_ms", "priority", "policy", "budget", "seed", "tenant", "session", "deadline_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    ROOT_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    SKILL_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    root_id: str
    parent_id: str
    stage: str
    skill: str
    input: _input_pb2.Input
    format: _format_pb2.AnswerFormat
    timeout_ms: int
    priority: Priority
    policy: _policy_pb2.Policy
    budget: Budget
    seed: int
    tenant: str
    session: str
    deadline_ms: int
    def __init__(self, id: _Optional[str] = ..., root_id: _Optional[str] = ..., parent_id: _Optional[str] = ..., stage: _Optional[str] = ..., skill: _Optional[str] = ..., input: _Optional[_Union[_input_pb2.Input, _Mapping]] = ..., format: _Optional[_Union[_format_pb2.AnswerFormat, _Mapping]] = ..., timeout_ms: _Optional[int] = ..., priority: _Optional[_Union[Priority, str]] = ..., policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., seed: _Optional[int] = ..., tenant: _Optional[str] = ..., session: _Optional[str] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("tokens_max", "assignments_max")
    TOKENS_MAX_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_MAX_FIELD_NUMBER: _ClassVar[int]
    tokens_max: int
    assignments_max: int
    def __init__(self, tokens_max: _Optional[int] = ..., assignments_max: _Optional[int] = ...) -> None: ...
