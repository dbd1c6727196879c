"""Conflicts through the owner loop on LocalLog: escalated, left by one owner, settled under the
next; exactly one revision, whatever breaks between.
"""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from comitia.errors import Retryable
from comitia.runtime.owner import OwnerSpec, run_owner
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_ESCALATED,
    DECISION_STATUS_EXPIRED,
    Decision,
)
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia_aggregator.main import TaskFold
from tests.sim.events import answered, make_answer, make_panel, make_task, opened
from tests.unit import owner_world
from tests.unit.conflict_world import verdict
from tests.unit.ladder_world import RULES, ladder
from tests.unit.runtime_world import until

FEEDBACK = "comitia.feedback.v1"
EXPIRES_MS = 120_000
SOON = replace(RULES, remind_ms=15_000)


class Story(owner_world.Story):
    """An owner of the real fold. Its decisions, feedback and refusals are those of all owners."""

    async def start(self) -> None:
        self.runtime = self.world.runtime("aggregator")
        fold = TaskFold(SOON)
        spec = OwnerSpec(owner_world.GROUP, fold, self.exactly_once, **self.bounds)
        self.loop = asyncio.create_task(run_owner(self.runtime, spec))
        await asyncio.sleep(0)

    async def take_over(self) -> None:
        """The owner dies; another one begins where its last commit says."""
        await self.kill()
        await self.live()

    async def disagree(self, task_id: str = "t1") -> None:
        """A panel that leaves its task to a person."""
        step = {"person": {"expiresMs": str(EXPIRES_MS), "expiry": "EXPIRY_EXPIRE"}}
        panel = make_panel(make_task(task_id, policy=ladder(step)), f"p-{task_id}", seats=2)
        now_ms = self.world.clock.now_ms()
        panel.task_appended_ms, panel.deadline_ms = now_ms, now_ms + 10_000
        answers = [make_answer(f"p-{task_id}.{n}.0.1", "ab"[n]) for n in range(2)]
        await self.write(opened(panel), *(answered(one, task_id) for one in answers))
        await until(lambda: (task_id, 0) in self.revisions())

    async def settle(self, option: str = "b", task_id: str = "t1", **more: Any) -> None:
        offset = next(
            record.offset
            for record in self.world.records(owner_world.DECISIONS)
            if Decision.FromString(record.value or b"").task_id == task_id
        )
        event = verdict(option, **{"task_id": task_id, "decision_offset": offset, **more})
        event.task_id = task_id
        await self.write(event)

    def revisions(self) -> dict[tuple[str, int], Decision]:
        found = self.world.messages(owner_world.DECISIONS, Decision)
        made = {(one.task_id, one.revision): one for one in found}
        assert len(made) == len(found), "a revision was made twice"
        return made

    def feedback(self) -> list[Feedback]:
        return self.world.messages(FEEDBACK, Feedback)

    def refusals(self) -> list[str]:
        letters = self.world.messages(owner_world.LETTERS, DeadLetter)
        assert {one.reason for one in letters} <= {"VERDICT_REFUSED"}
        return [one.error for one in letters]

    def reminders(self) -> int:
        events = self.world.messages(owner_world.EVENTS, PanelEvent)
        return sum(one.HasField("conflict_opened") for one in events)

    @property
    def end(self) -> int:
        """The offset of the last record of the log that holds anything."""
        return self.world.records(owner_world.EVENTS)[-1].offset


def test_a_conflict_is_settled_once_under_whoever_owns_it_then() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await s.disagree()
        escalated = s.revisions()["t1", 0]
        assert escalated.status == DECISION_STATUS_ESCALATED
        for _ in range(2):
            await s.take_over()
            await asyncio.sleep(5)
        assert list(s.revisions()) == [("t1", 0)]
        await s.settle()
        await until(lambda: ("t1", 1) in s.revisions())
        made = s.revisions()["t1", 1]
        assert (made.status, made.value.option_id) == (DECISION_STATUS_DECIDED, "b")
        assert made.settlement.decision_offset == 0
        await s.take_over()
        # The router delivers at least once.
        await s.settle()
        await asyncio.sleep(5)
        assert list(s.revisions()) == [("t1", 0), ("t1", 1)]
        assert [one.id for one in s.feedback()] == ["verdict:t1:0"]
        assert not s.refusals()
        await until(lambda: s.mark is not None and s.mark > s.end)

    s.run(story)


def test_a_verdict_whose_revision_was_under_way_when_its_owner_died_is_taken_by_the_next() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await s.disagree()
        s.world.log.fault = lambda operation, _: (
            Retryable("away") if operation == "commit_transaction" else None
        )
        await s.settle()
        await asyncio.sleep(5)
        await s.kill()
        assert list(s.revisions()) == [("t1", 0)] and not s.feedback()
        s.world.log.fault = lambda operation, subject: None
        await s.live()
        await until(lambda: ("t1", 1) in s.revisions())
        await asyncio.sleep(5)
        assert len(s.revisions()) == 2 and len(s.feedback()) == 1 and not s.refusals()

    s.run(story)


def test_of_two_verdicts_the_first_counts_and_others_are_told_what_to_change() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await s.disagree()
        await s.settle(revision=1)
        await s.settle(decision_offset=9)
        await s.settle("z")
        await s.settle("b")
        await s.settle("a")
        await until(lambda: len(s.refusals()) == 4)
        assert s.revisions()["t1", 1].value.option_id == "b"
        said = s.refusals()
        for sentence in ("revision: ", "decision_offset: ", "none of the options", "revision 1"):
            assert any(sentence in one for one in said), (sentence, said)

    s.run(story)


def test_a_conflict_outlives_the_memory_of_its_decision_and_expires_once() -> None:
    """A third of the time for which it is open is remembered; owners come and go."""
    s = Story(duplicate_window_ms=EXPIRES_MS // 3)

    async def story() -> None:
        await s.live()
        await s.disagree()
        for _ in range(4):
            await asyncio.sleep(EXPIRES_MS / 5_000)
            await s.take_over()
            assert list(s.revisions()) == [("t1", 0)]
        assert s.reminders() > EXPIRES_MS * 4 // 5 // SOON.remind_ms
        assert s.mark is not None and s.mark > 4, "reminders let the mark go"
        await until(lambda: ("t1", 1) in s.revisions(), within_ms=EXPIRES_MS)
        made = s.revisions()["t1", 1]
        assert made.status == DECISION_STATUS_EXPIRED
        assert (made.settlement.expired, made.settlement.decision_offset) == (True, 0)
        await s.take_over()
        await s.settle()
        await until(lambda: len(s.refusals()) == 1)
        await asyncio.sleep(EXPIRES_MS / 1_000)
        assert len(s.revisions()) == 2 and not s.feedback()

    s.run(story)


def test_a_memory_of_few_decisions_settles_no_conflict_twice() -> None:
    """t0 holds the mark below a conflict that is settled and forgotten."""
    s = Story(decided_max=2)

    async def story() -> None:
        await s.live()
        await s.write(opened(held(s)))
        await s.disagree()
        await s.settle()
        await until(lambda: ("t1", 1) in s.revisions())
        for number in range(2, 6):
            await s.disagree(f"t{number}")
            await s.settle(task_id=f"t{number}")
            await until(lambda: (f"t{number}", 1) in s.revisions())  # noqa: B023
        await asyncio.sleep(5)
        await s.take_over()
        await asyncio.sleep(5)
        assert len(s.revisions()) == 10 and not s.refusals()

    s.run(story)


def held(s: Story) -> Any:
    panel = make_panel(make_task("t0"), "p-t0")
    panel.task_appended_ms = s.world.clock.now_ms()
    panel.deadline_ms = panel.task_appended_ms + 3_600_000
    return panel


@pytest.mark.parametrize("lost", [owner_world.EVENTS, owner_world.DECISIONS])
def test_at_least_once_no_decision_is_in_the_log_without_its_conflict(lost: str) -> None:
    s = Story(exactly_once=False)

    async def story() -> None:
        await s.live()
        asked = 0

        def fault(operation: str, subject: str) -> Exception | None:
            nonlocal asked
            asked += (operation, subject) == ("append", owner_world.EVENTS)
            # The panel and its answers come from outside.
            gone = subject == owner_world.DECISIONS or asked > 3
            return Retryable("away") if (operation, subject) == ("append", lost) and gone else None

        s.world.log.fault = fault
        disagreeing = asyncio.create_task(s.disagree())
        await asyncio.sleep(5)
        assert s.reminders() == (lost == owner_world.DECISIONS)
        assert not s.revisions()
        await s.kill()
        s.world.log.fault = lambda operation, subject: None
        await s.live()
        await disagreeing
        await s.settle()
        await until(lambda: ("t1", 1) in s.revisions())
        assert len(s.revisions()) == 2

    s.run(story)
