"""Jobs that wait for a row of the cache: who goes next, and what is refused.

Jobs come in; out goes the next one with its plan and its row, in the order of coming. One that
begins like another that is being read waits for it, and those behind it go first.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from comitia.errors import ComitiaError, Poison
from comitia.inference.jobs import AnyJob, AttendJob, GenerateJob, ScoreJob
from comitia.inference.plans import Plan, plan_generation, plan_score
from comitia.inference.space import Prefix, Space
from comitia.inference.text import Text


def refusal(error: Exception) -> ComitiaError:
    """What a request is told over which something broke."""
    if isinstance(error, ComitiaError):
        return error
    told = Poison(f"The request cannot be met: {type(error).__name__}: {error}", "BAD_REQUEST")
    told.__cause__ = error
    return told


class Ready(NamedTuple):
    """A job that can begin in `row`."""

    job: AnyJob
    plan: Plan
    row: int


@dataclass(eq=False, slots=True)
class _Waiting:
    job: AnyJob
    plan: Plan | None = None


class Queue:
    """Jobs without a row. `adapters`: the number of each by name."""

    def __init__(self, text: Text, adapters: Mapping[str, int], space: Space) -> None:
        self._text, self._adapters, self._space = text, adapters, space
        self._waiting: deque[_Waiting] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, job: AnyJob) -> None:
        """Take a job; no work yet."""
        self._waiting.append(_Waiting(job))

    def drop_cancelled(self) -> None:
        """Forget the jobs that nobody waits for."""
        self._waiting = deque(waiting for waiting in self._waiting if not waiting.job.cancelled)

    def fail(self, error: BaseException) -> None:
        """Fail every job."""
        while self._waiting:
            self._waiting.popleft().job.fail(error)

    def next(self, is_coming: Callable[[Prefix], bool]) -> Ready | None:
        """The next job and its row, None while there is no job, row or memory for it.
        `is_coming`: whether a prefix is being read by another. What cannot be run fails here.
        """
        for waiting in list(self._waiting):
            if not self._space.free_rows:
                return None
            try:
                plan = waiting.plan = waiting.plan or self._plan(waiting.job)
            except Exception as error:  # noqa: BLE001 - one request's slip is not the engine's
                self._waiting.remove(waiting)
                waiting.job.fail(refusal(error))
                continue
            if is_coming(plan.prefix):
                continue
            row = self._space.begin(plan.tokens_max)
            if row is None:
                return None
            self._waiting.remove(waiting)
            return Ready(waiting.job, plan, row)
        return None

    def _plan(self, job: AnyJob) -> Plan:
        if isinstance(job, ScoreJob):
            plan = plan_score(self._text, job.prompt, job.options, self._adapters)
        elif isinstance(job, AttendJob):
            plan = plan_generation(self._text, job.prompt, 0, self._adapters)
        else:
            assert isinstance(job, GenerateJob)
            tokens_max = job.sampling.tokens_max
            plan = plan_generation(self._text, job.prompt, tokens_max, self._adapters)
        if not self._space.fits_ever(plan.tokens_max):
            raise Poison(
                f"The request may take {plan.tokens_max} tokens of cache and the engine has "
                f"{self._space.tokens_max}; shorten it, or raise COMITIA_ENGINE_CACHE_MIB.",
                "TOO_LONG",
            )
        return plan
