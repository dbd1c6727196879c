"""The prefix cache: which slot holds the tokens that a prompt begins with.

Numbers only; the caller moves the memory. Every shelf is a slot that holds one prefix; a prompt is
run right behind the prefix in the same slot and forgotten. The longest common beginning with any
shelf is reused, so prompts that share their first half share its work. The shelf that was used
longest ago makes room.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """Where a prefix goes: copy `shared` tokens from `source` into `slot` (unless they are the
    same), then add the rest.
    """

    slot: int
    source: int
    shared: int


class Shelves:
    """Prefixes on the slots `first`..`first + count - 1`; `count` of at least 2."""

    def __init__(self, first: int, count: int) -> None:
        self._free = list(range(first + count - 1, first - 1, -1))
        self._held: OrderedDict[tuple[int, ...], int] = OrderedDict()

    def place(self, prefix: tuple[int, ...]) -> Place:
        """A slot for `prefix`, reserved: `settle` it once its tokens are there."""
        if prefix in self._held:
            slot = self._held.pop(prefix)
            return Place(slot, slot, len(prefix))
        best = max(self._held, key=lambda held: common(held, prefix), default=())
        shared = common(best, prefix)
        source = self._held[best] if shared else -1
        slot = self._free.pop() if self._free else self._held.popitem(last=False)[1]
        return Place(slot, slot if source == -1 else source, shared)

    def settle(self, prefix: tuple[int, ...], slot: int) -> None:
        """`slot` now holds `prefix`, the one used last."""
        self._held[prefix] = slot

    def forget(self, slot: int) -> None:
        """`slot` holds nothing that can be relied on."""
        self._free.append(slot)


def common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    for number, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return number
    return min(len(left), len(right))
