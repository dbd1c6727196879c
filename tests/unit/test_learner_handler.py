"""The learner's fold: each feedback once, when there is a version, what is written and refused."""

import random
from dataclasses import replace

import pytest

from comitia.errors import Poison
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.value_pb2 import Value
from comitia.v1.weights_pb2 import WEIGHTS_BASIS_AGREEMENT, WEIGHTS_BASIS_FEEDBACK, Weights
from comitia_learner.handler import DUPLICATE, FOLDED, KNOWN, REPLACED, SUPERSEDED
from tests.unit.learner_world import Life, agents_of, at, decision_on, feedback_on

GOOD, BAD = "good@m1", "bad@m1"


def votes(number: int) -> dict[str, str]:
    """One agent is right nine times out of ten, the others guess; "yes" is always right."""
    chance = random.Random(number)
    shares = {GOOD: 0.9, BAD: 0.3, "even@": 0.5, "odd@": 0.5}
    return {voter: "yes" if chance.random() < p else "no" for voter, p in shares.items()}


def teach(life: Life, first: int, last: int) -> None:
    for number in range(first, last):
        assert life.tell(f"t{number}", votes(number), "yes", number) == FOLDED


def test_feedback_makes_a_version_at_most_once_an_interval() -> None:
    life = Life()
    teach(life, 0, 30)
    assert life.publish() is not None
    assert set(life.topic) == {"s", "s@1"}
    weights = life.newest()
    assert (weights.version, weights.basis) == (1, WEIGHTS_BASIS_FEEDBACK)
    assert (weights.feedback_count, weights.decision_count) == (30, 30)
    assert dict(weights.feedback_offsets) == dict(weights.decision_offsets) == {0: 30}
    prior, *agents = weights.agents
    assert prior.agent == ""
    found = {f"{one.agent}@{one.model_digest}": one for one in agents}
    assert set(found) == {GOOD, BAD, "even@", "odd@"}
    assert found[GOOD].weight > found["even@"].weight > found[BAD].weight
    assert (found[GOOD].judged, found[GOOD].compared) == (30, 30)
    assert weights.memory and not Weights.FromString(life.topic["s@1"]).memory
    assert life.publish() is None
    teach(life, 30, 31)
    assert not life.learner.due(2_000 + 900)
    assert life.learner.due(2_000 + 1_000)
    assert life.publish() is not None
    assert life.newest().version == 2
    # A version says for good which feedback it knows.
    known = [Weights.FromString(life.topic[f"s@{number}"]).feedback_offsets for number in (1, 2)]
    assert [dict(one) for one in known] == [{0: 30}, {0: 31}]


def test_agreement_alone_makes_a_version_of_64_decisions_and_then_of_a_quarter_of_all() -> None:
    life = Life()
    for offset in range(500):
        life.learner.decision(at(decision_on(f"t{offset}", votes(offset)), offset))
        life.publish()
    made = sorted(int(key.partition("@")[2]) for key in life.topic if "@" in key)
    assert made == list(range(1, life.newest().version + 1))
    assert life.newest().basis == WEIGHTS_BASIS_AGREEMENT
    counts = [Weights.FromString(life.topic[f"s@{one}"]).decision_count for one in made]
    assert counts == [64, 128, 192, 256, 341, 454]


def test_what_is_not_worth_a_version_is_written_as_memory_under_the_one_that_stands() -> None:
    life = Life()
    for offset in range(10):
        life.learner.decision(at(decision_on(f"t{offset}", votes(offset)), offset))
    assert life.publish() is None
    life.now_ms += 60_000
    assert life.publish() is not None
    assert set(life.topic) == {"s"}
    assert (life.newest().version, len(life.newest().agents)) == (0, 0)
    assert life.restart() == {("decisions", 0): 10}
    for offset in range(10, 64):
        life.learner.decision(at(decision_on(f"t{offset}", votes(offset)), offset))
    assert life.publish() is not None
    assert (life.newest().version, life.newest().decision_count) == (1, 64)


def test_the_same_id_counts_once_and_later_feedback_on_a_task_replaces_the_earlier() -> None:
    life = Life()
    decided = at(decision_on("t", votes(0)), 5)
    say = life.learner.feedback
    assert say(at(feedback_on("t", "yes", 5, "a"), 0), decided) == FOLDED
    assert say(at(feedback_on("t", "yes", 5, "a"), 1), decided) == DUPLICATE
    assert say(at(feedback_on("t", "no", 5, "b"), 2), decided) == REPLACED
    assert say(at(feedback_on("t", "yes", 5, "a"), 3), decided) == DUPLICATE
    # Read late, from another partition.
    assert say(at(feedback_on("t", "yes", 5, "c"), 9, partition=1, ms=1), decided) == SUPERSEDED
    life.publish()
    assert life.newest().feedback_count == 3
    assert life.restart() == {("feedback", 0): 4, ("feedback", 1): 10}
    assert say(at(feedback_on("t", "no", 5, "b"), 4), decided) == DUPLICATE


def test_killed_between_two_publications_it_comes_to_the_weights_of_one_that_ran_through() -> None:
    through, killed = Life(), Life()
    teach(through, 0, 60)
    teach(killed, 0, 40)
    killed.publish()
    # Folded, never published, and folded again by the next.
    teach(killed, 40, 50)
    assert killed.restart() == {("feedback", 0): 40, ("decisions", 0): 40}
    teach(killed, 40, 60)
    for life in (through, killed):
        life.publish()
    assert agents_of(killed.newest()) == agents_of(through.newest())
    assert killed.newest().feedback_count == through.newest().feedback_count == 60
    assert killed.newest().version == 2


def test_a_skill_with_nothing_new_is_not_written_and_holds_nobody_up() -> None:
    life = Life()
    life.learner.decision(at(decision_on("a", votes(0), skill="quiet"), 0))
    teach(life, 1, 30)
    assert life.publish() is not None
    assert "quiet" not in life.topic
    # The quiet one is in no record: whoever takes over reads its decision again, the other skips.
    assert life.restart() == {("feedback", 0): 30, ("decisions", 0): 0}
    assert life.learner.decision(at(decision_on("a", votes(0), skill="quiet"), 0))
    for number in range(1, 30):
        assert not life.learner.decision(at(decision_on(f"t{number}", votes(number)), number))
    decided = at(decision_on("t3", votes(3)), 3)
    assert life.learner.feedback(at(feedback_on("t3", "yes", 3, "new"), 3), decided) == KNOWN
    teach(life, 30, 31)
    life.publish()
    assert life.newest().decision_count == life.newest().feedback_count == 30


def test_a_new_model_digest_starts_from_the_prior() -> None:
    life = Life()
    teach(life, 0, 40)
    life.learner.decision(at(decision_on("n", {"good@m2": "yes", BAD: "no"}), 40))
    life.tell("u", {"good@m2": "no", BAD: "no"}, "yes", 41)
    life.publish()
    found = {f"{one.agent}@{one.model_digest}": one for one in life.newest().agents}
    assert found[GOOD].judged == 40 and found["good@m2"].judged == 1
    assert found["good@m2"].accuracy < found[GOOD].accuracy
    assert "good@m3" not in found and "@" in found


def test_versions_beyond_the_limit_are_removed_also_when_it_was_lowered() -> None:
    life = Life()
    for number in range(6):
        teach(life, number, number + 1)
        life.publish()
    assert {key for key in life.topic if "@" in key} == {f"s@{n}" for n in range(1, 7)}
    life.rules = replace(life.rules, weights_versions_max=3)
    life.restart()
    teach(life, 6, 7)
    life.publish()
    assert {key for key in life.topic if "@" in key} == {"s@5", "s@6", "s@7"}


@pytest.mark.parametrize(
    ("feedback", "decided", "reason"),
    [
        (feedback_on("t", "yes", 5, "no id!"), True, "INVALID_FEEDBACK"),
        (Feedback(id="f", task_id="t"), True, "INVALID_FEEDBACK"),
        (feedback_on("t", "yes", 5), False, "NO_DECISION"),
        (feedback_on("u", "yes", 5), True, "OTHER_TASK"),
        (feedback_on("t", "maybe", 5), True, "WRONG_VALUE"),
        (feedback_on("t", Value(number=1), 5), True, "WRONG_VALUE"),
    ],
)
def test_what_cannot_count_is_refused_with_its_reason_and_not_read_again(
    feedback: Feedback, decided: bool, reason: str
) -> None:
    life = Life()
    teach(life, 0, 1)
    life.publish()
    with pytest.raises(Poison) as refused:
        life.learner.feedback(
            at(feedback, 8), at(decision_on("t", votes(0)), 5) if decided else None
        )
    assert refused.value.reason == reason
    life.learner.refuse("feedback", 0, 8)
    publication = life.publish()
    assert publication is not None and not publication.versions
    assert life.newest().version == 1
    assert life.restart() == {("feedback", 0): 9, ("decisions", 0): 1}


def test_skills_are_bounded_and_one_that_is_named_like_a_version_has_no_weights() -> None:
    life = Life()
    life.rules = replace(life.rules, skills_max=1)
    life.restart()
    for skill, learned in (("one", True), ("two", False), ("one@7", False)):
        decided = at(decision_on("t", votes(0), skill=skill), 0)
        assert life.learner.decision(decided) == learned
        if not learned:
            with pytest.raises(Poison, match="room for 1 skills"):
                life.learner.feedback(at(feedback_on("t", "yes", 0), 0), decided)


def test_a_memory_that_cannot_be_read_is_learned_again_and_versions_go_on() -> None:
    life = Life()
    teach(life, 0, 30)
    life.publish()
    broken = life.newest()
    broken.memory = b"?"
    life.topic["s"] = broken.SerializeToString()
    assert life.restart() == {}
    assert "damaged" in life.learner.unreadable["s"]
    teach(life, 0, 30)
    life.publish()
    assert (life.newest().version, life.newest().feedback_count) == (2, 30)


def test_what_a_decision_without_votes_says_changes_nothing() -> None:
    life = Life()
    nothing = at(decision_on("t", {"ann": None}), 0)
    assert not life.learner.decision(nothing)
    assert life.learner.feedback(at(feedback_on("t", "yes", 0), 0), nothing) == "nothing_to_judge"
    assert not life.learner.waiting
    # A verdict's revision lists the same ballots once more.
    revised = decision_on("t", votes(0))
    revised.revision = 1
    assert not life.learner.decision(at(revised, 1))
