"""Publishing a file of tasks: line by line, in a bounded window of unacknowledged records, bad
lines reported and skipped.

In: lines of proto3 JSON, a journal, an observer. Out: tasks in the log, a journal that is true
after every acknowledgement, and, when asked to wait, every decision.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Protocol

from comitia.errors import Poison
from comitia.ports import Ack, Writer
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.task_pb2 import Task
from comitia_cli.client.decisions import SLACK_MS
from comitia_cli.client.journal import Journal
from comitia_cli.client.records import FETCH_TIMEOUT_MS, Feed, decode
from comitia_cli.client.sending import send
from comitia_cli.client.tasks import Defaults, task_of_line

WINDOW = 500
SAVE_EVERY = 500


class Observer(Protocol):
    """Who watches a publication."""

    def sent(self, line: int) -> None:
        """All lines up to here are in the log or reported."""

    def refused(self, line: int, why: str) -> None: ...

    def decided(self, decision: Decision) -> None: ...


@dataclass
class Tally:
    """What came of a publication. `open`: ids of published tasks without a decision so far.
    `escalated`: of those undecided, how many are left to a person.
    """

    published: int = 0
    refused: int = 0
    decided: int = 0
    undecided: int = 0
    escalated: int = 0
    timeout_ms_max: int = 0
    open: set[str] = field(default_factory=set)


class Publication:
    """One run over a file. `publish` and, at the same time, `collect`."""

    def __init__(self, journal: Journal, observer: Observer) -> None:
        self.tally = Tally()
        self._journal = journal
        self._observer = observer
        # Set once the tasks of a former, broken run are known again, and once all are published.
        self._caught_up = asyncio.Event()
        self._published = asyncio.Event()
        self._active_s = 0.0
        self._named = False
        # Ids of the tasks that are not acknowledged, by line.
        self._ids: dict[int, str] = {}

    async def publish(
        self, lines: AsyncIterator[bytes], writer: Writer, topic: str, defaults: Defaults
    ) -> None:
        """Send every line that is not in the log yet.

        Retryable when the broker stays away; the journal then tells where to go on.
        """
        window: deque[tuple[int, Awaitable[Ack]]] = deque()
        done, number = self._journal.lines, 0
        try:
            async for line in lines:
                number += 1
                if number > done:
                    self._caught_up.set()
                task = self._read(line, number, defaults) if line.strip() else None
                if task is None or number <= done:
                    continue
                try:
                    ack = await send(writer, topic, task.id, task)
                except Poison as error:
                    # Larger than this cluster's topic takes.
                    self._take_back(task.id, number, error)
                    continue
                window.append((number, ack))
                self._ids[number] = task.id
                if len(window) >= WINDOW:
                    await self._acknowledge(window, WINDOW // 2)
            await self._acknowledge(window, 0)
        finally:
            self._journal.save()
        self._journal.lines = number
        self._observer.sent(number)
        self._caught_up.set()
        self._published.set()

    def _read(self, line: bytes, number: int, defaults: Defaults) -> Task | None:
        try:
            task, is_named = task_of_line(line, number, self._journal.run, defaults)
        except Poison as error:
            self.tally.refused += 1
            self._observer.refused(number, str(error))
            return None
        self.tally.published += 1
        self._named = self._named or is_named
        self.tally.timeout_ms_max = max(self.tally.timeout_ms_max, task.timeout_ms)
        self.tally.open.add(task.id)
        return task

    def _take_back(self, task_id: str, number: int, error: Poison) -> None:
        """A task that was refused on the way into the log."""
        self.tally.published -= 1
        self.tally.refused += 1
        self.tally.open.discard(task_id)
        self._observer.refused(number, str(error))

    async def _acknowledge(self, window: deque[tuple[int, Awaitable[Ack]]], leave: int) -> None:
        while len(window) > leave:
            number, ack = window[0]
            task_id = self._ids.pop(number)
            try:
                await ack
            except Poison as error:
                self._take_back(task_id, number, error)
            window.popleft()
            self._active_s = asyncio.get_running_loop().time()
            self._journal.lines = number
            self._observer.sent(number)
            if number % SAVE_EVERY == 0:
                self._journal.save()

    async def collect(self, feed: Feed) -> None:
        """Read decisions until every task has one, or until nothing has come for longer than any
        task may take; what is missing then stays in `tally.open`.
        """
        await self._caught_up.wait()
        clock = asyncio.get_running_loop().time
        self._active_s = clock()
        while self.tally.open or not self._published.is_set():
            for record in await feed.next(FETCH_TIMEOUT_MS):
                if self.note(decode(Decision, record)):
                    self._active_s = clock()
            patience_s = (self.tally.timeout_ms_max + SLACK_MS) / 1000
            if self._published.is_set() and clock() - self._active_s > patience_s:
                return

    @property
    def may_be_decided_before(self) -> bool:
        """Are there open tasks whose ids were given in the file? Somebody may have used an id
        before; such a task is not decided again.
        """
        return self._named and bool(self.tally.open)

    def note(self, decision: Decision) -> bool:
        """Count a decision; False when it is not one that is waited for."""
        if decision.task_id not in self.tally.open:
            return False
        self.tally.open.discard(decision.task_id)
        if decision.status == DecisionStatus.DECISION_STATUS_DECIDED:
            self.tally.decided += 1
        else:
            self.tally.undecided += 1
            self.tally.escalated += decision.HasField("escalation")
        self._observer.decided(decision)
        return True
