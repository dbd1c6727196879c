"""Value classes for the hot path: frozen to the type checker, plain at run time.

A frozen dataclass takes about six times as long to make as a plain one (each field goes through
`object.__setattr__`), and the runtime makes several for every record. In comes a class of annotated
fields; out comes a dataclass with slots, equality and hash, which nobody assigns to: mypy refuses.
"""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Class decorator; use it as `@dataclass(frozen=True, slots=True)`."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
