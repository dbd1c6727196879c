"""Running work is cancelled when its task is stopped: no answer, its offset done, others go on."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from comitia.effects import Effect, Recorded
from comitia.errors import Poison, Retryable
from comitia.runtime.stopped_tasks import StoppedTasks
from comitia.runtime.tables import Tables
from comitia.testing import ManualClock
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.control_pb2 import Control
from tests.unit.runtime_world import until
from tests.unit.workers_world import CONTROL, FAR, LETTERS, Story, work


async def watched(s: Story) -> asyncio.Task[None]:
    """Start the agent with its table of stopped tasks, as its process does."""
    stopped = StoppedTasks(s.world.clock)
    s.stopped = stopped
    await s.start()
    stopped.listen(s.workers.stop_task)
    tables = Tables(s.runtime)
    tables.add("control", Control, stopped.apply, back_ms=3_600_000)
    reading = asyncio.create_task(tables.run())
    await tables.ready()
    return reading


async def stop_task(s: Story, task_id: str) -> None:
    await s.world.write(CONTROL, task_id, Control(task_id=task_id, deadline_ms=FAR))


def test_running_work_of_a_stopped_task_is_cancelled() -> None:
    s = Story(in_flight_max=2)

    async def story() -> None:
        for name in ("a0", "a1", "a2"):
            s.agent.let(name)
        await s.write(*(work(f"a{n}") for n in range(3)))
        reading = await watched(s)
        await until(lambda: s.agent.begun == ["a0", "a1"])
        await stop_task(s, "task-a0")
        await until(lambda: s.agent.begun == ["a0", "a1", "a2"])
        assert s.agent.cancelled == ["a0"]
        await until(lambda: s.mark == 1)
        assert s.answered() == []
        metrics = s.runtime.telemetry.exposition().decode()
        assert 'comitia_reason="STOPPED"} 1.0' in metrics
        s.agent.let("a1").set()
        s.agent.let("a2").set()
        await until(lambda: s.mark == 3)
        assert s.answered() == ["a1", "a2"]
        assert s.world.records(LETTERS) == []
        await s.stop()
        await reading

    s.run(story)


def test_every_sample_of_the_task_is_cancelled() -> None:
    s = Story(in_flight_max=4)

    async def story() -> None:
        first, second = work("a0"), work("a1")
        second.task.id = first.task.id
        for name in ("a0", "a1", "b"):
            s.agent.let(name)
        await s.write(first, second, work("b"))
        reading = await watched(s)
        await until(lambda: len(s.agent.begun) == 3)
        await stop_task(s, first.task.id)
        await until(lambda: s.mark == 2)
        assert s.agent.cancelled == ["a0", "a1"]
        await s.stop()
        await reading
        assert s.answered() == ["b"]

    s.run(story)


def test_a_stopped_task_is_not_tried_again() -> None:
    s = Story()

    async def story() -> None:
        s.agent.failing = {"a": [Retryable("busy")] * 1_000}
        await s.write(work("a"))
        reading = await watched(s)
        await until(lambda: len(s.agent.begun) > 2)
        await stop_task(s, "task-a")
        await until(lambda: s.mark == 1)
        tried = len(s.agent.begun)
        await asyncio.sleep(60)
        assert len(s.agent.begun) == tried
        assert s.answered() == []
        await s.stop()
        await reading

    s.run(story)


@pytest.mark.parametrize("refuse", ["answers", "raises"])
def test_an_agent_that_does_not_heed_the_cancel_is_not_heard(refuse: str) -> None:
    s = Story(in_flight_max=1)
    heedful = s.agent.answer

    async def heedless(recorded: Recorded[Assignment]) -> Sequence[Effect]:
        if recorded.message.id != "a":
            return await heedful(recorded)
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            if refuse == "raises":
                raise Poison("cancelled") from None
        return ()

    async def story() -> None:
        s.agent.answer = heedless  # type: ignore[method-assign]
        await s.write(work("a"), work("b"))
        reading = await watched(s)
        await until(lambda: s.workers.in_flight == 1)
        await stop_task(s, "task-a")
        await until(lambda: s.mark == 2)
        assert s.answered() == ["b"]
        assert s.world.records(LETTERS) == []
        await s.stop()
        await reading

    s.run(story)


def test_a_worker_that_is_ended_while_it_stops_a_task_ends() -> None:
    """An order to stop must not swallow the end of the process."""
    s = Story(in_flight_max=1)

    async def story() -> None:
        s.agent.let("a")
        s.agent.let("b")
        await s.write(work("a"), work("b"))
        reading = await watched(s)
        await until(lambda: s.agent.begun == ["a"] and s.workers.waiting == 1)
        (worker,) = s.workers._tasks
        s.workers.stop_task("task-a")
        worker.cancel()
        await asyncio.wait({worker}, timeout=5)
        assert worker.cancelled()
        await s.kill()
        s.runtime.stop.set()
        await reading

    s.run(story)


def order(task_id: str, deadline_ms: int = FAR) -> Any:
    return Recorded(Control(task_id=task_id, deadline_ms=deadline_ms), CONTROL, 0, 0, 0)


def test_the_table_of_stopped_tasks_is_bounded() -> None:
    stopped = StoppedTasks(ManualClock(), stopped_max=3)
    for number in range(5):
        stopped.apply("", order(f"t{number}"))
    assert [stopped(f"t{number}") for number in range(5)] == [False, False, True, True, True]
