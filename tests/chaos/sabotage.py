"""Nine ways to break the promise, one at a time, in a real service: `python -m tests.chaos.sabotage
NAME SERVICE [--stage DIRECTION ...]` replaces one function of the runtime in its own process and
then runs that service.

NAME `none` breaks nothing. A service that the sabotage does not concern runs as it is. Directions
(see staged.py) choose the moment at which the process stops itself, in honest runs alike. The
services themselves know nothing of any of this.
"""

import argparse
import asyncio
import dataclasses
import importlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from comitia.effects import Effect, Publish
from comitia.ports import Ack, Outgoing, Writer
from comitia.runtime import take_over
from comitia.runtime.held import Held
from comitia.runtime.memory import Memory
from comitia.runtime.partition_state import PartitionState
from comitia_aggregator import answers
from comitia_router.handler import Router
from tests.chaos import staged
from tests.chaos.patching import replace

FOREVER_MS = 1 << 62


@dataclass(frozen=True, slots=True)
class Sabotage:
    """`apply` breaks one thing in a process of `service`."""

    service: str
    what: str
    apply: Callable[[], None]


class LateWriter:
    """A writer that is opened when it is first used, long after the fold."""

    def __init__(self, open_writer: Callable[[], Awaitable[Writer]]) -> None:
        self._open = open_writer
        self._writer: Writer | None = None

    async def begin(self) -> None:
        self._writer = self._writer or await self._open()
        await self._writer.begin()

    async def send(self, record: Outgoing) -> Awaitable[Ack]:
        return await self._opened().send(record)

    async def append(self, records: Sequence[Outgoing]) -> Any:
        return await self._opened().append(records)

    async def commit(self) -> None:
        await self._opened().commit()

    async def abort(self) -> None:
        await self._opened().abort()

    async def close(self) -> None:
        if self._writer is not None:
            await self._writer.close()

    def _opened(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("nothing was begun")
        return self._writer


def no_transactions() -> None:
    """(a) The owner writes like any producer: no transactional id, no transaction."""

    def make(original: Any) -> Any:
        async def plain(runtime: Any, reader: Any, held: Any, terms: Any) -> None:
            await original(runtime, reader, held, dataclasses.replace(terms, exactly_once=False))

        return plain

    replace(take_over, "take_over", make)


def init_late() -> None:
    """(b) InitProducerId comes after the fold: what the former owner still commits is not seen."""

    def make(original: Any) -> Any:
        async def late(runtime: Any, terms: Any, partition: int) -> LateWriter:
            return LateWriter(lambda: original(runtime, terms, partition))

        return late

    replace(take_over, "open_writer", make)


def commit_early() -> None:
    """(c) What was read is committed, whether its task has ended or not."""
    replace(PartitionState, "low_water", lambda _: lambda state: state.next)


def panel_first() -> None:
    """(d) The router publishes PanelOpened before the panel's assignments."""

    def make(original: Any) -> Any:
        def turned(router: Router, recorded: Any, now_ms: int) -> tuple[Effect, ...]:
            effects: tuple[Effect, ...] = original(router, recorded, now_ms)
            orders = {one.order for one in effects if isinstance(one, Publish)}
            if len(orders) > 1:
                for one in effects:
                    if isinstance(one, Publish):
                        one.order = max(orders) - one.order  # type: ignore[misc]
            return effects

        return turned

    replace(Router, "on_task", make)


def unlisted() -> None:
    """(e) An answer counts by its seat, whichever panel it belongs to."""

    def by_seat(panel: Any, assignment_id: str) -> int | None:
        seat = assignment_id.rpartition("@")[2].partition(".")[2]
        for position, listed in enumerate(panel.assignments):
            if listed.id.rpartition("@")[2].partition(".")[2] == seat:
                return position
        return None

    replace(answers, "listed", lambda _: by_seat)


def discard() -> None:
    """(f) What the fold found due at take-over is thrown away."""

    def make(original: Any) -> Any:
        def live(held: Held) -> None:
            while held.state.take(1_000):
                held.state._due.done()
            original(held)

        return live

    replace(Held, "go_live", make)


def decisions_late() -> None:
    """(g) The next owner is told to read `decisions` from where it ends now."""
    replace(PartitionState, "decisions_from", lambda _: lambda state: state.decisions_next)
    trust_memory()


def trust_memory() -> None:
    """What is not remembered is not looked up in the log either, which would heal (g) and (i)."""
    replace(Memory, "doubts", lambda _: lambda *_: None)


def fenced_waits() -> None:
    """(h) Whoever is fenced waits for the group to give the partition again."""

    async def wait(*_: Any) -> None:
        await asyncio.Event().wait()

    replace(take_over, "prove_membership", lambda _: wait)


def forget() -> None:
    """(i) Decided tasks are forgotten once no event above the low-water mark is theirs."""

    def make(original: Any) -> Any:
        def prune(state: PartitionState, before_ms: int, decided_max: int) -> None:
            del before_ms
            original(state, FOREVER_MS, decided_max)

        return prune

    replace(PartitionState, "prune", make)
    trust_memory()


SABOTAGES = {
    "a-notxn": Sabotage("aggregator", "transactions off", no_transactions),
    "b-init-late": Sabotage("aggregator", "InitProducerId after the fold", init_late),
    "c-commit-early": Sabotage("aggregator", "commit before the tasks end", commit_early),
    "d-panel-first": Sabotage("router", "PanelOpened before its assignments", panel_first),
    "e-unlisted": Sabotage("aggregator", "answers counted without the listing", unlisted),
    "f-discard": Sabotage("aggregator", "held effects discarded at take-over", discard),
    "g-decisions-late": Sabotage("aggregator", "decisions read from too late", decisions_late),
    "h-fenced-waits": Sabotage("aggregator", "a fenced owner waits", fenced_waits),
    "i-forget": Sabotage("aggregator", "no memory of decided tasks", forget),
}
HONEST = "none"


def main(arguments: Sequence[str] | None = None) -> None:
    """Break what was asked for, then run the service until a signal."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.sabotage", description=__doc__)
    parser.add_argument("name", choices=[HONEST, *SABOTAGES])
    parser.add_argument("service", choices=["router", "aggregator"])
    parser.add_argument("--stage", nargs="*", default=[], help="directions, see staged.py")
    chosen = parser.parse_args(arguments)
    found = SABOTAGES.get(chosen.name)
    if found is not None and found.service == chosen.service:
        found.apply()
    for direction in chosen.stage:
        staged.apply(direction)
    sys.argv[1:] = []
    importlib.import_module(f"comitia_{chosen.service}.main").main()


if __name__ == "__main__":
    main()
