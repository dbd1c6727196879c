"""What the loops of a whole panel measure of its tasks, on LocalLog and virtual time."""

import asyncio
from collections.abc import Sequence

from comitia.effects import Effect, Publish, Recorded
from comitia.errors import Fenced, Retryable
from comitia.ports import ReaderSpec
from comitia.v1.assignment_pb2 import Assignment
from tests.unit import owner_world
from tests.unit.measured import of, until_told
from tests.unit.owner_world import Story, answer, panel
from tests.unit.panel_world import EVENTS, NAMES, TASKS, Panel, a_task, answer_to
from tests.unit.runtime_world import until

STAGE = "comitia_task_stage_duration_seconds"
DURATION = "comitia_task_duration_seconds"


async def after(recorded: Recorded[Assignment], seconds: float) -> Sequence[Effect]:
    assignment = recorded.message
    await asyncio.sleep(seconds)
    event = answer_to(assignment)
    return (Publish(assignment.reply_topic, assignment.task.id, event, assignment.reply_partition),)


async def slowly(recorded: Recorded[Assignment]) -> Sequence[Effect]:
    return await after(recorded, 1)


async def too_late(recorded: Recorded[Assignment]) -> Sequence[Effect]:
    return await after(recorded, 5)


def test_each_task_is_measured_once_in_every_stage() -> None:
    p = Panel()
    p.answers["ben"] = slowly

    async def story() -> None:
        for n in range(3):
            await p.publish(a_task(f"t{n}"), f"t{n}")
        for n in range(3):
            await p.decided(f"t{n}")
        await until_told(lambda: of(p.runtimes, f"{STAGE}_count", "decide") == 3)
        for stage, times in (("route", 3), ("inbox", 9), ("answer", 9), ("collect", 3)):
            assert of(p.runtimes, f"{STAGE}_count", stage) == times, stage
        # Two answer at once and one after a second.
        assert 3 <= of(p.runtimes, f"{STAGE}_sum", "answer") < 4
        assert 3 <= of(p.runtimes, f"{STAGE}_sum", "collect") < 4
        assert of(p.runtimes, f"{DURATION}_count", "DECIDED") == 3
        assert 3 <= of(p.runtimes, f"{DURATION}_sum", "DECIDED") < 5
        assert of(p.runtimes, "comitia_decisions_total", "DECIDED") == 3
        for agent in NAMES:
            assert of(p.runtimes, "comitia_seats_total", agent, "agreed") == 3
        for name in ("comitia_decision_margin", "comitia_decision_agreement"):
            assert (of(p.runtimes, f"{name}_count"), of(p.runtimes, f"{name}_sum")) == (3, 3)

    p.run(story)


def test_who_does_not_answer_in_time_is_missing_and_its_answer_dropped() -> None:
    p = Panel()
    p.answers["ben"] = too_late

    async def story() -> None:
        await p.publish(a_task("t", timeout_ms=2_000), "t")
        await p.decided("t")
        dropped = "comitia_answers_dropped_total"
        await until_told(lambda: of(p.runtimes, dropped, "AFTER_DECISION") == 1)
        assert of(p.runtimes, "comitia_seats_total", "ben", "missing") == 1
        assert of(p.runtimes, "comitia_seats_total", "ben", "not_awaited") == 0
        assert of(p.runtimes, "comitia_seats_total", "anna", "agreed") == 1
        assert 2 <= of(p.runtimes, f"{STAGE}_sum", "collect") < 3

    p.run(story)


def test_who_is_not_waited_for_is_not_missing() -> None:
    p = Panel()
    p.answers["ben"] = too_late

    async def story() -> None:
        task = a_task("t", timeout_ms=60_000)
        task.policy.wait_for_all = False
        await p.publish(task, "t")
        await p.decided("t")
        seats = "comitia_seats_total"
        await until_told(lambda: of(p.runtimes, seats, "ben", "not_awaited") == 1)
        assert of(p.runtimes, seats, "ben", "missing") == 0

    p.run(story)


def test_a_refused_task_is_measured_by_its_status_and_has_no_seats() -> None:
    p = Panel()

    async def story() -> None:
        await p.publish(a_task("t", timeout_ms=2**31), "t")
        await p.decided("t")
        await until_told(lambda: of(p.runtimes, f"{DURATION}_count", "REJECTED") == 1)
        assert of(p.runtimes, f"{STAGE}_count", "route") == 1
        assert of(p.runtimes, f"{STAGE}_count", "collect") == 0
        assert not any(of(p.runtimes, "comitia_seats_total", name, "agreed") for name in NAMES)

    p.run(story)


def test_reading_tells_of_batches_partitions_and_lag() -> None:
    p = Panel()

    async def story() -> None:
        await p.publish(a_task("t"), "t")
        await p.decided("t")
        router, aggregator, *agents = p.runtimes
        assert of([router], "comitia_partitions_owned", "comitia.router") == 13
        assert of([aggregator], "comitia_partitions_owned", "comitia.aggregator") == 4
        assert of([router], "comitia_poll_batch_size_sum", TASKS) == 1
        assert of([aggregator], "comitia_poll_batch_size_sum", EVENTS) == 4
        inbox = "comitia.inbox.{agent}.v1"
        assert of(agents, "comitia_poll_batch_size_sum", inbox) == 3
        await until_told(lambda: not of([router], "comitia_consumer_lag", "comitia.router", TASKS))
        assert of([router], "comitia_rebalances_total", "comitia.router") == 0
        assert of([aggregator], "comitia_transaction_batch_size_sum") == 1

    p.run(story)


def decided(s: Story) -> float:
    return of([s.runtime], "comitia_decisions_total", "DECIDED")


async def two_answers(s: Story, *tasks: str) -> None:
    for task in tasks:
        await s.write(panel(task, appended_ms=1), answer(task, "1"), answer(task, "2"))


def test_a_decision_whose_transaction_was_aborted_counts_when_it_is_published() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        failures = [Retryable("no answer")] * 3
        s.world.log.fault = lambda operation, subject: (
            failures.pop() if operation == "commit_transaction" and failures else None
        )
        await two_answers(s, "a")
        await until(lambda: "a" in s.decisions())
        await until_told(lambda: decided(s) == 1)
        assert not failures
        assert of([s.runtime], f"{STAGE}_count", "decide") == 1
        assert of([s.runtime], "comitia_transaction_batch_size_count") == 1

    s.run(story)


def test_what_comes_while_a_decision_waits_does_not_move_its_stages() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        s.world.log.fault = lambda operation, subject: (
            Retryable("no answer") if operation == "commit_transaction" else None
        )
        await two_answers(s, "a")
        await asyncio.sleep(20)
        await s.write(answer("a", "3"))
        await asyncio.sleep(5)
        s.world.log.fault = lambda operation, subject: None
        await until_told(lambda: decided(s) == 1)
        assert of([s.runtime], f"{STAGE}_sum", "collect") < 1
        assert 20 < of([s.runtime], f"{STAGE}_sum", "decide") < 60

    s.run(story)


def test_decisions_found_in_the_log_are_not_counted_again() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        await two_answers(s, "a", "b")
        await until_told(lambda: decided(s) == 2)
        await s.kill()
        await s.live()
        await two_answers(s, "c")
        await until_told(lambda: decided(s) == 1)
        assert of([s.runtime], f"{DURATION}_count", "DECIDED") == 1

    s.run(story)


def test_a_decision_whose_commit_ended_in_doubt_is_left_out() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        lost: list[object] = []

        def fault(operation: str, subject: str) -> Exception | None:
            if operation == "commit_transaction" and not lost:
                writer = s.world.log._writers[subject]
                writer._finish("committed")
                lost.append(writer)
                return Fenced("no answer")
            return None

        s.world.log.fault = fault
        await two_answers(s, "a")
        await until(lambda: "a" in s.decisions() and s.runtime.health.ready)
        s.world.log.fault = lambda operation, subject: None
        await two_answers(s, "b")
        await until_told(lambda: "b" in s.decisions() and decided(s) > 0)
        assert decided(s) == 1

    s.run(story)


def test_each_assignment_of_partitions_after_the_first_is_a_rebalance() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        group = owner_world.GROUP
        assert of([s.runtime], "comitia_rebalances_total", group) == 0
        owned = of([s.runtime], "comitia_partitions_owned", group)
        second = asyncio.create_task(_another(s))
        await until_told(lambda: of([s.runtime], "comitia_partitions_owned", group) < owned)
        assert of([s.runtime], "comitia_rebalances_total", group) >= 1
        await second

    s.run(story)


async def _another(s: Story) -> None:
    """Another member of the owner's group, for a while."""
    reader = await s.world.log.reader(ReaderSpec((owner_world.EVENTS,), owner_world.GROUP))
    for _ in range(20):
        await reader.fetch(1, 50)
    await reader.close()
