"""One assignment's answer: tried again after passing faults, for as long as its deadline allows.

In come an assignment and the function that answers it; out come its effects, or Poison that says
why there will be none.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from comitia.effects import Effect, Recorded
from comitia.errors import Overloaded, Poison, Retryable
from comitia.runtime.context import Runtime
from comitia.runtime.dead_letters import HANDLER_FAILED
from comitia.runtime.retry import Backoff
from comitia.telemetry.logs import wordless
from comitia.telemetry.metrics import RETRIES
from comitia.telemetry.names import Attribute
from comitia.v1.assignment_pb2 import Assignment

_LOG = logging.getLogger("comitia.workers")
Answer = Callable[[Recorded[Assignment]], Awaitable[Sequence[Effect]]]


async def within_deadline(
    runtime: Runtime, answer: Answer, recorded: Recorded[Assignment]
) -> Sequence[Effect]:
    """The effects of `answer`.

    Retryable and Overloaded are tried again with growing pauses until the deadline; then, as for
    every error that is a bug, Poison is raised (RETRIES_EXHAUSTED, OVERLOADED, HANDLER_FAILED). It
    tells how often the answer was attempted.
    """
    backoff: Backoff | None = None
    attempts = 0
    while True:
        attempts += 1
        try:
            return await answer(recorded)
        except Poison as poison:
            poison.attempts = attempts
            raise
        except (Retryable, Overloaded) as error:
            backoff = backoff or Backoff(recorded.message.id)
            pause_ms = backoff.next_ms()
            if runtime.clock.now_ms() + pause_ms >= recorded.message.deadline_ms:
                kind = "OVERLOADED" if isinstance(error, Overloaded) else "RETRIES_EXHAUSTED"
                raise Poison(str(error), kind, attempts) from error
        except Exception as error:
            # A bug that one assignment met is that assignment's fate.
            told = {"task_id": recorded.message.task.id, "traceparent": recorded.traceparent}
            which = recorded.message.id
            _LOG.error("assignment %s failed", which, exc_info=wordless(error), extra=told)
            said = f"{type(error).__name__}: {error}"
            raise Poison(said, HANDLER_FAILED, attempts) from error
        runtime.telemetry.add(RETRIES, 1, {Attribute.COMITIA_REASON: "answer"})
        await asyncio.sleep(pause_ms / 1000)
