"""Low-water marks: which offset may be committed when records are finished out of order.

In come offsets begun, in rising order, and finished, in any order; out comes the first unfinished
one, and what was finished above it: a restart from there need repeat only the rest.
"""

from collections import deque
from collections.abc import Set


class Offsets:
    """Begun and finished offsets of one partition. Amortised constant time per record."""

    def __init__(self) -> None:
        self._begun: deque[int] = deque()
        self._finished: set[int] = set()
        self._next: int | None = None

    def begin(self, offset: int) -> None:
        """Note that `offset`, higher than all before, is being worked on."""
        self._begun.append(offset)
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """Note that `offset` need not be read again."""
        begun = self._begun
        if begun and begun[0] == offset:
            begun.popleft()
            while begun and begun[0] in self._finished:
                self._finished.remove(begun.popleft())
        else:
            self._finished.add(offset)

    @property
    def low_water(self) -> int | None:
        """First unfinished offset, else the one after the last begun; None before any."""
        return self._begun[0] if self._begun else self._next

    @property
    def finished(self) -> Set[int]:
        """Finished offsets above the low-water mark; to be read, not changed."""
        return self._finished
