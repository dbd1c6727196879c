"""Stage directions: at which moment a service stops or ends itself, so that a test can do something
meanwhile. Applied in the service's own process by `tests.chaos.sabotage`, in honest runs and in
sabotaged ones.

The moments are about the decision of a task whose id begins with STAGED; each comes once.

- `stop-before-write`: SIGSTOP when that decision is due and nothing of it is written.
- `stop-before-commit`: SIGSTOP when it is written, and its transaction (if any) not yet committed.
- `die-after-commit`: SIGKILL when its flush is over.
- `stop-before-init=N`: SIGSTOP before the transactional writer of partition N is opened.
- `transaction-ms=N`: the transaction timeout.
"""

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from comitia.effects import Publish
from comitia.runtime.flush import Outlet
from comitia.runtime.kafka_client import KafkaClient
from comitia.runtime.kafka_log import KafkaLog
from comitia.runtime.open_tasks import Pending
from comitia.v1.decision_pb2 import Decision
from tests.chaos.patching import replace

STAGED = "staged-"


def apply(direction: str) -> None:
    """Arrange for one direction. KeyError when there is none of that name."""
    name, _, number = direction.partition("=")
    DIRECTIONS[name](int(number or 0))


def _stop_before_write(_: int) -> None:
    stop = _once(signal.SIGSTOP)

    def make(original: Any) -> Any:
        async def deliver(outlet: Outlet, batch: Sequence[Pending]) -> None:
            stop(batch)
            await original(outlet, batch)

        return deliver

    replace(Outlet, "_deliver", make)


def _stop_before_commit(_: int) -> None:
    stop = _once(signal.SIGSTOP)

    def make(original: Any) -> Any:
        async def deliver(outlet: Outlet, batch: Sequence[Pending]) -> None:
            await original(outlet, batch)
            stop(batch)

        return deliver

    replace(Outlet, "_deliver", make)


def _die_after_commit(_: int) -> None:
    die = _once(signal.SIGKILL)

    def make(original: Any) -> Any:
        async def flush(outlet: Outlet, batch: Sequence[Pending]) -> None:
            await original(outlet, batch)
            die(batch)

        return flush

    replace(Outlet, "flush", make)


def _stop_before_init(number: int) -> None:
    stopped = False

    def make(original: Any) -> Any:
        async def writer(log: KafkaLog, transactional_id: str | None = None) -> Any:
            nonlocal stopped
            if not stopped and transactional_id and transactional_id.endswith(f".{number}"):
                stopped = True
                os.kill(os.getpid(), signal.SIGSTOP)
            return await original(log, transactional_id)

        return writer

    replace(KafkaLog, "writer", make)


def _transaction_ms(number: int) -> None:
    def make(original: Any) -> Any:
        def init(client: KafkaClient, *given: Any, **named: Any) -> None:
            original(client, *given, **{**named, "transaction_timeout_ms": number})

        return init

    replace(KafkaClient, "__init__", make)


DIRECTIONS: dict[str, Callable[[int], None]] = {
    "stop-before-write": _stop_before_write,
    "stop-before-commit": _stop_before_commit,
    "die-after-commit": _die_after_commit,
    "stop-before-init": _stop_before_init,
    "transaction-ms": _transaction_ms,
}


def _once(number: signal.Signals) -> Callable[[Sequence[Pending]], None]:
    """Send this process `number` with the first batch that holds a staged decision."""
    done = False

    def send(batch: Sequence[Pending]) -> None:
        nonlocal done
        if not done and any(map(_is_staged, batch)):
            done = True
            os.kill(os.getpid(), number)

    return send


def _is_staged(pending: Pending) -> bool:
    return any(
        isinstance(effect, Publish)
        and isinstance(effect.message, Decision)
        and effect.message.task_id.startswith(STAGED)
        for effect in pending.job.effects
    )
