"""What every loop of a service is given: the log, the clock, the names, and how to tell the world.

`Service` makes it for production, tests make it by hand; the loops know nothing else of the process
that they run in.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from comitia.ports import Clock, Log
from comitia.runtime.codec import Codec
from comitia.runtime.dead_letter_limit import DeadLetterLimit
from comitia.runtime.health import Health
from comitia.telemetry.setup import Telemetry
from comitia.topics import Names


@dataclass(frozen=True, slots=True)
class Runtime:
    """The surroundings of a loop.

    `instance` names the process; `member_id` makes its memberships of groups static, None leaves
    them dynamic. `stop`, once set, asks to finish what is begun and to return. `observe` takes
    append times (epoch milliseconds), from which the clock learns what the broker's says.
    """

    service: str
    instance: str
    names: Names
    log: Log
    clock: Clock
    codec: Codec
    telemetry: Telemetry
    health: Health
    stop: asyncio.Event
    observe: Callable[[int], None]
    member_id: str | None = None
    heartbeat_interval_ms: int = 2_000
    commit_interval_ms: int = 500
    # How long one fetch waits for records: the longest that a loop takes to notice `stop`.
    fetch_wait_ms: int = 100
    # Beyond it the service stops; what is made by hand has none.
    dead_letter_limit: DeadLetterLimit = field(default_factory=DeadLetterLimit)
