from comitia.v1 import value_pb2 as _value_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AbstentionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ABSTENTION_REASON_UNSPECIFIED: _ClassVar[AbstentionReason]
    ABSTENTION_REASON_UNDECIDED: _ClassVar[AbstentionReason]
    ABSTENTION_REASON_UNSUPPORTED: _ClassVar[AbstentionReason]
    ABSTENTION_REASON_TOO_LONG: _ClassVar[AbstentionReason]
    ABSTENTION_REASON_OVERLOADED: _ClassVar[AbstentionReason]
    ABSTENTION_REASON_FAILED: _ClassVar[AbstentionReason]
ABSTENTION_REASON_UNSPECIFIED: AbstentionReason
ABSTENTION_REASON_UNDECIDED: AbstentionReason
ABSTENTION_REASON_UNSUPPORTED: AbstentionReason
ABSTENTION_REASON_TOO_LONG: AbstentionReason
ABSTENTION_REASON_OVERLOADED: AbstentionReason
ABSTENTION_REASON_FAILED: AbstentionReason

class Answer(_message.Message):
    __slots__ = ("assignment_id", "agent", "value", "abstention", "probabilities", "confidence", "rationale", "embedding", "usage", "timings", "model", "deadline_ms", "utilities", "input_embedding")
    ASSIGNMENT_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ABSTENTION_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    RATIONALE_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    UTILITIES_FIELD_NUMBER: _ClassVar[int]
    INPUT_EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    assignment_id: str
    agent: str
    value: _value_pb2.Value
    abstention: Abstention
    probabilities: _containers.RepeatedCompositeFieldContainer[OptionProbability]
    confidence: float
    rationale: str
    embedding: Embedding
    usage: Usage
    timings: Timings
    model: ModelRef
    deadline_ms: int
    utilities: _containers.RepeatedCompositeFieldContainer[Utility]
    input_embedding: Embedding
    def __init__(self, assignment_id: _Optional[str] = ..., agent: _Optional[str] = ..., value: _Optional[_Union[_value_pb2.Value, _Mapping]] = ..., abstention: _Optional[_Union[Abstention, _Mapping]] = ..., probabilities: _Optional[_Iterable[_Union[OptionProbability, _Mapping]]] = ..., confidence: _Optional[float] = ..., rationale: _Optional[str] = ..., embedding: _Optional[_Union[Embedding, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., model: _Optional[_Union[ModelRef, _Mapping]] = ..., deadline_ms: _Optional[int] = ..., utilities: _Optional[_Iterable[_Union[Utility, _Mapping]]] = ..., input_embedding: _Optional[_Union[Embedding, _Mapping]] = ...) -> None: ...

class Utility(_message.Message):
    __slots__ = ("issue", "option", "utility")
    ISSUE_FIELD_NUMBER: _ClassVar[int]
    OPTION_FIELD_NUMBER: _ClassVar[int]
    UTILITY_FIELD_NUMBER: _ClassVar[int]
    issue: str
    option: str
    utility: float
    def __init__(self, issue: _Optional[str] = ..., option: _Optional[str] = ..., utility: _Optional[float] = ...) -> None: ...

class Abstention(_message.Message):
    __slots__ = ("reason", "detail")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    reason: AbstentionReason
    detail: str
    def __init__(self, reason: _Optional[_Union[AbstentionReason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class OptionProbability(_message.Message):
    __slots__ = ("option_id", "probability")
    OPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    option_id: str
    probability: float
    def __init__(self, option_id: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class Embedding(_message.Message):
    __slots__ = ("embedder", "vector")
    EMBEDDER_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    embedder: str
    vector: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, embedder: _Optional[str] = ..., vector: _Optional[_Iterable[float]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("prompt_tokens", "completion_tokens", "cached_tokens")
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    def __init__(self, prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("queued_ms", "worked_ms")
    QUEUED_MS_FIELD_NUMBER: _ClassVar[int]
    WORKED_MS_FIELD_NUMBER: _ClassVar[int]
    queued_ms: int
    worked_ms: int
    def __init__(self, queued_ms: _Optional[int] = ..., worked_ms: _Optional[int] = ...) -> None: ...

class ModelRef(_message.Message):
    __slots__ = ("name", "digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...
