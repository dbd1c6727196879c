from comitia.v1 import format_pb2 as _format_pb2
from comitia.v1 import step_pb2 as _step_pb2
from comitia.v1 import value_pb2 as _value_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METHOD_UNSPECIFIED: _ClassVar[Method]
    METHOD_PLURALITY: _ClassVar[Method]
    METHOD_PROBABILITY_WEIGHTED: _ClassVar[Method]
    METHOD_APPROVAL: _ClassVar[Method]
    METHOD_WEIGHTED: _ClassVar[Method]
    METHOD_LOG_POOL: _ClassVar[Method]
    METHOD_LEARNED: _ClassVar[Method]
    METHOD_MEDIAN: _ClassVar[Method]
    METHOD_TRIMMED_MEAN: _ClassVar[Method]
    METHOD_WEIGHTED_MEAN: _ClassVar[Method]
    METHOD_FIELDS: _ClassVar[Method]
    METHOD_BORDA: _ClassVar[Method]
    METHOD_COPELAND: _ClassVar[Method]
    METHOD_SCHULZE: _ClassVar[Method]
    METHOD_MINIMUM_BAYES_RISK: _ClassVar[Method]
    METHOD_ATTENTION: _ClassVar[Method]

class Selection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SELECTION_UNSPECIFIED: _ClassVar[Selection]
    SELECTION_SKILL: _ClassVar[Selection]
    SELECTION_BROADCAST: _ClassVar[Selection]
    SELECTION_WEIGHTED: _ClassVar[Selection]
METHOD_UNSPECIFIED: Method
METHOD_PLURALITY: Method
METHOD_PROBABILITY_WEIGHTED: Method
METHOD_APPROVAL: Method
METHOD_WEIGHTED: Method
METHOD_LOG_POOL: Method
METHOD_LEARNED: Method
METHOD_MEDIAN: Method
METHOD_TRIMMED_MEAN: Method
METHOD_WEIGHTED_MEAN: Method
METHOD_FIELDS: Method
METHOD_BORDA: Method
METHOD_COPELAND: Method
METHOD_SCHULZE: Method
METHOD_MINIMUM_BAYES_RISK: Method
METHOD_ATTENTION: Method
SELECTION_UNSPECIFIED: Selection
SELECTION_SKILL: Selection
SELECTION_BROADCAST: Selection
SELECTION_WEIGHTED: Selection

class Policy(_message.Message):
    __slots__ = ("quorum", "method", "rounds", "samples", "selection", "seats_max", "wait_for_all", "probability_target", "steps", "vote_timeout_ms", "roles", "stages")
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    SEATS_MAX_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_ALL_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_TARGET_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    VOTE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    quorum: int
    method: Method
    rounds: int
    samples: int
    selection: Selection
    seats_max: int
    wait_for_all: bool
    probability_target: float
    steps: _containers.RepeatedCompositeFieldContainer[_step_pb2.Step]
    vote_timeout_ms: int
    roles: _containers.RepeatedCompositeFieldContainer[RoleSeats]
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    def __init__(self, quorum: _Optional[int] = ..., method: _Optional[_Union[Method, str]] = ..., rounds: _Optional[int] = ..., samples: _Optional[int] = ..., selection: _Optional[_Union[Selection, str]] = ..., seats_max: _Optional[int] = ..., wait_for_all: _Optional[bool] = ..., probability_target: _Optional[float] = ..., steps: _Optional[_Iterable[_Union[_step_pb2.Step, _Mapping]]] = ..., vote_timeout_ms: _Optional[int] = ..., roles: _Optional[_Iterable[_Union[RoleSeats, _Mapping]]] = ..., stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ...) -> None: ...

class RoleSeats(_message.Message):
    __slots__ = ("role", "seats")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SEATS_FIELD_NUMBER: _ClassVar[int]
    role: str
    seats: int
    def __init__(self, role: _Optional[str] = ..., seats: _Optional[int] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("name", "skill", "input", "format", "policy", "timeout_ms", "next", "entries_max")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SKILL_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_MAX_FIELD_NUMBER: _ClassVar[int]
    name: str
    skill: str
    input: str
    format: _format_pb2.AnswerFormat
    policy: Policy
    timeout_ms: int
    next: _containers.RepeatedCompositeFieldContainer[Branch]
    entries_max: int
    def __init__(self, name: _Optional[str] = ..., skill: _Optional[str] = ..., input: _Optional[str] = ..., format: _Optional[_Union[_format_pb2.AnswerFormat, _Mapping]] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., timeout_ms: _Optional[int] = ..., next: _Optional[_Iterable[_Union[Branch, _Mapping]]] = ..., entries_max: _Optional[int] = ...) -> None: ...

class Branch(_message.Message):
    __slots__ = ("values", "stage")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[_value_pb2.Value]
    stage: str
    def __init__(self, values: _Optional[_Iterable[_Union[_value_pb2.Value, _Mapping]]] = ..., stage: _Optional[str] = ...) -> None: ...
