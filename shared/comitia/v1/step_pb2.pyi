from comitia.v1 import rule_pb2 as _rule_pb2
from comitia.v1 import value_pb2 as _value_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Peers(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PEERS_UNSPECIFIED: _ClassVar[Peers]
    PEERS_ALL: _ClassVar[Peers]
    PEERS_OPPONENTS: _ClassVar[Peers]
    PEERS_ANONYMOUS: _ClassVar[Peers]
    PEERS_NONE: _ClassVar[Peers]

class Concession(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONCESSION_UNSPECIFIED: _ClassVar[Concession]
    CONCESSION_BOULWARE: _ClassVar[Concession]
    CONCESSION_LINEAR: _ClassVar[Concession]
    CONCESSION_CONCEDER: _ClassVar[Concession]
    CONCESSION_TIT_FOR_TAT: _ClassVar[Concession]

class Expiry(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPIRY_UNSPECIFIED: _ClassVar[Expiry]
    EXPIRY_EXPIRE: _ClassVar[Expiry]
    EXPIRY_LEADER: _ClassVar[Expiry]
    EXPIRY_VALUE: _ClassVar[Expiry]
PEERS_UNSPECIFIED: Peers
PEERS_ALL: Peers
PEERS_OPPONENTS: Peers
PEERS_ANONYMOUS: Peers
PEERS_NONE: Peers
CONCESSION_UNSPECIFIED: Concession
CONCESSION_BOULWARE: Concession
CONCESSION_LINEAR: Concession
CONCESSION_CONCEDER: Concession
CONCESSION_TIT_FOR_TAT: Concession
EXPIRY_UNSPECIFIED: Expiry
EXPIRY_EXPIRE: Expiry
EXPIRY_LEADER: Expiry
EXPIRY_VALUE: Expiry

class Step(_message.Message):
    __slots__ = ("name", "when", "tokens_max", "timeout_ms", "deliberation", "negotiation", "judge", "rules", "person")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    TOKENS_MAX_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    DELIBERATION_FIELD_NUMBER: _ClassVar[int]
    NEGOTIATION_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    when: Condition
    tokens_max: int
    timeout_ms: int
    deliberation: Deliberation
    negotiation: Negotiation
    judge: Judge
    rules: _rule_pb2.Rules
    person: Person
    def __init__(self, name: _Optional[str] = ..., when: _Optional[_Union[Condition, _Mapping]] = ..., tokens_max: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., deliberation: _Optional[_Union[Deliberation, _Mapping]] = ..., negotiation: _Optional[_Union[Negotiation, _Mapping]] = ..., judge: _Optional[_Union[Judge, _Mapping]] = ..., rules: _Optional[_Union[_rule_pb2.Rules, _Mapping]] = ..., person: _Optional[_Union[Person, _Mapping]] = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ("undecided", "margin_below", "probability_below", "always")
    UNDECIDED_FIELD_NUMBER: _ClassVar[int]
    MARGIN_BELOW_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_BELOW_FIELD_NUMBER: _ClassVar[int]
    ALWAYS_FIELD_NUMBER: _ClassVar[int]
    undecided: bool
    margin_below: float
    probability_below: float
    always: bool
    def __init__(self, undecided: _Optional[bool] = ..., margin_below: _Optional[float] = ..., probability_below: _Optional[float] = ..., always: _Optional[bool] = ...) -> None: ...

class Deliberation(_message.Message):
    __slots__ = ("rounds", "peers", "peers_max")
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    PEERS_MAX_FIELD_NUMBER: _ClassVar[int]
    rounds: int
    peers: Peers
    peers_max: int
    def __init__(self, rounds: _Optional[int] = ..., peers: _Optional[_Union[Peers, str]] = ..., peers_max: _Optional[int] = ...) -> None: ...

class Negotiation(_message.Message):
    __slots__ = ("rounds", "concession", "reservation")
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    CONCESSION_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    rounds: int
    concession: Concession
    reservation: float
    def __init__(self, rounds: _Optional[int] = ..., concession: _Optional[_Union[Concession, str]] = ..., reservation: _Optional[float] = ...) -> None: ...

class Judge(_message.Message):
    __slots__ = ("skill", "agents", "judges", "swap", "may_write")
    SKILL_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    JUDGES_FIELD_NUMBER: _ClassVar[int]
    SWAP_FIELD_NUMBER: _ClassVar[int]
    MAY_WRITE_FIELD_NUMBER: _ClassVar[int]
    skill: str
    agents: _containers.RepeatedScalarFieldContainer[str]
    judges: int
    swap: bool
    may_write: bool
    def __init__(self, skill: _Optional[str] = ..., agents: _Optional[_Iterable[str]] = ..., judges: _Optional[int] = ..., swap: _Optional[bool] = ..., may_write: _Optional[bool] = ...) -> None: ...

class Person(_message.Message):
    __slots__ = ("expires_ms", "expiry", "value")
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    expires_ms: int
    expiry: Expiry
    value: _value_pb2.Value
    def __init__(self, expires_ms: _Optional[int] = ..., expiry: _Optional[_Union[Expiry, str]] = ..., value: _Optional[_Union[_value_pb2.Value, _Mapping]] = ...) -> None: ...
