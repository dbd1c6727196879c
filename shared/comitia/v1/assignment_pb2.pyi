from comitia.v1 import answer_pb2 as _answer_pb2
from comitia.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Assignment(_message.Message):
    __slots__ = ("id", "panel_id", "seat", "sample", "round", "role", "task", "peers", "deadline_ms", "reply_topic", "reply_partition", "agent", "step", "previous", "may_write", "tokens_max")
    ID_FIELD_NUMBER: _ClassVar[int]
    PANEL_ID_FIELD_NUMBER: _ClassVar[int]
    SEAT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    REPLY_TOPIC_FIELD_NUMBER: _ClassVar[int]
    REPLY_PARTITION_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    MAY_WRITE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_MAX_FIELD_NUMBER: _ClassVar[int]
    id: str
    panel_id: str
    seat: int
    sample: int
    round: int
    role: str
    task: _task_pb2.Task
    peers: _containers.RepeatedCompositeFieldContainer[PeerAnswer]
    deadline_ms: int
    reply_topic: str
    reply_partition: int
    agent: str
    step: str
    previous: _answer_pb2.Answer
    may_write: bool
    tokens_max: int
    def __init__(self, id: _Optional[str] = ..., panel_id: _Optional[str] = ..., seat: _Optional[int] = ..., sample: _Optional[int] = ..., round: _Optional[int] = ..., role: _Optional[str] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., peers: _Optional[_Iterable[_Union[PeerAnswer, _Mapping]]] = ..., deadline_ms: _Optional[int] = ..., reply_topic: _Optional[str] = ..., reply_partition: _Optional[int] = ..., agent: _Optional[str] = ..., step: _Optional[str] = ..., previous: _Optional[_Union[_answer_pb2.Answer, _Mapping]] = ..., may_write: _Optional[bool] = ..., tokens_max: _Optional[int] = ...) -> None: ...

class PeerAnswer(_message.Message):
    __slots__ = ("seat", "round", "answer")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    seat: int
    round: int
    answer: _answer_pb2.Answer
    def __init__(self, seat: _Optional[int] = ..., round: _Optional[int] = ..., answer: _Optional[_Union[_answer_pb2.Answer, _Mapping]] = ...) -> None: ...
