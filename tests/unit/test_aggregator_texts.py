"""Free texts through a whole vote: the one that is most like all, as its agent wrote it, told so
that a person understands why; or the one that is said most, however it is written.
"""

from comitia.effects import Publish
from comitia.v1.answer_pb2 import Answer
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, DECISION_STATUS_NO_QUORUM
from comitia.v1.format_pb2 import AnswerFormat, TextFormat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.policy_pb2 import METHOD_MINIMUM_BAYES_RISK, METHOD_PLURALITY, Method, Policy
from comitia.v1.value_pb2 import Value
from tests.sim.events import answered, make_panel, make_task, opened, policy, with_format
from tests.sim.folding import Fold

SAID = (
    "The  cat sat on\n a mat.",
    "the cat sat on the mat.",
    "The cat sat on the mat.",
    "The cat sits on the mat!",
    "No idea",
)


def saying(*texts: str) -> list[PanelEvent]:
    answers = (
        Answer(assignment_id=f"p1.{seat}.0.1", value=Value(text=text), rationale=f"reason {seat}")
        for seat, text in enumerate(texts)
    )
    return [answered(answer) for answer in answers]


def panel_of(asked: Policy, seats: int) -> Fold:
    task = with_format(make_task(policy=asked), AnswerFormat(text=TextFormat()))
    return Fold().say(opened(make_panel(task, seats=seats)))


def vote(method: Method, *texts: str) -> Fold:
    return panel_of(policy(method=method), len(texts)).say(*saying(*texts))


def test_the_text_most_like_all_is_decided_as_its_agent_wrote_it() -> None:
    decision = vote(METHOD_MINIMUM_BAYES_RISK, *SAID).decision
    assert (decision.status, decision.method) == (
        DECISION_STATUS_DECIDED,
        METHOD_MINIMUM_BAYES_RISK,
    )
    # Case counts: the second text is the same but for it.
    assert decision.value.text == SAID[2]
    assert decision.explanation.startswith(
        '"The cat sat on the mat." leads by minimum Bayes risk, 5 texts compared by chrF (margin '
    )
    # The leading side first, and why each of the others dissents.
    sides = decision.explanation.split(" For ")
    assert sides[1].startswith('"The cat sat on the mat.": a2.')
    assert 'a4 says: "reason 4".' in decision.explanation


def test_white_space_makes_no_other_text() -> None:
    decision = vote(METHOD_MINIMUM_BAYES_RISK, "A  cat", "A cat\n", "A dog").decision
    assert decision.value.text == "A  cat"
    assert 'For "A cat": a0, a1.' in decision.explanation


def test_two_texts_with_nothing_in_common_are_tied() -> None:
    decision = vote(METHOD_MINIMUM_BAYES_RISK, "abc", "xyz").decision
    assert not decision.HasField("value")
    assert decision.explanation.startswith(
        'No value leads: "abc" and "xyz" are tied by minimum Bayes risk.'
    )


def test_no_text_is_certain_before_the_last_has_come() -> None:
    fold = panel_of(policy(method=METHOD_MINIMUM_BAYES_RISK, wait_for_all=False), 5)
    assert not fold.say(*saying("same", "same", "same", "same")).of(Publish)
    fold.say(answered(Answer(assignment_id="p1.4.0.1", value=Value(text="other"))))
    assert fold.decision.value.text == "same"


def test_empty_texts_are_abstentions() -> None:
    decision = vote(METHOD_MINIMUM_BAYES_RISK, " ", "", "a cat").decision
    assert decision.status == DECISION_STATUS_NO_QUORUM
    assert "the text is empty" in decision.explanation


def test_self_consistency_is_plurality_over_samples_however_they_are_written() -> None:
    asked = policy(method=METHOD_PLURALITY, samples=3)
    task = with_format(make_task(policy=asked), AnswerFormat(text=TextFormat()))
    fold = Fold().say(opened(make_panel(task, seats=1)))
    for sample, text in enumerate(("It is 42.", "it is 41.", " IT is\n42. ")):
        fold.say(answered(Answer(assignment_id=f"p1.0.{sample}.1", value=Value(text=text))))
    assert fold.decision.value.text == "It is 42."
