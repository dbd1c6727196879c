from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FormatKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORMAT_KIND_UNSPECIFIED: _ClassVar[FormatKind]
    FORMAT_KIND_CHOICE: _ClassVar[FormatKind]
    FORMAT_KIND_TEXT: _ClassVar[FormatKind]
    FORMAT_KIND_NUMBER: _ClassVar[FormatKind]
    FORMAT_KIND_RANKING: _ClassVar[FormatKind]
    FORMAT_KIND_JSON: _ClassVar[FormatKind]
FORMAT_KIND_UNSPECIFIED: FormatKind
FORMAT_KIND_CHOICE: FormatKind
FORMAT_KIND_TEXT: FormatKind
FORMAT_KIND_NUMBER: FormatKind
FORMAT_KIND_RANKING: FormatKind
FORMAT_KIND_JSON: FormatKind

class AnswerFormat(_message.Message):
    __slots__ = ("choice", "text", "number", "ranking", "json")
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    choice: ChoiceFormat
    text: TextFormat
    number: NumberFormat
    ranking: RankingFormat
    json: JsonFormat
    def __init__(self, choice: _Optional[_Union[ChoiceFormat, _Mapping]] = ..., text: _Optional[_Union[TextFormat, _Mapping]] = ..., number: _Optional[_Union[NumberFormat, _Mapping]] = ..., ranking: _Optional[_Union[RankingFormat, _Mapping]] = ..., json: _Optional[_Union[JsonFormat, _Mapping]] = ...) -> None: ...

class ChoiceFormat(_message.Message):
    __slots__ = ("options",)
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    options: _containers.RepeatedCompositeFieldContainer[Option]
    def __init__(self, options: _Optional[_Iterable[_Union[Option, _Mapping]]] = ...) -> None: ...

class Option(_message.Message):
    __slots__ = ("id", "text")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class TextFormat(_message.Message):
    __slots__ = ("tokens_max",)
    TOKENS_MAX_FIELD_NUMBER: _ClassVar[int]
    tokens_max: int
    def __init__(self, tokens_max: _Optional[int] = ...) -> None: ...

class NumberFormat(_message.Message):
    __slots__ = ("min", "max", "unit")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    min: float
    max: float
    unit: str
    def __init__(self, min: _Optional[float] = ..., max: _Optional[float] = ..., unit: _Optional[str] = ...) -> None: ...

class RankingFormat(_message.Message):
    __slots__ = ("options",)
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    options: _containers.RepeatedCompositeFieldContainer[Option]
    def __init__(self, options: _Optional[_Iterable[_Union[Option, _Mapping]]] = ...) -> None: ...

class JsonFormat(_message.Message):
    __slots__ = ("schema",)
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    schema: str
    def __init__(self, schema: _Optional[str] = ...) -> None: ...
