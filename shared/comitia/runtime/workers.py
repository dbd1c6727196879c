"""The workers loop (agents): assignments in, answers out, finished in any order; at least once.

In come the assignments of one agent's inbox, and of its second one for tasks of high priority where
it has that; each is answered by an async function, a bounded number at a time; the answer is
acknowledged before the assignment's offset may be committed, and the committed offset is the oldest
unfinished one. Work whose deadline has passed, or whose task was stopped, is not begun; running
work is cancelled when its task is stopped. A passing fault is tried again until the deadline; what
fails for good becomes an abstention, with a dead letter.
"""

import asyncio
from collections import deque
from contextlib import AsyncExitStack

from comitia.effects import Recorded
from comitia.errors import Poison
from comitia.runtime import dead_letters
from comitia.runtime.abstain import abstention
from comitia.runtime.attempts import within_deadline
from comitia.runtime.context import Runtime
from comitia.runtime.delivery import Delivery, Job
from comitia.runtime.inboxes import Work
from comitia.runtime.lane import Lane, LaneSpec, Turns
from comitia.runtime.places import Places
from comitia.runtime.reading import every
from comitia.runtime.retry import Stopped, persist
from comitia.runtime.workers_spec import WorkersSpec
from comitia.telemetry import spans
from comitia.telemetry.measures import stage
from comitia.telemetry.metrics import ASSIGNMENTS_DROPPED, IN_FLIGHT, UNSTARTED, WAITING
from comitia.telemetry.names import Attribute
from comitia.v1.assignment_pb2 import Assignment

_DELIVER_MAX = 500
_LOOK_MS = 5_000


__all__ = ["Workers", "WorkersSpec", "run_workers"]


async def run_workers(runtime: Runtime, spec: WorkersSpec) -> None:
    """Work until `runtime.stop`; then finish what has begun."""
    await Workers(runtime, spec).run()


class Workers:
    """The workers of one agent. `in_flight` and `waiting` tell heartbeats how busy it is."""

    def __init__(self, runtime: Runtime, spec: WorkersSpec) -> None:
        self._runtime = runtime
        self._spec = spec
        self._replies = runtime.names.topic("panel-events")
        normal = self._lane(high=False)
        self._lanes = (normal, self._lane(high=True)) if spec.priority_lane else (normal,)
        high = self._lanes[-1].waiting if spec.priority_lane else deque[Work]()
        self._waiting = Turns(normal.waiting, high)
        self._done: deque[Work] = deque()
        self._wake = asyncio.Event()
        self._coming = False
        self._places = spec.places or Places(spec.in_flight_max)
        # Assignments begun and not answered; those among them that can be stopped, by task.
        self.in_flight = 0
        self._answering: dict[str, list[Work]] = {}
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._delivery: Delivery
        self._workers: asyncio.TaskGroup
        agent: dict[str, str] = {Attribute.COMITIA_AGENT: spec.agent}
        runtime.telemetry.observe(IN_FLIGHT, lambda: [(self.in_flight, agent)])
        runtime.telemetry.observe(WAITING, lambda: [(self.waiting, agent)])
        runtime.telemetry.observe(UNSTARTED, lambda: [(self._unstarted(), agent)])
        self._inbox = stage(runtime.telemetry, "inbox")
        self._answered = stage(runtime.telemetry, "answer")

    def _lane(self, *, high: bool) -> Lane:
        """A lane has a group of its own, so that a rebalance of one leaves the other alone."""
        agent, names = self._spec.agent, self._runtime.names
        in_flight_max = self._spec.in_flight_max
        open_max = in_flight_max + (self._spec.waiting_max or in_flight_max)
        spec = LaneSpec(
            topic=names.inbox(agent, high=high),
            group=names.group(f"agent.{agent}.high" if high else f"agent.{agent}"),
            condition=f"inbox {agent}, high" if high else f"inbox {agent}",
            open_max=open_max,
            waiting_max=self._spec.waiting_max or open_max,
            arrived=self._begin_some,
        )
        return Lane(self._runtime, spec)

    @property
    def waiting(self) -> int:
        """Assignments fetched and not begun."""
        return len(self._waiting)

    def _unstarted(self) -> int:
        return sum(lane.unstarted for lane in self._lanes)

    def stop_task(self, task_id: str) -> None:
        """Cancel what is being done for a task; no answer is given. What waits for it is dropped
        when its turn comes, by `stopped`.
        """
        for work in self._answering.get(task_id, ()):
            if work.runner is not None and not work.stopped:
                work.stopped = True
                work.runner.cancel()

    async def run(self) -> None:
        """Work until `runtime.stop`; then finish what has begun."""
        async with AsyncExitStack() as closing:
            try:
                writer = await persist(self._runtime, "broker", self._runtime.log.writer)
                closing.push_async_callback(writer.close)
                self._delivery = Delivery(self._runtime, writer)
                for lane in self._lanes:
                    await lane.open()
                    closing.push_async_callback(lane.close)
            except Stopped:
                return
            await self._work_until_stopped()

    async def _work_until_stopped(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._workers = group
                commits = group.create_task(every(self._runtime.commit_interval_ms, self._commit))
                looks = [group.create_task(every(_LOOK_MS, lane.look)) for lane in self._lanes]
                answers = group.create_task(self._deliver())
                async with asyncio.TaskGroup() as reading:
                    for lane in self._lanes:
                        reading.create_task(lane.read())
                for lane in self._lanes:
                    lane.waiting.clear()
                while self._tasks:
                    await asyncio.wait(self._tasks)
                self._closing = True
                self._wake.set()
                await answers
                for job in (commits, *looks):
                    job.cancel()
            await self._commit()
        finally:
            for task in self._tasks:
                task.cancel()

    def _begin_some(self) -> None:
        """See that somebody is on the way to take the next waiting assignment."""
        wanted = self._waiting and not self._coming and not self._runtime.stop.is_set()
        if wanted and self._places.take(self._begin_some):
            self._coming = True
            task = self._workers.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        """One worker: takes what waits until nothing does, or another agent wants its place.

        Workers are called one by one, each by the former as it begins: work that never awaits is
        done by one of them, without a task for each assignment.
        """
        self._coming = False
        try:
            while self._waiting and not self._runtime.stop.is_set():
                work = self._waiting.take()
                recorded = self._begin(work)
                if recorded is not None:
                    self.in_flight += 1
                    self._begin_some()
                    try:
                        await self._answer(work, recorded)
                    finally:
                        self.in_flight -= 1
                if self._places.wanted_beside(self._begin_some):
                    break
        except BaseException:
            # The process ends.
            self._places.close()
            raise
        self._places.give_back()
        self._begin_some()

    def _begin(self, work: Work) -> Recorded[Assignment] | None:
        """Decode and look whether it is still wanted; None: there is nothing to work on."""
        runtime, record, job = self._runtime, work.record, work.job
        self._lane_of(work).begin(work)
        if runtime.telemetry.tracer is not None:
            group = self._lane_of(work).spec.group
            job.span, job.trace = runtime.telemetry.tracer.process(record, group, job.trace)
        try:
            recorded = runtime.codec.decode(Assignment, record, job.trace[0])
        except Poison as poison:
            job.failed = poison
            self._finish_later(work)
            return None
        assignment = recorded.message
        if assignment.reply_topic != self._replies:
            job.failed = Poison(
                f"reply_topic is {assignment.reply_topic[:300]!r}: answers go to {self._replies}",
                "WRONG_REPLY_TOPIC",
            )
            self._finish_later(work)
            return None
        work.recorded = recorded
        job.task_id = assignment.task.id
        if job.span is not None:
            spans.about(job.span, assignment)
        now_ms = runtime.clock.now_ms()
        if self._spec.stopped(job.task_id):
            self._drop(work, "STOPPED")
        elif now_ms >= assignment.deadline_ms:
            self._drop(work, "EXPIRED")
        else:
            work.begun_ms = runtime.clock.monotonic_ms()
            self._inbox.record(max(0, now_ms - record.timestamp_ms) / 1000)
            return recorded
        return None

    def _drop(self, work: Work, reason: str) -> None:
        """Finish a piece of work without an answer: nobody waits for it."""
        attributes: dict[str, str] = {
            Attribute.COMITIA_AGENT: self._spec.agent,
            Attribute.COMITIA_REASON: reason,
        }
        self._runtime.telemetry.add(ASSIGNMENTS_DROPPED, 1, attributes)
        self._finish(work)

    async def _answer(self, work: Work, recorded: Recorded[Assignment]) -> None:
        runner = asyncio.current_task()
        work.runner = runner
        others = self._answering.setdefault(work.job.task_id, [])
        others.append(work)
        try:
            work.job.effects = await within_deadline(self._runtime, self._spec.answer, recorded)
        except Poison as poison:
            work.job.failed = poison
        except asyncio.CancelledError:
            if not work.stopped:
                raise
        finally:
            work.runner = None
            others.remove(work)
            if not others:
                del self._answering[work.job.task_id]
        if not work.stopped:
            self._finish_later(work)
            return
        if runner is not None and runner.uncancel():
            # The process ends as well.
            raise asyncio.CancelledError
        self._drop(work, "STOPPED")

    def _lane_of(self, work: Work) -> Lane:
        return (
            self._lanes[-1] if work.record.topic == self._lanes[-1].spec.topic else self._lanes[0]
        )

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
                now_ms = self._runtime.clock.monotonic_ms()
                for work in batch:
                    if work.job.failed is not None:
                        await self._give_up(work, work.job.failed)
                    else:
                        self._answered.record((now_ms - work.begun_ms) / 1000)
                    self._done.popleft()
                    self._finish(work)

    def _finish(self, work: Work) -> None:
        self._lane_of(work).finish(work)

    async def _give_up(self, work: Work, why: Poison) -> None:
        record, job = work.record, work.job
        task_id = dead_letters.ending_task_id(job.task_id, record)
        dead_letters.tell(record, why, task_id, job.trace[0])
        if job.span is not None:
            spans.fail(job.span, why)
        await self._delivery.keep(job, record, dead_letters.given_up(why, task_id))
        if work.recorded is not None:
            effects = (abstention(work.recorded, self._spec.agent, why),)
            await self._delivery.deliver((Job(effects, record, trace=job.trace),))

    async def _commit(self) -> None:
        for lane in self._lanes:
            await lane.commit()
