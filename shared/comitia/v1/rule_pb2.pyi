from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RuleEffect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_EFFECT_UNSPECIFIED: _ClassVar[RuleEffect]
    RULE_EFFECT_UNDECIDED: _ClassVar[RuleEffect]
    RULE_EFFECT_NEXT_VALUE: _ClassVar[RuleEffect]
    RULE_EFFECT_PERSON: _ClassVar[RuleEffect]
RULE_EFFECT_UNSPECIFIED: RuleEffect
RULE_EFFECT_UNDECIDED: RuleEffect
RULE_EFFECT_NEXT_VALUE: RuleEffect
RULE_EFFECT_PERSON: RuleEffect

class Rules(_message.Message):
    __slots__ = ("rules",)
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[Rule]
    def __init__(self, rules: _Optional[_Iterable[_Union[Rule, _Mapping]]] = ...) -> None: ...

class Rule(_message.Message):
    __slots__ = ("name", "veto", "required", "owner", "guard_words", "bounds", "effect", "because")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VETO_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GUARD_WORDS_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    name: str
    veto: Veto
    required: RequiredVoter
    owner: OwnerWins
    guard_words: GuardWords
    bounds: NumericBounds
    effect: RuleEffect
    because: str
    def __init__(self, name: _Optional[str] = ..., veto: _Optional[_Union[Veto, _Mapping]] = ..., required: _Optional[_Union[RequiredVoter, _Mapping]] = ..., owner: _Optional[_Union[OwnerWins, _Mapping]] = ..., guard_words: _Optional[_Union[GuardWords, _Mapping]] = ..., bounds: _Optional[_Union[NumericBounds, _Mapping]] = ..., effect: _Optional[_Union[RuleEffect, str]] = ..., because: _Optional[str] = ...) -> None: ...

class RuleVoter(_message.Message):
    __slots__ = ("agent", "role")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    agent: str
    role: str
    def __init__(self, agent: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class Veto(_message.Message):
    __slots__ = ("voter", "confidence_min")
    VOTER_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_MIN_FIELD_NUMBER: _ClassVar[int]
    voter: RuleVoter
    confidence_min: float
    def __init__(self, voter: _Optional[_Union[RuleVoter, _Mapping]] = ..., confidence_min: _Optional[float] = ...) -> None: ...

class RequiredVoter(_message.Message):
    __slots__ = ("voter",)
    VOTER_FIELD_NUMBER: _ClassVar[int]
    voter: RuleVoter
    def __init__(self, voter: _Optional[_Union[RuleVoter, _Mapping]] = ...) -> None: ...

class OwnerWins(_message.Message):
    __slots__ = ("voter", "confidence_min", "option_ids")
    VOTER_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_MIN_FIELD_NUMBER: _ClassVar[int]
    OPTION_IDS_FIELD_NUMBER: _ClassVar[int]
    voter: RuleVoter
    confidence_min: float
    option_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, voter: _Optional[_Union[RuleVoter, _Mapping]] = ..., confidence_min: _Optional[float] = ..., option_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GuardWords(_message.Message):
    __slots__ = ("words",)
    WORDS_FIELD_NUMBER: _ClassVar[int]
    words: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, words: _Optional[_Iterable[str]] = ...) -> None: ...

class NumericBounds(_message.Message):
    __slots__ = ("field", "min", "max")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    field: str
    min: float
    max: float
    def __init__(self, field: _Optional[str] = ..., min: _Optional[float] = ..., max: _Optional[float] = ...) -> None: ...
