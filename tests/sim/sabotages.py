"""Deliberate faults of the runtime: the simulation must find each within a few seeds.

Each function patches one thing in this process for good; they are for processes of their own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from comitia.effects import Effect, Publish
from comitia.ports import Writer
from comitia.runtime import take_over
from comitia.runtime.context import Runtime
from comitia.runtime.flush import Outlet
from comitia.runtime.held import Held
from comitia.runtime.offsets import Offsets
from comitia.runtime.partition_state import PartitionState
from comitia_aggregator import answers
from comitia_router.handler import Router


def _patch(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def transactions_off() -> None:
    """Effects go out through a plain writer: nobody is fenced, nothing is undone."""

    async def open_writer(runtime: Runtime, terms: take_over.Terms, partition: int) -> Writer:
        return await runtime.log.writer()

    init = Outlet.__init__

    def plain(self: Outlet, runtime: Runtime, writer: Writer, tp: Any, transactional: bool) -> None:
        init(self, runtime, writer, tp, False)

    _patch(take_over, "open_writer", open_writer)
    _patch(Outlet, "__init__", plain)


def commit_early() -> None:
    """The committed offset is what was read, not what is decided."""
    _patch(PartitionState, "low_water", lambda state: state.next)


def panel_first() -> None:
    """PanelOpened is published before its assignments."""
    on_task = Router.on_task

    def reversed_orders(router: Router, recorded: Any, now_ms: int) -> tuple[Effect, ...]:
        return tuple(
            Publish(e.topic, e.key, e.message, e.partition, 1 - e.order, e.traceparent)
            if isinstance(e, Publish)
            else e
            for e in on_task(router, recorded, now_ms)
        )

    _patch(Router, "on_task", reversed_orders)


def discard_held_effects() -> None:
    """What the fold found due at take-over is dropped instead of sent."""
    go_live = Held.go_live

    def discarding(held: Held) -> None:
        held.state.take(1_000_000)
        held.state._due.done()
        go_live(held)

    _patch(Held, "go_live", discarding)


def forget_decided_tasks() -> None:
    """`decisions` is not read at take-over."""
    _patch(PartitionState, "recall", lambda state, recorded: None)


def router_commits_before_it_publishes() -> None:
    """A stream's record counts as finished when it is begun."""
    begin = Offsets.begin

    def begun_is_finished(offsets: Offsets, offset: int) -> None:
        begin(offsets, offset)
        offsets.finish(offset)

    _patch(Offsets, "begin", begun_is_finished)


def answers_of_any_panel() -> None:
    """An answer counts by its seat and sample, whichever panel its assignment is of."""

    def anything(panel: Any, assignment_id: str) -> int | None:
        ends = [one.id.rsplit(".", 3)[1:] for one in panel.assignments]
        end = assignment_id.rsplit(".", 3)[1:]
        return ends.index(end) if end in ends else None

    _patch(answers, "listed", anything)


SABOTAGES: Mapping[str, Callable[[], None]] = {
    broken.__name__.replace("_", "-"): broken
    for broken in (
        transactions_off,
        commit_early,
        panel_first,
        discard_held_effects,
        forget_decided_tasks,
        router_commits_before_it_publishes,
        answers_of_any_panel,
    )
}
