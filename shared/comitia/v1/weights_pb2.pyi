from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WeightsBasis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEIGHTS_BASIS_UNSPECIFIED: _ClassVar[WeightsBasis]
    WEIGHTS_BASIS_AGREEMENT: _ClassVar[WeightsBasis]
    WEIGHTS_BASIS_FEEDBACK: _ClassVar[WeightsBasis]
WEIGHTS_BASIS_UNSPECIFIED: WeightsBasis
WEIGHTS_BASIS_AGREEMENT: WeightsBasis
WEIGHTS_BASIS_FEEDBACK: WeightsBasis

class Weights(_message.Message):
    __slots__ = ("skill", "version", "agents", "feedback_offsets", "decision_offsets", "basis", "temperature", "feedback_count", "decision_count", "memory", "without_judges")
    class FeedbackOffsetsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    class DecisionOffsetsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    SKILL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    DECISION_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_COUNT_FIELD_NUMBER: _ClassVar[int]
    DECISION_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_JUDGES_FIELD_NUMBER: _ClassVar[int]
    skill: str
    version: int
    agents: _containers.RepeatedCompositeFieldContainer[AgentWeight]
    feedback_offsets: _containers.ScalarMap[int, int]
    decision_offsets: _containers.ScalarMap[int, int]
    basis: WeightsBasis
    temperature: float
    feedback_count: int
    decision_count: int
    memory: bytes
    without_judges: WeightsWithoutJudges
    def __init__(self, skill: _Optional[str] = ..., version: _Optional[int] = ..., agents: _Optional[_Iterable[_Union[AgentWeight, _Mapping]]] = ..., feedback_offsets: _Optional[_Mapping[int, int]] = ..., decision_offsets: _Optional[_Mapping[int, int]] = ..., basis: _Optional[_Union[WeightsBasis, str]] = ..., temperature: _Optional[float] = ..., feedback_count: _Optional[int] = ..., decision_count: _Optional[int] = ..., memory: _Optional[bytes] = ..., without_judges: _Optional[_Union[WeightsWithoutJudges, _Mapping]] = ...) -> None: ...

class WeightsWithoutJudges(_message.Message):
    __slots__ = ("agents", "temperature")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[AgentWeight]
    temperature: float
    def __init__(self, agents: _Optional[_Iterable[_Union[AgentWeight, _Mapping]]] = ..., temperature: _Optional[float] = ...) -> None: ...

class AgentWeight(_message.Message):
    __slots__ = ("agent", "model_digest", "weight", "probability_weight", "accuracy", "judged", "compared")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    agent: str
    model_digest: str
    weight: float
    probability_weight: float
    accuracy: float
    judged: int
    compared: int
    def __init__(self, agent: _Optional[str] = ..., model_digest: _Optional[str] = ..., weight: _Optional[float] = ..., probability_weight: _Optional[float] = ..., accuracy: _Optional[float] = ..., judged: _Optional[int] = ..., compared: _Optional[int] = ...) -> None: ...
