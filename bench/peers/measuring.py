"""How the peers of bench.transport are measured: one task at a time, then many at once.

In comes a call that decides one task; out come milliseconds and decisions per second. Runs in the
peers' environments and imports nothing of Comitia.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

# More at once made nothing faster.
IN_FLIGHT_MAX = 256
WARM = 100


async def measure(decide: Callable[[], Awaitable[str]], tasks: int, singles: int) -> dict[str, Any]:
    """`singles` tasks one after the other, `tasks` at once. RuntimeError when one is decided
    wrongly.
    """
    for _ in range(WARM):
        await decide()
    taken = []
    for _ in range(singles):
        began = time.perf_counter()
        await decide()
        taken.append(1000 * (time.perf_counter() - began))
    room = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def one() -> str:
        async with room:
            return await decide()

    began = time.perf_counter()
    decided = await asyncio.gather(*(one() for _ in range(tasks)))
    seconds = time.perf_counter() - began
    if set(decided) != {"positive"}:
        raise RuntimeError("a task was decided wrongly")
    return {"milliseconds": taken, "decisions_per_s": tasks / seconds}
