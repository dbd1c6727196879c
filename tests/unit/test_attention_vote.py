"""A task that asks for a vote by attention, on the aggregator's fold: answers come with vectors,
ballots weigh by them and say so, and no more of the vectors is kept than that takes.
"""

import math
from collections.abc import Sequence

from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.policy_pb2 import METHOD_ATTENTION, METHOD_PLURALITY, Policy
from comitia_aggregator.state import keep
from tests.sim.events import answered, make_answer, make_panel, make_task, opened, policy
from tests.sim.folding import RULES, Fold
from tests.unit.ladder_world import Script, Story, ladder

QUESTION = (1.0, 0.0)
ASKED = policy(method=METHOD_ATTENTION, wait_for_all=False)


def placed(answer: Answer, cosine: float, embedder: str = "minilm") -> Answer:
    """The answer with vectors: of the question, and of something so near to it."""
    answer.input_embedding.embedder = answer.embedding.embedder = embedder
    answer.input_embedding.vector.extend(QUESTION)
    answer.embedding.vector.extend((cosine, math.sqrt(1.0 - cosine**2)))
    return answer


def said(seat: int, option: str, cosine: float, embedder: str = "minilm") -> PanelEvent:
    return answered(placed(make_answer(f"p1.{seat}.0.1", option), cosine, embedder))


def panel(asked: Policy = ASKED) -> PanelEvent:
    return opened(make_panel(make_task(policy=asked), seats=3))


NEARER: Sequence[PanelEvent] = (said(0, "a", 0.9), said(1, "b", 0.5), said(2, "b", 0.5))


def test_ballots_weigh_by_attention_and_the_explanation_shows_it() -> None:
    fold = Fold().say(panel(), *NEARER)
    decision = fold.decision
    assert decision.status == DECISION_STATUS_DECIDED
    assert (decision.method, decision.value.option_id) == (METHOD_ATTENTION, "a")
    weights = [ballot.weight for ballot in decision.ballots]
    assert math.isclose(sum(weights), 1.0)
    assert math.isclose(weights[0] / weights[1], math.exp(4.0), rel_tol=1e-5)
    assert math.isclose(decision.margin, weights[0] - 2 * weights[1], rel_tol=1e-5)
    assert "by attention" in decision.explanation
    assert f"a0 ({weights[0]:.2f})" in decision.explanation


def test_answers_before_their_panel_count_the_same() -> None:
    early = Fold().say(*NEARER, panel()).decision
    assert early == Fold().say(panel(), *NEARER).decision


def test_one_ballot_without_comparable_vectors_makes_it_a_plurality_that_says_so() -> None:
    for odd in (answered(make_answer("p1.2.0.1", "b")), said(2, "b", 0.5, "other")):
        decision = Fold().say(panel(), *NEARER[:2], odd).decision
        assert (decision.method, decision.value.option_id) == (METHOD_PLURALITY, "b")
        assert [ballot.weight for ballot in decision.ballots] == [1.0, 1.0, 1.0]
        assert "METHOD_ATTENTION was asked for: not all ballots came with" in decision.explanation


def test_an_abstention_needs_no_vectors() -> None:
    silent = answered(make_answer("p1.2.0.1", None))
    assert Fold().say(panel(), *NEARER[:2], silent).decision.method == METHOD_ATTENTION


def test_nothing_is_settled_before_the_last_answer() -> None:
    """Two agree, and the third still outweighs them."""
    fold = Fold().say(panel(), said(0, "b", 0.5), said(1, "b", 0.5))
    assert not fold.effects
    assert fold.say(said(2, "a", 0.9)).decision.value.option_id == "a"


def test_a_vote_that_counts_ballots_alike_is_not_moved_by_vectors() -> None:
    decision = Fold().say(panel(policy()), *NEARER).decision
    assert (decision.method, decision.value.option_id) == (METHOD_PLURALITY, "b")


def test_of_the_vectors_one_number_is_kept() -> None:
    plain = make_answer("p1.0.0.1", "a")
    told = make_answer("p1.0.0.1", "a")
    placed(told, 0.6)
    for vector in (told.embedding.vector, told.input_embedding.vector):
        vector.extend([0.0] * 382)
    kept = keep(told, 0, RULES)
    assert len(kept.answer) < len(keep(plain, 0, RULES).answer) + 24
    (cosine,) = Answer.FromString(kept.answer).embedding.vector
    assert math.isclose(cosine, 0.6, rel_tol=1e-6)
    told.input_embedding.embedder = "other"
    assert not Answer.FromString(keep(told, 0, RULES).answer).HasField("embedding")


def test_where_a_former_answer_stands_it_weighs_as_it_did() -> None:
    """Whoever is silent in the second round, or changes without a reason, is no less near."""

    def near(option: str, cosine: float, rounds: int = 2) -> Script:
        def answer(assignment: Assignment) -> Answer | None:
            if assignment.round > rounds:
                return None
            return placed(make_answer(assignment.id, option), cosine)

        return answer

    talks = {"name": "talk", "when": {"always": True}, "deliberation": {"rounds": 1}}
    asked = ladder(talks, method="METHOD_ATTENTION")
    story = Story(asked, [near("a", 0.9, rounds=1), near("b", 0.5), near("b", 0.5)]).run()
    assert story.steps() == {"talk": True}
    assert (story.decision.method, story.decision.value.option_id) == (METHOD_ATTENTION, "a")
    first, second = (b for b in story.decision.ballots if b.agent == "a0")
    assert second.kept and math.isclose(first.weight, second.weight)
