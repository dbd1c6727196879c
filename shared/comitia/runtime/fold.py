"""What an aggregator must be for the owner loop: the Fold protocol, and the bounds on what is open.

In come one task's state and one event; out come the next state and the effects that became due. The
functions are pure, so that a crash, a replay, a test and a simulation are the same thing.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from comitia.effects import DecidedTask, Effect, Recorded, Timer
from comitia.errors import Poison
from comitia.runtime.dead_letters import HANDLER_FAILED
from comitia.telemetry.logs import wordless
from comitia.v1.panel_event_pb2 import PanelEvent

_LOG = logging.getLogger("comitia.fold")


class TaskState(Protocol):
    """What the runtime looks at in the state of a task; the rest is the fold's own. States are
    equal when they know the same: that tells whether an event has changed anything.
    """

    @property
    def timer_ms(self) -> int | None:
        """When a Timer event is wanted. Broker's clock, epoch milliseconds."""

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""

    @property
    def digest(self) -> bytes:
        """Names the task's content; b"" before its panel."""


S = TypeVar("S", bound=TaskState)


class Fold(Protocol[S]):
    """The behaviour of an owner: pure functions of one task at a time.

    `step` owns the state that it is given and may change it; None stands for nothing to remember.
    `now_ms` is the event's append time, or for a Timer the time when the log's end was asked for.
    `overloaded`: no new panel is to be opened now. Both may raise Poison.
    """

    def step(
        self, state: S | None, event: Recorded[PanelEvent] | Timer, now_ms: int, overloaded: bool
    ) -> tuple[S | None, Sequence[Effect]]:
        """The task's next state, and the effects that became due."""

    def after(self, decided: DecidedTask, event: Recorded[PanelEvent]) -> Sequence[Effect]:
        """Effects of an event of a task that is decided."""


@dataclass(slots=True, eq=False)
class Load:
    """Open tasks of all partitions of a process, and their bounds."""

    tasks_max: int
    bytes_max: int
    tasks: int = 0
    bytes: int = 0

    @property
    def overloaded(self) -> bool:
        return self.tasks >= self.tasks_max or self.bytes >= self.bytes_max


class GuardedFold:
    """A fold whose bugs are the fate of the record that met them: every error becomes Poison."""

    def __init__(self, fold: Fold[Any]) -> None:
        self._fold = fold

    def step(
        self, state: Any, event: Recorded[PanelEvent] | Timer, now_ms: int, overloaded: bool
    ) -> tuple[Any, Sequence[Effect]]:
        try:
            return self._fold.step(state, event, now_ms, overloaded)
        except Poison:
            raise
        except Exception as error:
            raise _failed(error) from error

    def after(self, decided: DecidedTask, event: Recorded[PanelEvent]) -> Sequence[Effect]:
        try:
            return self._fold.after(decided, event)
        except Poison:
            raise
        except Exception as error:
            raise _failed(error) from error


def _failed(error: Exception) -> Poison:
    _LOG.error("the fold failed", exc_info=wordless(error))
    return Poison(f"{type(error).__name__}: {error}", HANDLER_FAILED)
