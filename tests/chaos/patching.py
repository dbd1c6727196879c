"""Replacing one function of a service within its own process, for sabotages and stage directions.

In come a module or class, a name and what makes the new function from the old one; the name must be
there, so that a sabotage cannot become an idle one when the code moves on.
"""

from collections.abc import Callable
from typing import Any


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put `make(original)` in the place of `owner.name`. AttributeError when there is none."""
    setattr(owner, name, make(getattr(owner, name)))
