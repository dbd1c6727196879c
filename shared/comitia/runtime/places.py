"""How many assignments the agents of a process work on at once, dealt out in turn.

Agents that share a model share its places: whoever has work asks for one, and a place that gets
free goes to the agent that has asked longest, so that a full inbox of one starves no other.
"""

from collections.abc import Callable


class Places:
    """`total` of them. Not safe for several threads: the event loop's alone."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._closed = False
        # Ordered, and each once: who asked in vain.
        self._asking: dict[Callable[[], None], None] = {}

    def wanted_beside(self, own: Callable[[], None]) -> bool:
        """Whether somebody else than `own` has asked for a place in vain."""
        return any(again != own for again in self._asking)

    def take(self, again: Callable[[], None]) -> bool:
        """Take a place; False where there is none: `again` is called, once, when there may be."""
        if self._closed:
            return False
        if self._free:
            self._free -= 1
            self._asking.pop(again, None)
            return True
        self._asking[again] = None
        return False

    def close(self) -> None:
        """Nobody begins anything any more."""
        self._closed = True
        self._asking.clear()

    def give_back(self) -> None:
        """Give a place back, to whoever has asked longest and still has use for it."""
        self._free += 1
        while self._free and self._asking:
            again = next(iter(self._asking))
            del self._asking[again]
            again()
