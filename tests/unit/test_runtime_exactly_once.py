"""The owner loop's transactions on LocalLog: crashes inside them, fencing, zombies, what waits."""

import asyncio
from collections.abc import Callable

import pytest

from comitia.errors import ComitiaError, Fenced, Retryable
from comitia.ports import Reader
from comitia.runtime import take_over
from comitia.v1.control_pb2 import Control
from tests.unit.owner_world import CONTROL, DECISIONS, GROUP, Story, answer, panel
from tests.unit.runtime_world import until

TRANSACTIONAL_ID = f"{GROUP}.0"
Fault = Callable[[str, str], Exception | None]


def on(operation: str, subject: str, error: ComitiaError) -> Fault:
    return lambda now, what: error if (now, what) == (operation, subject) else None


def never(operation: str, subject: str) -> None:
    return None


def uncommitted(s: Story) -> int:
    """Decisions that somebody began to publish, visible or not."""
    return sum(
        len(partition.read(0, 1_000_000, False)[0])
        for partition in s.world.log.topic(DECISIONS).partitions
    )


async def decide(s: Story, *tasks: str) -> None:
    for task in tasks:
        await s.write(panel(task), answer(task, "1"), answer(task, "2"))


def test_a_crash_inside_a_transaction_leaves_nothing_and_the_next_owner_decides_once() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        s.world.log.fault = on("commit_transaction", TRANSACTIONAL_ID, Retryable("no answer"))
        await decide(s, "a")
        await until(lambda: uncommitted(s) > 0)
        await s.kill()
        assert s.decisions() == {}
        s.world.log.fault = never
        await s.live()
        await until(lambda: "a" in s.decisions())
        assert uncommitted(s) > 1

    s.run(story)


def test_a_commit_whose_answer_was_lost_is_not_repeated() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        lost: list[object] = []

        def fault(operation: str, subject: str) -> Exception | None:
            if (operation, subject) == ("commit_transaction", TRANSACTIONAL_ID) and not lost:
                writer = s.world.log._writers[TRANSACTIONAL_ID]
                writer._finish("committed")
                lost.append(writer)
                return Fenced("no answer")
            return None

        s.world.log.fault = fault
        await decide(s, "a", "b")
        await until(lambda: len(s.decisions()) == 2 and s.mark == 6)
        assert lost

    s.run(story)


def test_a_fenced_owner_proves_its_membership_and_takes_over_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s = Story()
    proofs = []
    prove = take_over.prove_membership

    async def counted(reader: Reader, *given: object) -> None:
        await prove(reader, *given)  # type: ignore[arg-type]
        proofs.append(given)

    monkeypatch.setattr(take_over, "prove_membership", counted)

    async def story() -> None:
        await s.live()
        await decide(s, "a")
        await until(lambda: "a" in s.decisions())
        # As after a transaction timeout: nobody else owns the partition.
        s.world.log._writers[TRANSACTIONAL_ID].fence()
        await decide(s, "b")
        await until(lambda: "b" in s.decisions())
        assert len(proofs) == 1
        assert s.runtime.health.ready

    s.run(story)


def test_who_cannot_prove_its_membership_does_not_fence_the_new_owner() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        opened = s.world.log._writers[TRANSACTIONAL_ID]
        s.world.log.fault = on("commit", GROUP, Retryable("another generation"))
        opened.fence()
        await decide(s, "a")
        await asyncio.sleep(30)
        assert s.world.log._writers[TRANSACTIONAL_ID] is opened
        assert not s.runtime.health.ready
        s.world.log.fault = never
        await until(lambda: "a" in s.decisions())

    s.run(story)


def test_a_zombie_that_wakes_with_a_decision_to_publish_is_fenced() -> None:
    s, other = Story(), Story()
    other.world = s.world

    async def story() -> None:
        await s.live()
        (zombie,) = s.world.log._readers
        await s.write(panel("a"), answer("a", "1"))
        await until(lambda: s.mark == 0)
        # It stands still inside its transaction for longer than its session.
        stuck = asyncio.Event()
        writer = s.world.log._writers[TRANSACTIONAL_ID]
        begin = writer.begin

        async def stop_there() -> None:
            await begin()
            s.world.log.silence(zombie)
            await stuck.wait()

        writer.begin = stop_there  # type: ignore[method-assign]
        await s.write(answer("a", "2"))
        await asyncio.sleep(1)
        await other.live()
        await until(lambda: "a" in other.decisions())
        stuck.set()
        await asyncio.sleep(30)
        assert len(other.decisions()) == 1
        await other.stop()

    s.run(story)


def test_work_is_stopped_only_once_the_decision_is_committed() -> None:
    s = Story()

    async def story() -> None:
        await s.live()
        s.world.log.fault = on("commit_transaction", TRANSACTIONAL_ID, Retryable("no answer"))
        await decide(s, "a")
        await asyncio.sleep(5)
        assert s.world.messages(CONTROL, Control) == []
        s.world.log.fault = never
        await until(lambda: len(s.world.messages(CONTROL, Control)) == 1)
        assert "a" in s.decisions()

    s.run(story)


def test_a_transaction_takes_all_that_is_due() -> None:
    s = Story()

    async def story() -> None:
        await decide(s, *(f"t{n}" for n in range(500)))
        commits = []

        def fault(operation: str, subject: str) -> Exception | None:
            if operation == "commit_transaction":
                commits.append(subject)
            return None

        s.world.log.fault = fault
        await s.live()
        await until(lambda: len(s.decisions()) == 500)
        assert len(commits) == 1

    s.run(story)
