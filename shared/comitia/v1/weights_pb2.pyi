from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Weights(_message.Message):
    __slots__ = ("skill", "version", "agents", "feedback_offsets")
    class FeedbackOffsetsEntry(_message.Message):
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
    skill: str
    version: int
    agents: _containers.RepeatedCompositeFieldContainer[AgentWeight]
    feedback_offsets: _containers.ScalarMap[int, int]
    def __init__(self, skill: _Optional[str] = ..., version: _Optional[int] = ..., agents: _Optional[_Iterable[_Union[AgentWeight, _Mapping]]] = ..., feedback_offsets: _Optional[_Mapping[int, int]] = ...) -> None: ...

class AgentWeight(_message.Message):
    __slots__ = ("agent", "model_digest", "weight")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    agent: str
    model_digest: str
    weight: float
    def __init__(self, agent: _Optional[str] = ..., model_digest: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...
