from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
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
SELECTION_UNSPECIFIED: Selection
SELECTION_SKILL: Selection
SELECTION_BROADCAST: Selection
SELECTION_WEIGHTED: Selection

class Policy(_message.Message):
    __slots__ = ("quorum", "method", "rounds", "samples", "selection", "seats_max", "wait_for_all", "probability_target")
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    SEATS_MAX_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_ALL_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_TARGET_FIELD_NUMBER: _ClassVar[int]
    quorum: int
    method: Method
    rounds: int
    samples: int
    selection: Selection
    seats_max: int
    wait_for_all: bool
    probability_target: float
    def __init__(self, quorum: _Optional[int] = ..., method: _Optional[_Union[Method, str]] = ..., rounds: _Optional[int] = ..., samples: _Optional[int] = ..., selection: _Optional[_Union[Selection, str]] = ..., seats_max: _Optional[int] = ..., wait_for_all: _Optional[bool] = ..., probability_target: _Optional[float] = ...) -> None: ...
