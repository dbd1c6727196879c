"""What the workers of an agent are told: whose work it is, how it is answered, and how much of it
is taken at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

from comitia.runtime.attempts import Answer
from comitia.runtime.places import Places


def _never(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class WorkersSpec:
    """One agent's work.

    `answer` may raise Retryable or Overloaded (tried again), Poison (given up). `in_flight_max` is
    how many assignments are worked on at once; where there are `places`, all that share them work
    on no more than these together. `waiting_max` may wait in each lane beside them; 0: at most
    twice `in_flight_max` are at work or wait. `stopped(task id)` tells whether nobody waits for an
    answer any more. `priority_lane`: there is a second inbox, whose work goes first.
    """

    agent: str
    in_flight_max: int
    answer: Answer
    stopped: Callable[[str], bool] = _never
    priority_lane: bool = False
    places: Places | None = None
    waiting_max: int = 0
