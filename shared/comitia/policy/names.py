"""What the parts of a policy may be called. Names in, sentences out."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

NAME = re.compile(r"[a-z0-9-]{1,64}")


def name_problem(where: str, name: str, characters_max: int = 64) -> Iterator[str]:
    """What is wrong with a name."""
    if len(name) > characters_max or not NAME.fullmatch(name):
        shown = name if len(name) <= 40 else name[:37] + "..."
        use = f"use 1 to {characters_max} characters of a-z 0-9 -"
        yield f"{where}: {shown!r} is not possible; {use}"


def duplicates(where: str, names: Sequence[str], what: str, advice: str) -> Iterator[str]:
    """Names that stand more than once."""
    for name, count in Counter(names).items():
        if name and count > 1:
            yield f"{where}: {count} {what} are called {name!r}; {advice}"


def one_of(where: str, number: int, enum: Any) -> Iterator[str]:
    """What is wrong with a number that should be one of a protobuf enum."""
    if number not in enum.values():
        names = ", ".join(enum.keys()[1:])
        yield f"{where}: there is no {number}; use one of {names}"
