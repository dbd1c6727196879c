"""The workers loop (agents): assignments in, answers out, finished in any order; at least once.

In come the assignments of one agent's inbox; each is answered by an async function, a bounded
number at a time; the answer is acknowledged before the assignment's offset may be committed, and
the committed offset is the oldest unfinished one. The inbox is paused at the bound and resumed
below it. Work whose deadline has passed, or whose task was stopped, is not begun. A passing fault
is tried again until the deadline; what fails for good becomes an abstention, with a dead letter.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from comitia.effects import DeadLetter, Recorded
from comitia.errors import Poison
from comitia.ports import Partitions, Reader, ReaderSpec
from comitia.runtime import dead_letters
from comitia.runtime.abstain import abstention
from comitia.runtime.attempts import Answer, within_deadline
from comitia.runtime.context import Runtime
from comitia.runtime.delivery import Delivery, Job
from comitia.runtime.inboxes import Inboxes, Work
from comitia.runtime.reading import Commits, every, fetch, low_waters
from comitia.runtime.retry import Backoff, Stopped, persist
from comitia.telemetry import spans
from comitia.telemetry.measures import messaging
from comitia.telemetry.names import (
    ASSIGNMENTS_DROPPED,
    CONSUMED,
    IN_FLIGHT,
    WAITING,
    Attribute,
    Operation,
)
from comitia.v1.assignment_pb2 import Assignment

_LOG = logging.getLogger("comitia.workers")
_DELIVER_MAX = 500


def _never(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class WorkersSpec:
    """One agent's work.

    `answer` may raise Retryable or Overloaded (tried again), Poison (given up). `in_flight_max` is
    how many assignments are worked on at once, and as many again may wait. `stopped(task id)` tells
    whether nobody waits for an answer any more.
    """

    agent: str
    in_flight_max: int
    answer: Answer
    stopped: Callable[[str], bool] = _never


async def run_workers(runtime: Runtime, spec: WorkersSpec) -> None:
    """Work until `runtime.stop`; then finish what has begun."""
    await Workers(runtime, spec).run()


class Workers:
    """The workers of one agent. `in_flight` and `waiting` tell heartbeats how busy it is."""

    def __init__(self, runtime: Runtime, spec: WorkersSpec) -> None:
        self._runtime = runtime
        self._spec = spec
        self._condition = f"inbox {spec.agent}"
        self._group = runtime.names.group(f"agent.{spec.agent}")
        self._topic = runtime.names.inbox(spec.agent)
        self._replies = runtime.names.topic("panel-events")
        self._inboxes = Inboxes(self._topic)
        self._waiting: deque[Work] = deque()
        self._done: deque[Work] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._coming = False
        # Assignments begun and not answered.
        self.in_flight = 0
        self._paused = False
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader: Reader | None = None
        self._commits: Commits | None = None
        self._delivery: Delivery
        self._workers: asyncio.TaskGroup
        runtime.health.set(self._condition, "waiting for its partitions")
        agent: dict[str, str] = {Attribute.COMITIA_AGENT: spec.agent}
        runtime.telemetry.observe(IN_FLIGHT, lambda: [(self.in_flight, agent)])
        runtime.telemetry.observe(WAITING, lambda: [(self.waiting, agent)])

    @property
    def waiting(self) -> int:
        """Assignments fetched and not begun."""
        return len(self._waiting)

    async def run(self) -> None:
        """Work until `runtime.stop`; then finish what has begun."""
        runtime = self._runtime
        spec = ReaderSpec(
            topics=(self._topic,),
            group=self._group,
            instance_id=runtime.member_id,
            # Work is safe to begin early: only answers to assignments that the log lists count.
            read_committed=False,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        )
        try:
            writer = await persist(runtime, "broker", runtime.log.writer)
            self._delivery = Delivery(runtime, writer)
            reader = await persist(runtime, "broker", lambda: runtime.log.reader(spec))
        except Stopped:
            return
        self._reader, self._commits = reader, Commits(reader)
        try:
            async with asyncio.TaskGroup() as group:
                self._workers = group
                commits = group.create_task(every(runtime.commit_interval_ms, self._commit))
                answers = group.create_task(self._deliver())
                await self._read(reader)
                self._waiting.clear()
                while self._tasks:
                    await asyncio.wait(self._tasks)
                self._closing = True
                self._wake.set()
                await answers
                commits.cancel()
            await self._commit()
        finally:
            for task in self._tasks:
                task.cancel()
            await reader.close()
            await writer.close()

    async def _read(self, reader: Reader) -> None:
        backoff = Backoff(self._runtime.instance)
        bound = 2 * self._spec.in_flight_max
        while not self._runtime.stop.is_set():
            busy = self._busy
            if busy >= bound and not await self._room_within(self._runtime.fetch_wait_ms):
                # Paused or not, fetching goes on: a member that does not poll is thrown out.
                self._paused = True
                reader.pause(reader.assignment())
            elif self._paused:
                self._paused = False
                reader.resume(reader.assignment())
            records = await fetch(self._runtime, reader, max(bound - self._busy, 1), backoff)
            self._waiting.extend(filter(None, map(self._inboxes.take, records)))
            if records:
                topic = messaging(records[0].topic, Operation.POLL)
                self._runtime.telemetry.add(CONSUMED, len(records), topic)
            self._begin_some()

    @property
    def _busy(self) -> int:
        return self.in_flight + self.waiting + len(self._done)

    async def _room_within(self, duration_ms: int) -> bool:
        """Wait until half of what may wait has gone; whether it did in time."""
        self._room.clear()
        try:
            async with asyncio.timeout(duration_ms / 1000):
                await self._room.wait()
        except TimeoutError:
            return False
        return True

    def _begin_some(self) -> None:
        """See that somebody is on the way to take the next waiting assignment."""
        if self._waiting and not self._coming and len(self._tasks) < self._spec.in_flight_max:
            self._coming = True
            task = self._workers.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        """One worker: takes what waits until nothing does.

        Workers are called one by one, each by the former as it begins: work that never awaits is
        done by one of them, without a task for each assignment.
        """
        self._coming = False
        while self._waiting and not self._runtime.stop.is_set():
            work = self._waiting.popleft()
            if not work.inbox.held:
                continue
            recorded = self._begin(work)
            if recorded is not None:
                self.in_flight += 1
                self._begin_some()
                try:
                    await self._answer(work, recorded)
                finally:
                    self.in_flight -= 1

    def _begin(self, work: Work) -> Recorded[Assignment] | None:
        """Decode and look whether it is still wanted; None: there is nothing to work on."""
        runtime, record, job = self._runtime, work.record, work.job
        work.begin()
        if runtime.telemetry.tracer is not None:
            job.span = spans.start_process(runtime.telemetry.tracer, record, self._group, job.trace)
            job.trace = (spans.traceparent_of(job.span), job.trace[1])
        try:
            recorded = runtime.codec.decode(Assignment, record, job.trace[0])
        except Poison as poison:
            job.failed = poison
            self._finish_later(work)
            return None
        if recorded.message.reply_topic != self._replies:
            job.failed = Poison(
                f"reply_topic is {recorded.message.reply_topic[:300]!r}: answers go to"
                f" {self._replies}",
                "WRONG_REPLY_TOPIC",
            )
            self._finish_later(work)
            return None
        work.recorded = recorded
        job.task_id = recorded.message.task.id
        reason = ""
        if self._spec.stopped(job.task_id):
            reason = "STOPPED"
        elif runtime.clock.now_ms() >= recorded.message.deadline_ms:
            reason = "EXPIRED"
        if not reason:
            return recorded
        attributes: dict[str, str] = {
            Attribute.COMITIA_AGENT: self._spec.agent,
            Attribute.COMITIA_REASON: reason,
        }
        runtime.telemetry.add(ASSIGNMENTS_DROPPED, 1, attributes)
        self._finish(work)
        return None

    async def _answer(self, work: Work, recorded: Recorded[Assignment]) -> None:
        try:
            work.job.effects = await within_deadline(self._runtime, self._spec.answer, recorded)
        except Poison as poison:
            work.job.failed = poison
        self._finish_later(work)

    def _finish_later(self, work: Work) -> None:
        self._done.append(work)
        self._wake.set()

    async def _deliver(self) -> None:
        """Answers in batches, one batch in flight; what gets ready meanwhile goes with the next."""
        while self._done or not self._closing:
            await self._wake.wait()
            self._wake.clear()
            while self._done:
                batch = list(self._done)[:_DELIVER_MAX]
                await self._delivery.deliver([w.job for w in batch if w.job.failed is None])
                for work in batch:
                    if work.job.failed is not None:
                        await self._give_up(work, work.job.failed)
                    self._done.popleft()
                    self._finish(work)

    def _finish(self, work: Work) -> None:
        work.finish()
        if self._busy <= self._spec.in_flight_max:
            self._room.set()

    async def _give_up(self, work: Work, why: Poison) -> None:
        record, job = work.record, work.job
        _LOG.warning(
            "%s[%d] offset %d to the dead letters: %s: %s",
            *(record.topic, record.partition, record.offset, why.reason, why),
        )
        if job.span is not None:
            spans.fail(job.span, why)
        task_id = job.task_id or dead_letters.readable_task_id(record)
        await self._delivery.keep(job, record, DeadLetter(why.reason, str(why), task_id))
        if work.recorded is not None:
            effects = (abstention(work.recorded, self._spec.agent, why),)
            await self._delivery.deliver((Job(effects, record, trace=job.trace),))

    async def _commit(self) -> None:
        if self._commits is not None:
            await self._commits.commit(low_waters(self._inboxes.offsets()))

    def _assigned(self, partitions: Partitions) -> None:
        self._inboxes.assigned(partitions)
        if self._commits is not None:
            self._commits.forget()
        if self._paused and self._reader is not None:
            # A rebalance forgets pauses.
            self._reader.pause(partitions)
        self._runtime.health.set(self._condition, None)

    def _revoked(self, partitions: Partitions) -> None:
        self._inboxes.revoked(partitions)
