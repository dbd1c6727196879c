"""A conflict on the aggregator's pure step: opened, settled by a verdict, refused, expired."""

import re
from dataclasses import replace

import pytest

from comitia.effects import (
    AnswerDropped,
    DeadLetter,
    DecidedTask,
    Publish,
    Recorded,
    settled_by,
)
from comitia.runtime.memory import decided_by
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_ESCALATED,
    DECISION_STATUS_EXPIRED,
    Decision,
)
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia_aggregator.conflict import BECAUSE_BYTES_MAX, escalate
from comitia_aggregator.duplicates import after
from comitia_aggregator.step import step
from comitia_learner.claims import decision_of
from comitia_learner.judging import judge, panel_of
from tests.sim.events import answered, cancelled, make_answer, make_panel, make_task, opened
from tests.sim.events import recorded as said
from tests.unit.conflict_world import EXPIRES_MS, OFFSET, Conflict, escalated, verdict
from tests.unit.ladder_world import RULES


def test_a_conflict_goes_before_its_decision_and_leaves_out_ballots_and_input() -> None:
    decision, _ = escalated()
    conflict, made = escalate(decision, "root", "", RULES)
    assert isinstance(conflict, Publish) and isinstance(made, Publish)
    assert (conflict.topic, conflict.key) == ("comitia.panel-events.v1", "root")
    assert (made.topic, made.key) == ("comitia.decisions.v1", "root")
    assert conflict.order < made.order
    assert isinstance(conflict.message, PanelEvent)
    told = conflict.message.conflict_opened
    assert (told.root_id, told.decision_offset) == ("root", -1)
    assert not told.decision.ballots and not told.decision.escalation.HasField("input")
    assert told.decision.escalation.candidates == decision.escalation.candidates
    assert decision.ballots and decision.escalation.HasField("input")


def test_a_decision_that_is_too_large_lists_fewer_candidates() -> None:
    decision, _ = escalated()
    for candidate in decision.escalation.candidates:
        candidate.value.text = "x" * 1_000
    rules = replace(RULES, decision_bytes_max=decision.ByteSize() - 1)
    escalate(decision, "t1", "", rules)
    assert [c.agents[0] for c in decision.escalation.candidates] == ["a0", "a2"]


def test_a_verdict_makes_the_next_revision_and_feedback() -> None:
    decision, conflict = escalated()
    c = Conflict(conflict)
    c.say(verdict("b", because="the second page says so"))
    (made,) = c.decisions
    assert (made.task_id, made.revision, made.status) == ("t1", 1, DECISION_STATUS_DECIDED)
    assert (made.value.option_id, made.decided_by) == ("b", "person")
    settlement = made.settlement
    assert (settlement.revision, settlement.decision_offset) == (0, OFFSET)
    assert (settlement.by, settlement.because) == ("ann", "the second page says so")
    assert 'ann settled revision 0 as "b": the second page says so' in made.explanation
    assert not made.ballots and not made.HasField("escalation") and not made.HasField("cost")
    assert (made.task_digest, made.skill) == (decision.task_digest, decision.skill)
    assert [one.name for one in made.steps] == ["ask"]
    (feedback,) = c.feedback
    assert (feedback.id, feedback.task_id, feedback.by) == ("verdict:t1:0", "t1", "ann")
    assert (feedback.decision_partition, feedback.decision_offset) == (0, OFFSET)
    assert feedback.correct.option_id == "b"
    to = {one.topic: (one.key, one.order) for one in c.published}
    assert to == {"comitia.feedback.v1": ("t1", 0), "comitia.decisions.v1": ("t1", 1)}


def test_the_first_verdict_settles_the_second_is_refused_and_the_same_again_is_ignored() -> None:
    c = Conflict(escalated()[1])
    c.say(verdict("b"))
    c.say(verdict("b"))
    assert not c.refusals
    c.say(verdict("a"))
    c.say(verdict("b", because="another reason"))
    c.say(verdict("b", revision=7))
    assert len(c.decisions) == 1
    assert len(c.refusals) == 3
    assert "revision 1 says how, and stands" in c.refusals[0]


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (verdict(revision=1), "revision: the verdict names 1, revision 0 waits: name that"),
        (verdict(decision_offset=7), "decision_offset: the verdict names 7, .* stands at 42"),
        (verdict("z"), "value: 'z' is none of the options: give one that the task asks for"),
    ],
)
def test_a_verdict_that_fits_not_is_refused_and_the_conflict_stays_open(
    word: PanelEvent, why: str
) -> None:
    c = Conflict(escalated()[1])
    c.say(word)
    assert not c.decisions and not c.feedback
    (refusal,) = c.refusals
    assert re.search(why, refusal), refusal
    c.say(verdict("a"))
    assert [one.value.option_id for one in c.decisions] == ["a"]


def test_a_value_of_another_kind_and_one_that_is_too_long_are_refused() -> None:
    c = Conflict(escalated()[1])
    word = verdict()
    word.verdict.value.number = 3.0
    c.say(word)
    assert "the answer holds number, the task asks for option_id" in c.refusals[-1]
    word.verdict.value.text = "x" * 300_000
    c.say(word)
    assert "shorten it to 262144" in c.refusals[-1]
    assert not c.decisions


def test_an_offset_that_nobody_knows_is_not_compared() -> None:
    c = Conflict(escalated()[1], offset=-1)
    c.say(verdict(decision_offset=7))
    assert c.decisions[0].settlement.decision_offset == -1
    assert c.feedback[0].decision_offset == 7, "the person has read the decision"


def test_a_verdict_judges_the_ballots_of_the_panel_that_could_not_agree() -> None:
    decision, conflict = escalated()
    c = Conflict(conflict)
    c.say(verdict("b"))
    stands = Recorded(decision, "comitia.decisions.v1", 0, OFFSET, 0)
    panel = panel_of(decision_of(c.feedback[0], stands))
    assert panel is not None
    judged = judge(panel, c.feedback[0].correct)
    assert (judged.correct, len(judged.votes)) == ("b", 4)


def test_without_any_offset_there_is_no_feedback() -> None:
    c = Conflict(escalated()[1], offset=-1)
    c.say(verdict(decision_offset=-1))
    assert len(c.decisions) == 1
    assert not c.feedback


def test_long_words_are_cut_and_known_again() -> None:
    c = Conflict(escalated()[1])
    word = verdict("b", because="x" * 20_000)
    c.say(word)
    (made,) = c.decisions
    assert len(made.settlement.because) == BECAUSE_BYTES_MAX
    assert after(decided_by(made, 50, 0), said(word)) == ()


@pytest.mark.parametrize(
    ("expiry", "person", "status", "value", "by"),
    [
        ("EXPIRY_EXPIRE", {}, DECISION_STATUS_EXPIRED, "", ""),
        ("EXPIRY_LEADER", {}, DECISION_STATUS_DECIDED, "a", "ask"),
        ("EXPIRY_VALUE", {"value": {"optionId": "c"}}, DECISION_STATUS_DECIDED, "c", "ask"),
    ],
)
def test_a_conflict_that_nobody_settles_expires_by_its_rule(
    expiry: str, person: dict[str, object], status: int, value: str, by: str
) -> None:
    c = Conflict(escalated(expiry, **person)[1])
    c.tick(c.expires_ms)
    (made,) = c.decisions
    assert (made.revision, made.status, made.value.option_id) == (1, status, value)
    assert made.settlement.expired and made.decided_by == by
    assert "Nobody settled revision 0 in time" in made.explanation
    assert not c.feedback, "no person has said anything"
    c.say(verdict("b"))
    assert len(c.decisions) == 1 and len(c.refusals) == 1


def test_a_verdict_after_the_end_finds_the_conflict_expired_whether_its_timer_was_read_or_not() -> (
    None
):
    c = Conflict(escalated()[1])
    c.say(verdict("b"), at_ms=c.expires_ms + 1)
    assert [one.status for one in c.decisions] == [DECISION_STATUS_EXPIRED]
    assert len(c.refusals) == 1 and not c.feedback


def test_the_log_is_told_again_and_again_that_a_conflict_is_open_until_it_expires() -> None:
    c = Conflict(escalated()[1])
    times: list[int] = []
    while not c.decisions:
        assert len(times) < 10, "it does not expire"
        assert c.state is not None and c.state.timer_ms is not None
        times.append(c.state.timer_ms)
        for effect in c.tick(c.state.timer_ms):
            if isinstance(effect, Publish) and isinstance(effect.message, PanelEvent):
                assert effect.message.conflict_opened.decision_offset == OFFSET
                c.say(effect.message)
    assert len(times) == EXPIRES_MS // RULES.remind_ms
    assert times[-1] == c.expires_ms


def test_a_record_that_knows_less_does_not_take_the_offset_away() -> None:
    _, conflict = escalated()
    c = Conflict(conflict)
    c.say(conflict)
    c.say(verdict(decision_offset=7))
    assert "stands at 42" in c.refusals[0]


def test_what_a_decided_task_does_not_heed_a_conflict_does_not_either() -> None:
    _, conflict = escalated()
    c = Conflict(conflict)
    assert c.say(answered(make_answer("p1.0.0.1", "a"))) == (AnswerDropped("AFTER_DECISION"),)
    assert c.say(cancelled()) == ()
    (letter,) = c.say(opened(make_panel(make_task(text="another content"))))
    assert isinstance(letter, DeadLetter) and letter.reason == "DUPLICATE_ID"
    c.effects.clear()
    c.say(verdict("b"))
    assert len(c.decisions) == 1


def test_a_verdict_on_a_task_that_is_not_left_to_a_person_is_refused() -> None:
    c = Conflict(escalated()[1])
    c.state = None
    c.say(verdict())
    assert c.state is None
    assert "settle one with the status ESCALATED" in c.refusals[0]
    decided = DecidedTask("t1", 0, OFFSET, 0)
    (letter,) = after(decided, said(verdict()))
    assert isinstance(letter, DeadLetter) and "is not left to a person" in letter.error


def test_after_its_revision_only_the_same_verdict_is_ignored() -> None:
    c = Conflict(escalated()[1])
    c.say(verdict("b"))
    decided = decided_by(c.decisions[0], 50, 0)
    assert decided.settled == settled_by(verdict("b").verdict.value, "ann", "I looked")
    assert after(decided, said(verdict("b"))) == ()
    others = (verdict("a"), verdict("b", by="bob"), verdict("b", because=""))
    for other in (*others, verdict("b", revision=7)):
        (letter,) = after(decided, said(other))
        assert isinstance(letter, DeadLetter) and "revision 1 says how" in letter.error


def test_what_expired_is_settled_by_nobody() -> None:
    c = Conflict(escalated("EXPIRY_LEADER")[1])
    c.tick(c.expires_ms)
    assert decided_by(c.decisions[0], 50, 0).settled == b""


@pytest.mark.parametrize("status", [DECISION_STATUS_DECIDED, DECISION_STATUS_EXPIRED])
def test_a_record_of_no_conflict_opens_nothing(status: int) -> None:
    event = PanelEvent(task_id="t1")
    event.conflict_opened.decision.CopyFrom(Decision(task_id="t1", status=status))  # type: ignore[arg-type]
    assert step(None, said(event), 5, RULES) == (None, ())
    event.conflict_opened.decision.status = DECISION_STATUS_ESCALATED
    event.conflict_opened.decision.task_id = "t2"
    assert step(None, said(event), 5, RULES) == (None, ())


def test_ids_of_feedback_keep_to_their_bound() -> None:
    _, conflict = escalated()
    long = "t" * 128
    conflict.task_id = conflict.conflict_opened.decision.task_id = long
    c = Conflict(conflict)
    word = verdict()
    word.task_id = word.verdict.task_id = long
    c.say(word)
    assert len(c.feedback[0].id) <= 128
    assert c.feedback[0].task_id == long
