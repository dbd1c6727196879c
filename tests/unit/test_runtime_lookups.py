"""Tasks that come again after they were forgotten: looked up among the decisions of the log before
they may open, on LocalLog. Story.decisions() itself asserts that no task is decided twice.
"""

import asyncio

import pytest

from comitia.errors import Retryable
from comitia.runtime.memory import Memory
from comitia.v1.panel_event_pb2 import PanelEvent
from tests.unit.owner_world import DECISIONS, LETTERS, Story, answer, panel
from tests.unit.runtime_world import until

WINDOW_MS = 20_000


def whole(task_id: str, appended_ms: int) -> list[PanelEvent]:
    """All that is said about a task."""
    return [panel(task_id, appended_ms=appended_ms), answer(task_id, "1"), answer(task_id, "2")]


def refused(task_id: str, appended_ms: int) -> PanelEvent:
    event = PanelEvent(task_id=task_id)
    event.task_refused.task_appended_ms = appended_ms
    return event


async def decided_and_forgotten(s: Story, *task_ids: str) -> int:
    """Decide tasks, then let their window pass; when they were appended."""
    appended_ms = s.world.clock.now_ms()
    for task_id in task_ids:
        await s.write(*whole(task_id, appended_ms))
    await until(lambda: set(task_ids) <= set(s.decisions()))
    await asyncio.sleep(3 * WINDOW_MS / 1000)
    return appended_ms


def lookups(s: Story) -> dict[str, float]:
    """How many tasks were looked up, by result."""
    lines = s.runtime.telemetry.exposition().decode().splitlines()
    found = [line.split() for line in lines if line.startswith("comitia_lookups_total{")]
    return {name.split('"')[1]: float(count) for name, count in found}


def test_a_task_that_comes_again_after_the_window_is_not_decided_twice() -> None:
    s = Story(duplicate_window_ms=WINDOW_MS)

    async def story() -> None:
        await s.live()
        appended_ms = await decided_and_forgotten(s, "a", "b", "c")
        await s.write(*whole("a", appended_ms), refused("b", appended_ms))
        await s.write(*whole("never-seen", appended_ms))
        await until(lambda: "never-seen" in s.decisions())
        # It is remembered now: the second panel is met by `after`, as within the window.
        await until(lambda: len(s.world.records(LETTERS)) == 1)
        assert set(s.decisions()) == {"a", "b", "c", "never-seen"}
        assert lookups(s) == {"FOUND": 2, "NOT_FOUND": 1}
        await s.write(*whole("a", appended_ms))
        await until(lambda: len(s.world.records(LETTERS)) == 2)
        assert lookups(s) == {"FOUND": 2, "NOT_FOUND": 1}

    s.run(story)


def test_without_the_look_up_it_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "doubts", lambda *_: None)
    s = Story(duplicate_window_ms=WINDOW_MS)

    async def story() -> None:
        await s.live()
        appended_ms = await decided_and_forgotten(s, "a")
        await s.write(*whole("a", appended_ms))
        await until(lambda: len(s.world.records(DECISIONS)) == 2)
        with pytest.raises(AssertionError, match="decided twice"):
            s.decisions()

    s.run(story)


def test_tasks_of_the_present_are_not_looked_up() -> None:
    s = Story(duplicate_window_ms=WINDOW_MS)

    async def story() -> None:
        await s.live()
        await decided_and_forgotten(s, "a")
        await s.write(*whole("b", s.world.clock.now_ms()))
        await until(lambda: "b" in s.decisions())
        assert lookups(s) == {}

    s.run(story)


def test_parked_events_hold_the_mark_and_a_new_owner_parks_them_again() -> None:
    s = Story(duplicate_window_ms=WINDOW_MS)

    async def story() -> None:
        await s.live()
        appended_ms = await decided_and_forgotten(s, "a")
        before = s.mark
        stuck = True
        s.world.log.fault = lambda operation, _: (
            Retryable("away") if stuck and operation == "offsets_at" else None
        )
        await s.write(*whole("a", appended_ms), *whole("b", s.world.clock.now_ms()))
        await until(lambda: "b" in s.decisions())
        await asyncio.sleep(1)
        assert s.mark == before
        assert any(reason.startswith("look-ups") for reason in s.runtime.health.reasons())
        # Killed in the middle of it.
        await s.kill()
        stuck = False
        await s.live()
        await until(lambda: (s.mark or 0) == (before or 0) + 6)
        assert set(s.decisions()) == {"a", "b"}
        assert lookups(s) == {"FOUND": 1}

    s.run(story)


def test_what_was_folded_at_take_over_is_looked_up_before_its_effects_go_out() -> None:
    s = Story(duplicate_window_ms=WINDOW_MS)

    async def story() -> None:
        await s.live()
        appended_ms = await decided_and_forgotten(s, "a")
        await s.kill()
        await s.write(*whole("a", appended_ms), *whole("new", appended_ms))
        await s.live()
        await until(lambda: "new" in s.decisions())
        assert set(s.decisions()) == {"a", "new"}
        assert lookups(s) == {"FOUND": 1, "NOT_FOUND": 1}

    s.run(story)


def test_the_number_of_remembered_tasks_is_a_hard_bound_and_a_take_over_looks_up_the_rest() -> None:
    s = Story(decided_max=5)

    async def story() -> None:
        await s.live()
        # "open" holds the mark, so that a new owner meets all of the others again.
        await s.write(panel("open", appended_ms=s.world.clock.now_ms()))
        for number in range(40):
            await s.write(*whole(f"t{number}", s.world.clock.now_ms()))
        await until(lambda: len(s.decisions()) == 40)
        await asyncio.sleep(1)
        assert "comitia_tasks_remembered 5.0" in s.runtime.telemetry.exposition().decode()
        await s.kill()
        await s.live()
        await s.write(answer("open", "1"), answer("open", "2"))
        await until(lambda: "open" in s.decisions())
        assert len(s.decisions()) == 41
        assert lookups(s)["FOUND"] == 35

    s.run(story)


def test_answers_and_timers_of_a_parked_task_wait_with_it() -> None:
    s = Story(duplicate_window_ms=WINDOW_MS)

    async def story() -> None:
        await s.live()
        appended_ms = await decided_and_forgotten(s, "a")
        stuck = True
        s.world.log.fault = lambda operation, _: (
            Retryable("away") if stuck and operation == "offsets_at" else None
        )
        deadline_ms = s.world.clock.now_ms() + 100
        # An answer that precedes its panel, and a deadline that passes while it is looked up.
        late = panel("late", deadline_ms, appended_ms)
        await s.write(answer("late", "1"), late, answer("late", "2"))
        await asyncio.sleep(5)
        assert "late" not in s.decisions()
        stuck = False
        await until(lambda: "late" in s.decisions())
        assert s.decisions()["late"].explanation == "1,2"

    s.run(story)
