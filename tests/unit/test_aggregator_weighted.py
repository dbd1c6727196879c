"""Votes with the weights of a skill: which method is used, what each ballot weighed, the version
and the probability that a decision names, when it need not wait, and in which words it is told.
"""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus.weights import SkillWeights
from comitia.effects import StopWork
from comitia.v1.answer_pb2 import Answer, OptionProbability
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, Decision
from comitia.v1.format_pb2 import AnswerFormat, NumberFormat, TextFormat
from comitia.v1.policy_pb2 import (
    METHOD_APPROVAL,
    METHOD_LEARNED,
    METHOD_LOG_POOL,
    METHOD_MEDIAN,
    METHOD_PLURALITY,
    METHOD_UNSPECIFIED,
    METHOD_WEIGHTED,
    Method,
    Policy,
)
from comitia.v1.value_pb2 import Value
from tests.sim.events import (
    answered,
    make_answer,
    make_panel,
    make_task,
    make_weights,
    opened,
    policy,
    with_format,
)
from tests.sim.folding import Fold, three

# One who is nearly always right, and two who are hardly better than chance.
WEIGHTS = make_weights({"a0": (2.0, 0.0, 0.9), "a1": (0.5, 0.0, 0.6), "a2": (0.25, 0.0, 0.55)})


def vote(asked: Policy, weights: SkillWeights | None, *options: str | None) -> Fold:
    task = make_task(options="abc", policy=asked)
    panel = make_panel(task, seats=len(options))
    return Fold(weights).say(opened(panel), *three(*options))


def test_one_good_agent_outweighs_two_others_and_the_decision_says_by_how_much() -> None:
    decision = vote(policy(method=METHOD_LEARNED), WEIGHTS, "a", "b", "b").decision
    assert (decision.status, decision.value.option_id) == (DECISION_STATUS_DECIDED, "a")
    assert (decision.method, decision.weights_version) == (METHOD_LEARNED, 7)
    assert [ballot.weight for ballot in decision.ballots] == [2.0, 0.5, 0.25]
    # e^2 / (e^2 + e^.75 + e^0)
    assert decision.calibrated_probability == pytest.approx(0.7033, abs=1e-4)
    assert list(decision.option_ids) == ["a", "b", "c"]
    assert decision.explanation == (
        '"a" leads by learned weight (fitted to feedback), 1 of 3 ballots (margin 0.50, weights '
        "version 7). By past feedback it is right with a probability of 0.70. "
        'For "a": a0 (2.00). For "b": a1 (0.50), a2 (0.25).'
    )


def test_no_vote_is_said_to_be_certain() -> None:
    weights = make_weights({"a0": (9.0, 0.0, 0.9)})
    decision = vote(policy(method=METHOD_LEARNED, quorum=1), weights, "a").decision
    assert decision.calibrated_probability > 0.995
    assert "right with a probability of over 0.99." in decision.explanation


def test_probabilities_weigh_as_the_learner_says() -> None:
    weights = make_weights({"a0": (0.0, 1.0, 0.8), "a1": (1.0, 0.0, 0.7)})
    sure, other = make_answer("p1.0.0.1", "a"), make_answer("p1.1.0.1", "b")
    for option, probability in (("a", 0.9), ("b", 0.1)):
        sure.probabilities.append(OptionProbability(option_id=option, probability=probability))
    task = make_task(policy=policy(quorum=1, method=METHOD_LEARNED))
    fold = Fold(weights).say(opened(make_panel(task, seats=2)), answered(sure), answered(other))
    # ln .9 - ln .1 beats 1.
    assert fold.decision.value.option_id == "a"
    assert [ballot.weight for ballot in fold.decision.ballots] == pytest.approx([2.1972, 1.0], 1e-4)


def test_a_voters_samples_share_its_weight() -> None:
    asked = policy(method=METHOD_LEARNED, samples=2)
    fold = Fold(WEIGHTS).say(opened(make_panel(make_task(policy=asked), seats=1)))
    fold.say(*(answered(make_answer(f"p1.0.{sample}.1", "a")) for sample in range(2)))
    assert [ballot.weight for ballot in fold.decision.ballots] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("asked", "weights", "used"),
    [
        (METHOD_UNSPECIFIED, None, METHOD_PLURALITY),
        (METHOD_UNSPECIFIED, WEIGHTS, METHOD_LEARNED),
        (METHOD_UNSPECIFIED, make_weights({}, learned=False), METHOD_WEIGHTED),
        (METHOD_LEARNED, make_weights({}, learned=False), METHOD_WEIGHTED),
        (METHOD_LEARNED, None, METHOD_PLURALITY),
        (METHOD_WEIGHTED, None, METHOD_PLURALITY),
        (METHOD_WEIGHTED, WEIGHTS, METHOD_WEIGHTED),
        (METHOD_PLURALITY, WEIGHTS, METHOD_PLURALITY),
        (METHOD_APPROVAL, WEIGHTS, METHOD_APPROVAL),
        (METHOD_LOG_POOL, WEIGHTS, METHOD_LOG_POOL),
        (METHOD_MEDIAN, WEIGHTS, METHOD_PLURALITY),
    ],
)
def test_the_method_used_is_the_one_asked_for_or_the_nearest_that_can_be(
    asked: Method, weights: SkillWeights | None, used: Method
) -> None:
    decision = vote(policy(method=asked), weights, "a", "a", "b").decision
    assert decision.method == used
    assert decision.weights_version == (7 if used in (METHOD_LEARNED, METHOD_WEIGHTED) else 0)
    assert decision.HasField("calibrated_probability") == (used == METHOD_LEARNED)
    other = asked not in (METHOD_UNSPECIFIED, used)
    assert (f"{Method.Name(asked)} was asked for" in decision.explanation) == other


def test_free_answers_are_counted_equal_unless_weights_are_asked_for() -> None:
    def decide(asked: Method) -> Decision:
        task = with_format(make_task(policy=policy(method=asked)), AnswerFormat(text=TextFormat()))
        fold = Fold(WEIGHTS).say(opened(make_panel(task)))
        for seat, text in enumerate(("Yes", "no", "No")):
            fold.say(answered(Answer(assignment_id=f"p1.{seat}.0.1", value=Value(text=text))))
        return fold.decision

    assert decide(METHOD_UNSPECIFIED).value.text == "no"
    learned = decide(METHOD_LEARNED)
    # Something else may be right as well.
    assert learned.value.text == "Yes"
    assert learned.calibrated_probability < 0.8


def test_a_weight_of_nobody_is_a_tie_and_not_an_error() -> None:
    nothing = make_weights({f"a{n}": (0.0, float("nan"), float("nan")) for n in range(3)})
    decision = vote(policy(method=METHOD_LEARNED), nothing, "a", "b", "b").decision
    assert {value.option_id for value in decision.tied} == {"a", "b", "c"}
    assert "are tied by learned weight (fitted to feedback), weights version 7" in (
        decision.explanation
    )


def test_a_leader_whose_lead_others_cannot_take_is_not_waited_for() -> None:
    asked = policy(quorum=1, method=METHOD_LEARNED, wait_for_all=False)
    fold = vote(asked, WEIGHTS, "a", *[None] * 0)
    assert fold.decision.value.option_id == "a"
    task = make_task(options="abc", policy=asked)
    fold = Fold(WEIGHTS).say(opened(make_panel(task)), *three("a"))
    assert [seat.agent for seat in fold.decision.missing] == ["a1", "a2"]
    light = Fold(WEIGHTS).say(opened(make_panel(task)))
    light.say(answered(make_answer("p1.1.0.1", "b")))
    assert not light.effects


def test_an_open_seat_weighs_as_the_model_of_its_card() -> None:
    heavy = make_weights({"a0": (2.0, 0.0, 0.9)})
    heavy.voters["a1@sha256:new"] = heavy.of("a0@")  # type: ignore[index]
    asked = policy(quorum=1, method=METHOD_LEARNED, wait_for_all=False)
    for digest, settled in (("", True), ("sha256:new", False)):
        panel = make_panel(make_task(policy=asked), seats=2)
        panel.seats[1].model_digest = digest
        fold = Fold(heavy).say(opened(panel), *three("a"))
        assert bool(fold.effects) == settled


def test_a_probability_that_is_enough_ends_the_wait() -> None:
    asked = policy(quorum=1, method=METHOD_LEARNED, wait_for_all=False)
    asked.probability_target = 0.75
    weights = make_weights({f"a{n}": (2.0, 0.0, 0.9) for n in range(9)})
    task = make_task(options="abc", policy=asked)
    fold = Fold(weights).say(opened(make_panel(task, seats=9)), *three("a"))
    # e^2 / (e^2 + 2) is .787.
    decision = fold.decision
    assert decision.calibrated_probability == pytest.approx(0.787, abs=1e-3)
    assert len(decision.missing) == 8
    assert len(fold.of(StopWork)) == 1
    assert decision.explanation.endswith(
        "That is as likely as the task asks for (0.75); not waited for: "
        "a1, a2, a3, a4, a5, a6, a7, a8."
    )
    asked.probability_target = 0.8
    task = make_task(options="abc", policy=asked)
    assert not Fold(weights).say(opened(make_panel(task, seats=9)), *three("a")).effects


def test_dissent_is_told_with_its_reason() -> None:
    fold = Fold().say(opened(make_panel(make_task(policy=policy()))), *three("a", "a"))
    other = make_answer("p1.2.0.1", "b")
    other.rationale = "It  rains,\nand " + "so on " * 60
    explanation = fold.say(answered(other)).decision.explanation
    assert 'For "b": a2. a2 says: "It rains, and so on' in explanation
    assert len(explanation) < 400


shares = st.none() | st.floats(allow_nan=True, allow_infinity=True)
numbers = st.floats(-5, 5)


@given(
    st.lists(st.tuples(st.sampled_from(("a", "b", "c", None)), shares), min_size=4, max_size=4),
    st.lists(st.tuples(numbers, numbers, st.floats(0, 1)), min_size=4, max_size=4),
    st.sampled_from((METHOD_LEARNED, METHOD_WEIGHTED, METHOD_LOG_POOL, METHOD_APPROVAL)),
)
def test_any_order_of_arrival_gives_the_same_decision_to_the_last_bit(
    said: list[tuple[str | None, float | None]],
    given_weights: list[tuple[float, float, float]],
    method: Method,
) -> None:
    weights = make_weights({f"a{n}": w for n, w in enumerate(given_weights)}, temperature=0.7)
    answers = []
    for seat, (option, share) in enumerate(said):
        answers.append(make_answer(f"p1.{seat}.0.1", option, share))
        if share is not None:
            answers[-1].probabilities.append(OptionProbability(option_id="a", probability=share))
    panel = make_panel(make_task(options="abc", policy=policy(1, method)), seats=4)
    decided = set()
    for order in permutations(answers):
        fold = Fold(weights).say(opened(panel), *map(answered, order))
        decided.add(fold.decision.SerializeToString(deterministic=True))
    assert len(decided) == 1


def test_a_number_that_nobody_named_is_never_shown_as_somebodys() -> None:
    task = with_format(make_task(policy=policy()), AnswerFormat(number=NumberFormat()))
    fold = Fold().say(opened(make_panel(task)))
    for seat, number in enumerate((1.0, 1.0, 2.0)):
        fold.say(answered(Answer(assignment_id=f"p1.{seat}.0.1", value=Value(number=number))))
    assert fold.decision.value.number == 1.0
