"""The owner loop (aggregator): folds the partitions of panel-events that it holds, and is the only
writer of the same partitions of `decisions`.

In come events, folded one task at a time by a pure `step`; out go its effects, in flushes, one in
flight per partition; exactly once, a flush is a transaction of the partition's own transactional
id. A partition is taken over (see take_over.py) when the group gives it, and again after every
failure of its writer: whoever is fenced cannot know why, so it drops its state, proves that it is
still a member and begins anew. Effects are held until the fold is live; what no recorded decision
cancels goes out then. A timer fires only once the log was read to an end asked for after it was
due. Reading is never paused for load. At least once, a flush that was not acknowledged is repeated.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from comitia.errors import Retryable
from comitia.ports import Partitions, Reader, ReaderSpec, TopicPartition
from comitia.runtime import take_over
from comitia.runtime.aside import Aside
from comitia.runtime.context import Runtime
from comitia.runtime.decided import Decided, Told
from comitia.runtime.flush import stop_orders
from comitia.runtime.fold import Fold, GuardedFold, Load
from comitia.runtime.held import Held
from comitia.runtime.lookups import Lookups
from comitia.runtime.membership import Membership
from comitia.runtime.partition_state import PartitionState
from comitia.runtime.reading import Commits, every, fetch
from comitia.runtime.retry import Backoff, Stopped, persist
from comitia.telemetry.conflict_metrics import CONFLICTS
from comitia.telemetry.measures import messaging
from comitia.telemetry.metrics import (
    CONSUMED,
    TASKS_DECIDED,
    TASKS_OPEN,
    TASKS_OPEN_BYTES,
)
from comitia.telemetry.names import Operation

_FETCH_MAX = 2_000
_FLUSH_MAX = 1_000
_TICK_MS = 20


@dataclass(frozen=True, slots=True)
class OwnerSpec:
    """What to fold, as which group, how effects go out, and the bounds of AggregatorSettings.
    `told` gets the decisions that were published, for the metrics.
    """

    group: str
    fold: Fold[Any]
    exactly_once: bool
    duplicate_window_ms: int
    decided_max: int
    open_tasks_max: int
    open_bytes_max: int
    told: Told | None = None


async def run_owner(runtime: Runtime, spec: OwnerSpec) -> None:
    """Own partitions until `runtime.stop`; then deliver what is due, and commit."""
    try:
        await _Owner(runtime, spec).run()
    except* Stopped:
        pass  # asked to stop before there was a broker


class _Owner:
    def __init__(self, runtime: Runtime, spec: OwnerSpec) -> None:
        self._runtime = runtime
        self._spec = spec
        self._events = runtime.names.topic("panel-events")
        self._decisions = runtime.names.topic("decisions")
        self._fold = GuardedFold(spec.fold)
        self._load = Load(spec.open_tasks_max, spec.open_bytes_max)
        self._held: dict[int, Held] = {}
        self._owning: dict[int, asyncio.Task[None]] = {}
        self._closing = False
        # Tasks of partitions that were taken away, until they have ended.
        self._leaving: dict[int, asyncio.Task[None]] = {}
        self._aside = Aside(runtime)
        self._lookups = Lookups(runtime, self._held)
        self._decided = Decided(runtime, spec.told)
        self._member = Membership(runtime, spec.group, (self._events,))
        self._reader: Reader
        self._commits: Commits
        self._connected = asyncio.Event()
        self._group: asyncio.TaskGroup
        self._assigned_once = False
        runtime.telemetry.observe(TASKS_OPEN, lambda: self._sum(lambda s: s.open))
        runtime.telemetry.observe(CONFLICTS, lambda: self._sum(lambda s: s.conflicts))
        runtime.telemetry.observe(TASKS_OPEN_BYTES, lambda: [(self._load.bytes, {})])
        runtime.telemetry.observe(TASKS_DECIDED, lambda: self._sum(lambda s: len(s.decided)))
        self._report()

    async def run(self) -> None:
        runtime = self._runtime
        spec = ReaderSpec(
            topics=(self._events,),
            group=self._spec.group,
            instance_id=runtime.member_id,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        )
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._reader = await persist(runtime, "broker", lambda: runtime.log.reader(spec))
                self._member.reads(self._reader)
                tracer = runtime.telemetry.tracer
                self._commits = Commits(self._reader, tracer, self._spec.group)
                self._connected.set()
                jobs = [
                    group.create_task(every(runtime.commit_interval_ms, self._commit)),
                    group.create_task(every(_TICK_MS, self._ask)),
                    group.create_task(every(_TICK_MS, self._lookups.work)),
                ]
                group.create_task(self._aside.run())
                await self._read()
                await self._drain()
                for job in jobs:
                    job.cancel()
                await self._commit()
                self._aside.close()
        finally:
            if self._connected.is_set():
                await self._reader.close()

    async def _read(self) -> None:
        runtime, backoff = self._runtime, Backoff(self._runtime.instance)
        consumed = messaging(self._events, Operation.POLL)
        while not runtime.stop.is_set():
            records = await fetch(runtime, self._reader, _FETCH_MAX, backoff, self._member)
            held: Held | None = None
            for record in records:
                held = self._held.get(record.partition)
                if held is not None and held.folding and record.offset >= held.state.next:
                    held.fold(runtime, self._spec.group, record)
            if records:
                runtime.telemetry.add(CONSUMED, len(records), consumed)
            for held in tuple(self._held.values()):
                await self._look(held)

    async def _look(self, held: Held) -> None:
        """After a fetch: is the end that somebody waits for reached, is there something to send?"""
        if held.folding and (not held.live or held.asked is not None):
            end = held.end if held.asked is None else held.asked[1]
            if await held.reached(self._reader, end):
                if not held.live:
                    held.caught_up.set()
                elif held.asked is not None:
                    now_ms, held.asked = held.asked[0], None
                    held.state.fire(now_ms)
        if held.live and held.state.waiting:
            held.wake.set()

    async def _ask(self) -> None:
        """Where timers are due: ask for the log's end; they fire when it has been read."""
        # The last millisecond that is over: in this one records may still be appended.
        now_ms = self._runtime.clock.now_ms() - 1
        due = [held for held in self._held.values() if held.wants_end(now_ms)]
        if not due:
            return
        try:
            ends = await self._reader.end_offsets(frozenset(held.tp for held in due))
        except Retryable as error:
            self._runtime.health.set("timers", str(error))
            return
        self._runtime.health.set("timers", None)
        for held in due:
            held.told_end(now_ms, ends[held.tp])

    async def _own(self, tp: TopicPartition, former: "asyncio.Task[None] | None") -> None:
        """Take the partition over and send what becomes due; again after every failure."""
        runtime, number = self._runtime, tp.partition
        backoff = Backoff(f"{runtime.instance}-{number}")
        condition = f"partition {number}"
        await self._connected.wait()
        if former is not None:
            # One writer of a transactional id at a time: two that start side by side fence each
            # other.
            await asyncio.wait({former})
        held = self._held[number]
        try:
            while True:
                try:
                    await self._take_over(held)
                    runtime.health.set(condition, None)
                    backoff.reset()
                    await self._emit(held)
                    return
                except Retryable as error:
                    # Never go on with half a fold, or after a transaction whose end is not known.
                    take_over.tell_failure(tp, error)
                    runtime.health.set(condition, str(error))
                    if self._closing:
                        return
                    former_held, held = held, self._renew(tp)
                    await former_held.close()
                    await asyncio.sleep(backoff.next_ms() / 1000)
        finally:
            await held.close()

    async def _take_over(self, held: Held) -> None:
        runtime = self._runtime
        began_ms = runtime.clock.monotonic_ms()
        if held.again:
            await take_over.prove_membership(self._reader, held.tp)
        await take_over.take_over(runtime, self._reader, held, self._spec)
        held.go_live()
        take_over.tell(runtime, held, runtime.clock.monotonic_ms() - began_ms)
        self._report()

    async def _emit(self, held: Held) -> None:
        """One flush in flight; what gets ready meanwhile goes into the next one."""
        while not self._closing or held.state.waiting:
            await held.wake.wait()
            held.wake.clear()
            while held.outlet is not None and (batch := held.state.take(_FLUSH_MAX)):
                orders = stop_orders(batch)
                held.flushing = True
                await held.outlet.flush(batch)
                held.note(batch)
                held.state.done()
                self._decided.tell(batch)
                self._aside.put(orders)
                await held.outlet.rest()

    async def _commit(self) -> None:
        live = [held for held in self._held.values() if held.live]
        if not live:
            return
        before_ms = self._runtime.clock.now_ms() - self._spec.duplicate_window_ms
        positions = {held.tp: held.position(before_ms, self._spec.decided_max) for held in live}
        for held in live:
            held.tell(self._runtime.telemetry)
        await self._commits.commit(positions)

    async def _drain(self) -> None:
        self._closing = True
        for number, held in self._held.items():
            held.wake.set()
            if not held.live:
                self._owning[number].cancel()
        if self._owning:
            await asyncio.wait(self._owning.values())

    def _new(self, tp: TopicPartition, *, again: bool = False) -> Held:
        state = PartitionState(self._fold, self._load, self._decisions, 0)
        held = self._held[tp.partition] = Held(tp, state, again=again)
        return held

    def _renew(self, tp: TopicPartition) -> Held:
        """Drop what was folded of a partition that is to be taken over again."""
        self._held[tp.partition].drop()
        held = self._new(tp, again=True)
        self._report()
        return held

    # The hooks neither await nor do I/O: they only drop state and start take-overs.
    def _assigned(self, partitions: Partitions) -> None:
        self._assigned_once = True
        self._member.assigned()
        if self._closing:
            return
        if self._connected.is_set():
            self._commits.forget()
            self._reader.pause(partitions)
        for tp in partitions:
            self._new(tp)
            own = self._own(tp, self._leaving.pop(tp.partition, None))
            self._owning[tp.partition] = self._group.create_task(own)
        self._report()

    def _revoked(self, partitions: Partitions) -> None:
        for tp in partitions:
            task = self._owning.pop(tp.partition, None)
            if task is not None:
                task.cancel()
                self._leaving[tp.partition] = task
            held = self._held.pop(tp.partition, None)
            if held is not None:
                held.drop()
            self._runtime.health.set(f"partition {tp.partition}", None)
        self._report()

    def _report(self) -> None:
        reason = None
        if not self._assigned_once:
            reason = "waiting for its partitions"
        elif folding := [str(n) for n, held in sorted(self._held.items()) if not held.live]:
            reason = f"folding {', '.join(folding)} of {len(self._held)} held"
        self._runtime.health.set("partitions", reason)

    def _sum(self, count: Callable[[PartitionState], int]) -> list[tuple[float, Mapping[str, str]]]:
        return [(sum(count(held.state) for held in tuple(self._held.values())), {})]
