"""The leader loop (learner): of all processes of a group, the one that holds the single partition
of `weights` leads a term; the others stand by.

In comes the group's word on who holds the partition; a term (term.py) does the work. It begins by
opening the partition's transactional writer, which ends whatever a former leader had open, and
begins anew after every failure: whoever is fenced cannot know why, so it drops its state, proves
that it is still a member and takes over again, as the owner loop does.
"""

import asyncio
from collections.abc import Mapping

from comitia.errors import Retryable
from comitia.ports import Partitions, Reader, ReaderSpec, TopicPartition
from comitia.runtime import take_over
from comitia.runtime.context import Runtime
from comitia.runtime.leader_spec import LeaderSpec
from comitia.runtime.membership import Membership
from comitia.runtime.reading import fetch
from comitia.runtime.retry import Backoff, Stopped, persist
from comitia.runtime.term import Term
from comitia.telemetry.measures import destination
from comitia.telemetry.metrics import CONSUMER_LAG, PARTITIONS_OWNED
from comitia.telemetry.names import Attribute

CONDITION = "leader"


async def run_leader(runtime: Runtime, spec: LeaderSpec) -> None:
    """Lead whenever the partition is ours, until `runtime.stop`; then publish what is due."""
    try:
        await _Leader(runtime, spec).run()
    except* Stopped:
        pass  # asked to stop before there was a broker


class _Leader:
    def __init__(self, runtime: Runtime, spec: LeaderSpec) -> None:
        self._runtime = runtime
        self._spec = spec
        self._tp = TopicPartition(runtime.names.topic("weights"), 0)
        inputs = [runtime.names.topic(entity) for entity in ("feedback", "decisions")]
        self._member = Membership(runtime, spec.group, inputs)
        self._reader: Reader
        self._connected = asyncio.Event()
        self._group: asyncio.TaskGroup
        self._term: Term | None = None
        self._leading: asyncio.Task[None] | None = None
        # The term that was taken away, until it has ended.
        self._leaving: asyncio.Task[None] | None = None
        whose: dict[str, str] = {Attribute.MESSAGING_CONSUMER_GROUP_NAME: spec.group}
        self._whose = whose
        runtime.telemetry.observe(
            PARTITIONS_OWNED, lambda: [(float(self._leading is not None), whose)]
        )
        runtime.telemetry.observe(CONSUMER_LAG, self._behind)
        runtime.health.set(CONDITION, "waiting for its group")

    async def run(self) -> None:
        runtime = self._runtime
        spec = ReaderSpec(
            topics=(self._tp.topic,),
            group=self._spec.group,
            instance_id=runtime.member_id,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        )
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._reader = await persist(runtime, "broker", lambda: runtime.log.reader(spec))
                self._connected.set()
                backoff = Backoff(runtime.instance)
                while not runtime.stop.is_set():
                    # Nothing comes of it: it keeps the membership, and the partition is paused.
                    await fetch(runtime, self._reader, 1, backoff)
                if self._leading is not None:
                    await asyncio.wait({self._leading})
        finally:
            if self._connected.is_set():
                await self._reader.close()

    async def _lead(self, former: "asyncio.Task[None] | None") -> None:
        """One term after the other, until the partition is taken away or the service stops."""
        runtime = self._runtime
        backoff, again = Backoff(runtime.instance), False
        await self._connected.wait()
        if former is not None:
            # One writer of a transactional id at a time: two that start side by side fence each
            # other.
            await asyncio.wait({former})
        while True:
            runtime.health.set(CONDITION, "reading what was learned so far")
            self._term = Term(runtime, self._spec, self._tp, self._member)
            try:
                if again:
                    await take_over.prove_membership(self._reader, self._tp)
                await self._term.run(self._live)
                return
            except Retryable as error:
                take_over.tell_failure(self._tp, error)
                runtime.health.set(CONDITION, str(error))
            finally:
                self._term = None
            if runtime.stop.is_set():
                return
            again = True
            await asyncio.sleep(backoff.next_ms() / 1000)

    def _live(self) -> None:
        self._runtime.health.set(CONDITION, None)

    # The hooks neither await nor do I/O.
    def _assigned(self, partitions: Partitions) -> None:
        self._member.assigned()
        if self._connected.is_set():
            self._reader.pause(partitions)
        if self._tp not in partitions or self._runtime.stop.is_set():
            # Standing by is all that is asked of it.
            self._runtime.health.set(CONDITION, None)
            return
        former, self._leaving = self._leaving, None
        self._leading = self._group.create_task(self._lead(former))

    def _revoked(self, _: Partitions) -> None:
        if self._leading is not None:
            self._leading.cancel()
            self._leaving, self._leading = self._leading, None

    def _behind(self) -> list[tuple[float, Mapping[str, str]]]:
        """Records that the leader has not read yet, of each topic that it learns from."""
        term = self._term
        behind: dict[str, int] = {}
        for tp, records in (term.lag() if term is not None else {}).items():
            behind[tp.topic] = behind.get(tp.topic, 0) + records
        return [(count, {**self._whose, **destination(topic)}) for topic, count in behind.items()]
