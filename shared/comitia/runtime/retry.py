"""Trying again after a passing fault: growing pauses with jitter, and a health condition meanwhile.

In comes a call that may raise Retryable; out comes its result, as soon as there is one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from comitia.errors import Fenced, Retryable
from comitia.runtime.context import Runtime
from comitia.telemetry.metrics import RETRIES
from comitia.telemetry.names import Attribute

T = TypeVar("T")


class Stopped(Exception):
    """The service was asked to stop while a call was being tried again."""


class Backoff:
    """Pauses of `first_ms`, doubled each time up to `max_ms`, each cut by up to half at random."""

    def __init__(self, seed: str, first_ms: int = 100, max_ms: int = 5_000) -> None:
        self._random = Random(seed)
        self._first_ms = first_ms
        self._max_ms = max_ms
        self._next_ms = first_ms

    def reset(self) -> None:
        """After a success."""
        self._next_ms = self._first_ms

    def next_ms(self) -> float:
        """The next pause. Milliseconds."""
        pause_ms = self._next_ms
        self._next_ms = min(2 * pause_ms, self._max_ms)
        return pause_ms * self._random.uniform(0.5, 1.0)


async def persist(runtime: Runtime, condition: str, call: Callable[[], Awaitable[T]]) -> T:
    """Call until it succeeds. The health condition says why it has not yet.

    Raises Stopped when the service is asked to stop meanwhile, and whatever is not a passing fault.
    """
    backoff = Backoff(runtime.instance + condition)
    while True:
        try:
            result = await call()
        except Fenced:
            raise
        except Retryable as error:
            runtime.health.set(condition, str(error))
            runtime.telemetry.add(RETRIES, 1, {Attribute.COMITIA_REASON: condition})
            if await stopped_within(runtime.stop, backoff.next_ms()):
                raise Stopped from error
        else:
            runtime.health.set(condition, None)
            return result


async def stopped_within(stop: asyncio.Event, duration_ms: float) -> bool:
    """Wait; whether `stop` was set before the time was over."""
    try:
        async with asyncio.timeout(duration_ms / 1000):
            await stop.wait()
    except TimeoutError:
        return False
    return True
