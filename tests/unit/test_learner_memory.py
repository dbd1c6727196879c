"""What the learner remembers: the same whatever the order, whole after a restart, and bounded."""

import random

import pytest

from comitia.consensus.weights import SkillWeights
from comitia_learner import memory, record
from comitia_learner.example import keep
from comitia_learner.judging import judge, panel_of
from comitia_learner.record import snapshot_of, version_of
from comitia_learner.skill import EXAMPLES_BYTES_MAX, Bounds, Skill
from tests.unit.learner_world import choice, decision_on

AGENTS = ("ann", "bob", "cat", "dan", "eve")


def facts(tasks: int) -> list[tuple[str, int, int]]:
    """(d for its decision or f for its feedback, number of the task, partition)."""
    chance = random.Random(7)
    return [(kind, number, chance.randrange(4)) for number in range(tasks) for kind in "df"]


def fold(skill: Skill, told: list[tuple[str, int, int]]) -> Skill:
    for kind, number, partition in told:
        chance = random.Random(number)
        votes = {agent: ("yes" if chance.random() < 0.6 else "no") for agent in AGENTS}
        panel = panel_of(decision_on(f"t{number}", votes))
        assert panel is not None
        place = (1_000 + number, partition, number)
        if kind == "d":
            skill.compare(panel, place)
        else:
            judged = keep(f"t{number}", place, judge(panel, choice("yes")))
            assert judged is not None
            skill.note(f"id{number}")
            skill.learn(judged)
    return skill


def test_the_order_in_which_it_was_folded_does_not_show_in_the_weights() -> None:
    told = facts(300)
    bounds = Bounds(examples_max=100)
    straight = fold(Skill(bounds), told)
    weights = straight.fit()
    assert weights.learned and set(weights.voters) == {f"{agent}@" for agent in AGENTS}
    for seed in range(3):
        mixed = list(told)
        random.Random(seed).shuffle(mixed)
        other = fold(Skill(bounds), mixed)
        assert other.fit() == weights
        assert other.oldest_first() == straight.oldest_first()


def test_a_restored_memory_is_the_same_and_goes_on_alike() -> None:
    skill = fold(Skill(Bounds()), facts(40))
    offsets = {("feedback", 0): 12, ("decisions", 3): 99}
    found, restart = memory.restore(memory.dump(skill, offsets), Bounds())
    assert restart == offsets
    assert found.fit() == skill.fit()
    assert memory.dump(found, offsets) == memory.dump(skill, offsets)
    assert found.counted("id3") and not found.counted("id40")
    for one in (skill, found):
        fold(one, facts(60))
    assert found.fit() == skill.fit()
    assert (found.feedback, found.decisions) == (skill.feedback, skill.decisions)


@pytest.mark.parametrize("memory_bytes", [b"", b"no", memory.dump(Skill(Bounds()), {})[:-9]])
def test_a_memory_that_is_damaged_says_so(memory_bytes: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        memory.restore(memory_bytes, Bounds())


def test_only_the_newest_tasks_stay_and_a_later_word_on_a_task_replaces_the_earlier() -> None:
    skill = fold(Skill(Bounds(examples_max=10)), facts(30))
    assert [one.task_id for one in skill.oldest_first()] == [f"t{n}" for n in range(20, 30)]
    panel = panel_of(decision_on("t25", {"ann": "yes", "bob": "no"}))
    assert panel is not None
    later = keep("t25", (9_000, 0, 0), judge(panel, choice("no")))
    earlier = keep("t25", (8_000, 0, 0), judge(panel, choice("yes")))
    assert later is not None and earlier is not None
    assert skill.learn(later)
    assert not skill.learn(earlier)
    assert skill.oldest_first()[-1] == later
    assert len(skill.examples) == 10


def test_voters_that_are_not_heard_any_more_make_room() -> None:
    skill = Skill(Bounds(voters_max=5))
    fold(skill, facts(5))
    panel = panel_of(decision_on("new", {"fay": "yes", "eve": "yes"}))
    assert panel is not None
    skill.compare(panel, (9_000, 0, 0))
    # All are equally old but these two: the first by name goes.
    assert set(skill.seen) == {"bob@", "cat@", "dan@", "eve@", "fay@"}
    assert set(skill.fit().voters) == set(skill.seen) == set(skill.judged()) | {"fay@"}


def test_a_record_fits_its_topic_with_all_that_a_skill_may_keep() -> None:
    chance = random.Random(3)
    skill = Skill(Bounds(examples_max=50_000))
    options = tuple(f"option-{number}" for number in range(20))
    for number in range(1_000):
        votes = {f"agent-{chance.getrandbits(20)}@{n}": chance.choice(options) for n in range(12)}
        decision = decision_on(f"{chance.getrandbits(400):x}", votes, options)
        for ballot in decision.ballots:
            for option in options:
                ballot.probabilities.add(option_id=option, probability=chance.random())
        panel = panel_of(decision)
        assert panel is not None
        judged = keep(decision.task_id, (number, 0, number), judge(panel, choice(options[0])))
        assert judged is not None
        skill.note(f"{chance.getrandbits(400)}")
        skill.learn(judged)
    kept = len(skill.examples)
    assert sum(one.size_bytes for one in skill.oldest_first()) <= EXAMPLES_BYTES_MAX
    weights = SkillWeights(1, {}, skill.fit().prior, 0.0, False)
    made = snapshot_of(version_of("s", 1, skill, weights), skill, {}, {})
    assert made.ByteSize() <= record.RECORD_BYTES_MAX
    assert len(skill.examples) == kept > 300


def test_what_does_not_fit_all_the_same_is_given_up_from_the_oldest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    skill = fold(Skill(Bounds()), facts(200))
    version = version_of("s", 1, skill, skill.fit())
    monkeypatch.setattr(record, "RECORD_BYTES_MAX", 2_500)
    assert snapshot_of(version, skill, {}, {}).ByteSize() <= 2_500
    left = [one.task_id for one in skill.oldest_first()]
    assert left == [f"t{number}" for number in range(200 - len(left), 200)]
    assert "judged tasks are given up" in caplog.text
