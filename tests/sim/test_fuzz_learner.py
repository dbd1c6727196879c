"""Mutated decisions and feedback through the learner's fold: nothing but Poison comes out, and
whatever was learned of them can be published and restored.
"""

import random

from hypothesis import given
from hypothesis import strategies as st

from comitia.effects import Recorded
from comitia.errors import Poison
from comitia.v1.decision_pb2 import Decision
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.value_pb2 import Ranking, Tier, Value
from comitia.v1.weights_pb2 import Weights
from comitia_learner.handler import Learner, Rules
from comitia_learner.record import RECORD_BYTES_MAX
from comitia_learner.skill import Bounds
from tests.sim.test_fuzz_services import fuzz, mutate, parsed, published
from tests.unit.learner_world import Life, agents_of, at, decision_on, feedback_on

VALUES = (
    Value(option_id="yes"),
    Value(text="Yes."),
    Value(number=0.1),
    Value(json='{"a": [1, 2.5]}'),
    Value(ranking=Ranking(tiers=[Tier(option_ids=["a", "b"]), Tier(option_ids=["c"])])),
)
BOUNDS = Bounds(examples_max=5, voters_max=4)
RULES = Rules("comitia.weights.v1", BOUNDS, skills_max=3, weights_versions_max=2)


def decided(value: Value) -> Decision:
    decision = decision_on("t", {"ann@m": value, "bob@m": VALUES[0], "eve": None})
    for ballot in decision.ballots:
        ballot.probabilities.add(option_id="yes", probability=0.75)
        ballot.probabilities.add(option_id="no", probability=0.25)
    return decision


DECISIONS = [decided(value).SerializeToString() for value in VALUES]
FEEDBACK = [feedback_on("t", value, 0).SerializeToString() for value in VALUES]


@fuzz
@given(st.randoms(use_true_random=False))
def test_mutated_feedback_is_folded_or_poison(chance: random.Random) -> None:
    life = Life(RULES)
    for offset in range(8):
        decision, feedback = Decision(), Feedback()
        if not parsed(decision, mutate(DECISIONS, chance)):
            continue
        life.learner.decision(at(decision, offset))
        if not parsed(feedback, mutate(FEEDBACK, chance)):
            continue
        try:
            life.learner.feedback(at(feedback, offset), at(decision, offset))
        except Poison as poison:
            assert poison.reason in {"INVALID_FEEDBACK", "OTHER_TASK", "WRONG_VALUE", "NO_ROOM"}
            assert str(poison)
            life.learner.refuse("feedback", 0, offset)
    publication = life.publish()
    if publication is None:
        return
    published(tuple(publication.records))
    before = {
        skill: value for skill, value in life.topic.items() if Weights.FromString(value).memory
    }
    for value in before.values():
        assert len(value) <= RECORD_BYTES_MAX
    life.restart()
    assert not life.learner.unreadable
    for skill in before:
        known = life.learner._known[skill]
        assert agents_of(known.newest) == agents_of(Weights.FromString(before[skill]))
        known.skill.fit()


@fuzz
@given(st.randoms(use_true_random=False))
def test_mutated_weights_are_restored_or_learned_again(chance: random.Random) -> None:
    life = Life(RULES)
    life.tell("t", {"ann": "yes", "bob": "no"}, "yes", 0)
    life.publish()
    record = Weights()
    if not parsed(record, mutate([life.topic["s"]], chance)):
        return
    learner = Learner(RULES)
    learner.restore(record.skill, Recorded(record, "w", 0, 0, 0))
    learner.begin()
    learner.decision(at(decision_on("u", {"ann": "yes", "bob": "no"}), 2**40))
    learner.due(0.0)
    published(tuple(learner.publish(10**9).records))
