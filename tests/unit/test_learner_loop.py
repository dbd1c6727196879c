"""The leader loop on LocalLog: kills, two learners side by side, what is refused, what was lost."""

import asyncio

from comitia.errors import Fenced, Retryable
from comitia.ports import ReaderSpec, TopicPartition
from comitia.runtime.membership import Membership
from comitia.runtime.term import Term
from comitia.v1.dead_letter_pb2 import DeadLetter
from comitia.v1.feedback_pb2 import Feedback
from tests.unit import measured
from tests.unit.learner_story import DECISIONS, FEEDBACK, GROUP, LETTERS, Story
from tests.unit.learner_world import WEIGHTS, agents_of, feedback_on
from tests.unit.runtime_world import until


def test_what_was_killed_again_and_again_comes_to_the_weights_of_what_ran_through() -> None:
    through, killed = Story(), Story()

    async def straight() -> None:
        await through.live("a")
        await through.teach(0, 200)
        await until(lambda: through.feedback_count() == 200)

    async def with_kills() -> None:
        await killed.live("a")
        for part in range(5):
            await killed.teach(40 * part, 40 * part + 40)
            await killed.kill("a")
            await killed.live("a")
        await until(lambda: killed.feedback_count() == 200)
        assert killed.versions() == list(range(1, killed.newest().version + 1))

    through.run(straight)
    killed.run(with_kills)
    assert agents_of(killed.newest()) == agents_of(through.newest())
    assert killed.newest().decision_count == through.newest().decision_count == 200
    assert killed.newest().temperature == through.newest().temperature


def test_of_two_learners_one_writes_and_the_other_takes_over() -> None:
    s = Story()

    async def story() -> None:
        await s.live("a")
        await s.live("b")
        both = [runtime for runtime, _ in s.running.values()]
        leads = [measured.of([one], "comitia_partitions_owned", GROUP) for one in both]
        assert leads == [1, 0]
        await s.teach(0, 40)
        await until(lambda: s.feedback_count() == 40)
        await s.kill("a")
        await s.teach(40, 60)
        await until(lambda: s.feedback_count() == 60)
        assert s.versions() == list(range(1, s.newest().version + 1))
        await s.stop("b")
        assert s.feedback_count() == 60

    s.run(story)


def test_who_leads_a_second_time_ends_the_term_of_who_does_not_know() -> None:
    s = Story()

    async def lead(name: str) -> asyncio.Task[None]:
        runtime = s.world.runtime("learner")
        member = Membership(runtime, GROUP, (FEEDBACK, DECISIONS))
        term = Term(runtime, s.spec(), TopicPartition(WEIGHTS, 0), member)
        live = asyncio.Event()
        running = asyncio.create_task(term.run(live.set), name=name)
        await live.wait()
        return running

    async def story() -> None:
        first = await lead("first")
        await s.teach(0, 30)
        await until(lambda: s.feedback_count() == 30)
        second = await lead("second")
        await s.teach(30, 60)
        await until(lambda: s.feedback_count() == 60 and first.done())
        assert isinstance(first.exception(), Fenced)
        assert s.versions() == list(range(1, s.newest().version + 1))
        second.cancel()

    s.run(story)


def test_a_writer_that_was_fenced_does_not_write_and_begins_anew() -> None:
    s = Story()

    async def story() -> None:
        await s.live("a")
        await s.teach(0, 30)
        await until(lambda: s.feedback_count() == 30)
        await s.world.log.writer("comitia.learner.0")
        await s.teach(30, 50)
        await until(lambda: s.feedback_count() == 50)
        assert s.versions() == list(range(1, s.newest().version + 1))

    s.run(story)


def test_a_transaction_that_fails_is_made_again_from_the_log() -> None:
    s = Story()

    async def story() -> None:
        await s.live("a")
        failing = True
        s.world.log.fault = lambda operation, _: (
            Retryable("away") if failing and operation == "commit_transaction" else None
        )
        await s.teach(0, 30)
        await asyncio.sleep(10)
        assert s.feedback_count() == 0
        failing = False
        await until(lambda: s.feedback_count() == 30)
        assert s.versions() == [1]

    s.run(story)


def test_refused_feedback_is_in_the_dead_letters_once_whatever_happens_then() -> None:
    s = Story()

    async def story() -> None:
        await s.live("a")
        await s.teach(0, 3)
        wrong = [
            feedback_on("t0", "yes", 999, "far"),
            feedback_on("t0", "yes", 0, "below", partition=77),
            feedback_on("t9", "yes", 0, "other"),
            feedback_on("t0", "maybe", 0, "option"),
        ]
        for told in wrong:
            await s.world.write(FEEDBACK, told.task_id, told, 0)
        await s.world.write(FEEDBACK, "t0", b"\xff\xff", 0)
        await until(lambda: len(s.world.records(LETTERS)) == 5)
        await s.teach(3, 5)
        await until(lambda: s.feedback_count() == 5)
        for _ in range(2):
            await s.kill("a")
            await s.live("a")
            await asyncio.sleep(3)
        letters = s.world.messages(LETTERS, DeadLetter)
        assert [letter.reason for letter in letters] == [
            "NO_DECISION", "NO_DECISION", "OTHER_TASK", "WRONG_VALUE", "UNREADABLE",
        ]  # fmt: skip
        assert "'maybe' is none of the task's options" in letters[3].error
        assert {letter.task_id for letter in letters} == {"t0", "t9"}
        assert s.feedback_count() == 5
        runtimes = [runtime for runtime, _ in s.running.values()]
        assert measured.of(runtimes, "comitia_feedback_total", "refused") == 0
        original = Feedback.FromString(letters[0].value)
        assert (original.id, original.by) == ("far", "ann")

    s.run(story)


def test_feedback_on_far_apart_decisions_finds_each() -> None:
    s = Story()

    async def story() -> None:
        places = [await s.decide(number) for number in range(3_000)]
        for number in (2_999, 0, 1_200, 1_204, 2_400):
            partition, offset = places[number]
            told = feedback_on(f"t{number}", "yes", offset, partition=partition)
            await s.world.write(FEEDBACK, told.task_id, told)
        await s.live("a")
        await until(lambda: s.feedback_count() == 5)
        assert s.world.records(LETTERS) == []

    s.run(story)


def test_a_word_that_is_out_when_it_stops_is_published_before_the_end() -> None:
    s = Story()

    async def story() -> None:
        runtime = await s.live("a")
        await s.teach(0, 25)
        await until(lambda: s.feedback_count() > 0)
        await s.teach(25, 30)
        reader = await s.world.log.reader(ReaderSpec((FEEDBACK,)))
        ends = await reader.end_offsets(reader.assignment())
        await asyncio.sleep(0.2)
        assert sum(ends.values()) == 30
        assert runtime.health.ready
        await s.stop("a")
        assert s.feedback_count() == 30

    s.run(story)


def test_what_retention_removed_before_it_was_learned_is_told() -> None:
    s = Story()

    async def story() -> None:
        await s.live("a")
        await s.teach(0, 8)
        await until(lambda: s.feedback_count() == 8)
        await s.kill("a")
        for number in range(8, 48):
            await s.decide(number)
        s.world.log.partition(TopicPartition(DECISIONS, 1)).trim(9)
        runtime = await s.live("a")
        await s.teach(48, 49)
        await until(lambda: s.feedback_count() == 9)
        # Partition 1 lost the 7 decisions from the third on, of those that were not folded.
        assert s.newest().decision_count == 49 - 7
        assert measured.of([runtime], "comitia_records_lost_total", DECISIONS) == 7

    s.run(story)
