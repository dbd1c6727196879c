from comitia.v1 import decision_pb2 as _decision_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Heartbeat(_message.Message):
    __slots__ = ("agent", "version", "instance", "interval_ms", "in_flight", "waiting", "leaving", "service", "delivery")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    agent: str
    version: int
    instance: str
    interval_ms: int
    in_flight: int
    waiting: int
    leaving: bool
    service: str
    delivery: _decision_pb2.Delivery
    def __init__(self, agent: _Optional[str] = ..., version: _Optional[int] = ..., instance: _Optional[str] = ..., interval_ms: _Optional[int] = ..., in_flight: _Optional[int] = ..., waiting: _Optional[int] = ..., leaving: _Optional[bool] = ..., service: _Optional[str] = ..., delivery: _Optional[_Union[_decision_pb2.Delivery, str]] = ...) -> None: ...
