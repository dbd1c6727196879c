"""What a leader is given to lead with: a pure fold, and how to tell of what it publishes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from comitia.effects import Publish, Recorded
from comitia.v1.decision_pb2 import Decision
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.weights_pb2 import Weights

# Entity ("feedback", "decisions") and partition -> the next offset.
Offsets = Mapping[tuple[str, int], int]


class Publication(Protocol):
    """What one transaction publishes."""

    @property
    def records(self) -> Sequence[Publish]: ...

    @property
    def removed(self) -> Sequence[str]:
        """Keys that get a tombstone."""

    @property
    def versions(self) -> Sequence[Weights]:
        """Those of the records that are a new version of a skill."""


class Learning(Protocol):
    """The pure fold of a term. Each term has one of its own, which is dropped with it."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Skills whose memory could not be read, and why."""

    @property
    def waiting(self) -> bool:
        """Whether something should be published before the end."""

    def restore(self, key: str, recorded: Recorded[Weights] | None) -> None:
        """One record of `weights`; None is a tombstone."""

    def begin(self) -> Offsets:
        """All is restored: where to read on; what is not named, from its beginning."""

    def decision(self, recorded: Recorded[Decision]) -> bool:
        """Whether there was anything to learn."""

    def feedback(self, recorded: Recorded[Feedback], decision: Recorded[Decision] | None) -> str:
        """What became of it, for the metrics. May raise Poison."""

    def refuse(self, entity: str, partition: int, offset: int) -> None:
        """This record was given up."""

    def due(self, now_ms: float) -> bool: ...

    def publish(self, now_ms: float) -> Publication: ...


async def in_thread(work: Callable[[], Publication]) -> Publication:
    """Do `work` beside the event loop, which goes on meanwhile."""
    return await asyncio.to_thread(work)


@dataclass(frozen=True, slots=True)
class LeaderSpec:
    """As which group, and what to learn with. `told` gets the versions that were published.
    `beside` runs what takes long.
    """

    group: str
    learning: Callable[[], Learning]
    told: Callable[[Sequence[Weights]], None]
    beside: Callable[[Callable[[], Publication]], Awaitable[Publication]] = in_thread
