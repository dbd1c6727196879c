"""What the fold does with each kind of event, told by the decision and the effects that it
publishes.
"""

import pytest

from comitia.effects import AnswerDropped, DeadLetter, DecidedTask, Publish, StopWork
from comitia.errors import Poison
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_EXPIRED,
    DECISION_STATUS_NO_QUORUM,
    DECISION_STATUS_REJECTED,
    DELIVERY_EXACTLY_ONCE,
)
from comitia.v1.panel_event_pb2 import PanelEvent, TaskRefused
from comitia.v1.policy_pb2 import METHOD_PLURALITY
from comitia_aggregator.duplicates import after
from comitia_aggregator.state import digest_of
from tests.sim.events import (
    APPENDED_MS,
    DEADLINE_MS,
    TRACE_ID,
    answered,
    make_answer,
    make_panel,
    make_task,
    opened,
    policy,
    recorded,
)
from tests.sim.folding import RULES, Fold, three


def test_a_panel_that_has_answered_decides_at_once() -> None:
    fold = Fold().say(opened(make_panel(make_task())), *three("a", "b"))
    assert not fold.effects
    decision = fold.say(*three("a", "b", "a")[2:]).decision
    assert decision.status == DECISION_STATUS_DECIDED
    assert decision.value.option_id == "a"
    assert (decision.task_id, decision.panel_id, decision.method) == ("t1", "p1", METHOD_PLURALITY)
    assert [(b.seat, b.agent, b.value.option_id, b.weight) for b in decision.ballots] == [
        (0, "a0", "a", 1.0), (1, "a1", "b", 1.0), (2, "a2", "a", 1.0),
    ]  # fmt: skip
    assert decision.margin == pytest.approx(1 / 3)
    assert (decision.skill, decision.tenant, decision.session) == ("sentiment", "acme", "s1")
    assert decision.trace_id == TRACE_ID
    assert decision.delivery == DELIVERY_EXACTLY_ONCE
    cost = decision.cost
    assert (cost.prompt_tokens, cost.completion_tokens, cost.worked_ms) == (30, 3, 15)
    assert (cost.assignments, cost.elapsed_ms) == (3, 7)
    assert decision.explanation == (
        '"a" leads by plurality, 2 of 3 ballots (margin 0.33). For "a": a0, a2. For "b": a1.'
    )
    assert not fold.of(StopWork)


def test_the_key_of_a_decision_is_the_root_of_a_staged_task() -> None:
    task = make_task()
    task.root_id = "root"
    (publish,) = Fold().say(opened(make_panel(task)), *three("a", "a", "a")).of(Publish)
    assert publish.key == "root"


def test_only_the_first_answer_of_a_listed_assignment_counts() -> None:
    fold = Fold().say(opened(make_panel(make_task())), *three("a"), *three("b"))
    fold.say(answered(make_answer("p9.1.0.1", "b")), answered(make_answer("", "b")))
    assert [drop.reason for drop in fold.of(AnswerDropped)] == ["DUPLICATE", *["UNLISTED"] * 2]
    assert [b.value.option_id for b in fold.tick(DEADLINE_MS).decision.ballots] == ["a"]


def test_answers_before_their_panel_are_held_and_counted() -> None:
    fold = Fold().say(*three("a", "a", "b"))
    assert fold.state is not None
    assert fold.state.timer_ms == DEADLINE_MS
    assert fold.say(opened(make_panel(make_task()))).decision.value.option_id == "a"


def test_without_room_no_answer_is_held_for_a_panel_that_has_not_come() -> None:
    fold = Fold().say(*three("a"), overloaded=True)
    assert fold.state is None
    assert fold.effects == [AnswerDropped("OVERLOADED")]
    # A task that is known goes on.
    begun = Fold().say(*three("a")).say(*three(None, "a", "a")[1:], overloaded=True)
    assert begun.say(opened(make_panel(make_task()))).decision.value.option_id == "a"


def test_a_decision_names_the_content_that_was_decided() -> None:
    task = make_task()
    decision = Fold().say(opened(make_panel(task)), *three("a", "a", "a")).decision
    assert decision.task_digest == digest_of(task)


def test_answers_whose_panel_never_comes_are_let_go_at_their_deadline() -> None:
    fold = Fold().say(*three("a"))
    assert fold.tick(DEADLINE_MS - 1).state is not None
    assert fold.tick(DEADLINE_MS).state is None
    assert fold.effects == [AnswerDropped("NO_PANEL")]


def test_held_answers_wait_for_the_last_of_their_deadlines() -> None:
    late, soon = make_answer("p1.0.0.1", "a"), make_answer("p1.1.0.1", "a")
    soon.deadline_ms = DEADLINE_MS - 500
    fold = Fold().say(answered(late), answered(soon))
    assert fold.tick(DEADLINE_MS - 1).state is not None


def test_an_answer_without_deadline_and_one_with_an_absurd_one_are_held_for_a_bounded_time() -> (
    None
):
    for claimed, held_ms in ((0, RULES.keep_ms), (2**62, RULES.timeout_ms_max)):
        answer = make_answer("p1.0.0.1", "a")
        answer.deadline_ms = claimed
        fold = Fold().say(answered(answer), at_ms=APPENDED_MS)
        assert fold.state is not None
        assert fold.state.timer_ms == APPENDED_MS + held_ms


def test_the_second_panel_loses() -> None:
    task = make_task()
    fold = Fold().say(opened(make_panel(task)), opened(make_panel(task, "p2")))
    fold.say(*(answered(make_answer(f"p2.{seat}.0.1", "b")) for seat in range(3)))
    assert fold.effects == [AnswerDropped("UNLISTED")] * 3
    assert fold.say(*three("a", "a", "a")).decision.panel_id == "p1"


def test_the_same_id_with_another_content_is_a_dead_letter() -> None:
    fold = Fold().say(opened(make_panel(make_task())))
    other = make_task(text="Something else?")
    fold.say(opened(make_panel(other, "p2")))
    refusal = TaskRefused(status=DECISION_STATUS_REJECTED, task=other)
    fold.say(PanelEvent(task_id="t1", task_refused=refusal))
    assert [(letter.reason, letter.task_id) for letter in fold.of(DeadLetter)] == [
        ("DUPLICATE_ID", "t1")
    ] * 2
    assert fold.say(*three("a", "a", "a")).decision.status == DECISION_STATUS_DECIDED


def test_after_the_decision_only_another_content_matters() -> None:
    task, other = make_task(), make_task(text="Something else?")
    decided = DecidedTask("t1", 0, 5, APPENDED_MS, digest_of(task))
    assert after(decided, recorded(opened(make_panel(task, "p2")))) == ()
    assert after(decided, recorded(answered(make_answer("p1.0.0.1", "a")))) == (
        AnswerDropped("AFTER_DECISION"),
    )
    (letter,) = after(decided, recorded(opened(make_panel(other, "p2"))))
    assert isinstance(letter, DeadLetter)
    # Where a decision does not tell the content, the next panel says it.
    forgotten = DecidedTask("t1", 0, 5, APPENDED_MS)
    assert after(forgotten, recorded(opened(make_panel(task, "p2")))) == ()
    assert len(after(forgotten, recorded(opened(make_panel(other, "p3"))))) == 1


def test_the_deadline_decides_with_what_there_is() -> None:
    fold = Fold().say(opened(make_panel(make_task())), *three("a", "a"))
    late = answered(make_answer("p1.2.0.1", "b"))
    fold.say(late, at_ms=DEADLINE_MS + 1)
    assert fold.effects == [AnswerDropped("LATE")]
    decision = fold.tick(DEADLINE_MS + 50).decision
    assert decision.status == DECISION_STATUS_DECIDED
    assert [(seat.seat, seat.agent) for seat in decision.late] == [(2, "a2")]
    assert not decision.missing
    assert decision.cost.elapsed_ms == DEADLINE_MS - APPENDED_MS
    assert decision.explanation.startswith("The deadline came.")
    assert decision.explanation.endswith("After the deadline: a2.")


def test_an_answer_at_the_deadline_itself_is_in_time() -> None:
    fold = Fold().say(opened(make_panel(make_task())), *three("a", "a", "a"), at_ms=DEADLINE_MS)
    assert fold.decision.status == DECISION_STATUS_DECIDED


def test_without_a_quorum_at_the_deadline_the_task_expires_and_names_the_missing() -> None:
    fold = Fold().say(opened(make_panel(make_task())), *three("a")).tick(DEADLINE_MS)
    decision = fold.decision
    assert decision.status == DECISION_STATUS_EXPIRED
    assert [seat.agent for seat in decision.missing] == ["a1", "a2"]
    assert not decision.HasField("value")
    assert "Too few voted: 1 of the 2 seats needed." in decision.explanation
    assert "No answer: a1, a2." in decision.explanation
    (stop,) = fold.of(StopWork)
    assert (stop.task_id, stop.panel_id, stop.reason, stop.deadline_ms) == (
        "t1",
        "p1",
        "EXPIRED",
        DEADLINE_MS,
    )


def test_a_timer_that_is_not_due_does_nothing() -> None:
    fold = Fold().say(opened(make_panel(make_task())), *three("a", "a"))
    assert not fold.tick(DEADLINE_MS - 1).effects


def test_a_tie_and_a_panel_of_abstentions_have_no_quorum() -> None:
    tie = Fold().say(opened(make_panel(make_task(), seats=2)), *three("b", "a")).decision
    assert tie.status == DECISION_STATUS_NO_QUORUM
    assert [value.option_id for value in tie.tied] == ["a", "b"]
    assert 'No value leads: "a" and "b" are tied by plurality.' in tie.explanation
    nobody = Fold().say(opened(make_panel(make_task())), *three(None, None, None)).decision
    assert nobody.status == DECISION_STATUS_NO_QUORUM
    assert [ballot.weight for ballot in nobody.ballots] == [0.0] * 3
    assert "Abstained: a0 (unspecified: cannot tell), a1" in nobody.explanation


def test_the_quorum_counts_ballots_without_abstentions() -> None:
    for quorum, status in ((2, DECISION_STATUS_DECIDED), (3, DECISION_STATUS_NO_QUORUM)):
        fold = Fold().say(
            opened(make_panel(make_task(policy=policy(quorum)))), *three("a", "a", None)
        )
        assert fold.decision.status == status


def test_by_default_more_than_half_of_the_seats_must_vote_however_many_samples_they_send() -> None:
    panel = make_panel(make_task(policy=policy(samples=4)))
    fold = Fold().say(opened(panel))
    fold.say(*(answered(make_answer(f"p1.0.{sample}.1", "a")) for sample in range(4)))
    decision = fold.tick(DEADLINE_MS).decision
    assert decision.status == DECISION_STATUS_EXPIRED
    assert [seat.seat for seat in decision.missing] == [1, 2]


def test_an_event_of_a_newer_version_is_passed_over_and_one_without_a_task_is_poison() -> None:
    newer = PanelEvent.FromString(PanelEvent(task_id="t1").SerializeToString() + b"\xfa\x01\x01x")
    assert Fold().say(newer).state is None
    with pytest.raises(Poison, match="task_id"):
        Fold().say(PanelEvent())


def test_a_state_keeps_no_input_and_accounts_for_its_size() -> None:
    fold = Fold().say(opened(make_panel(make_task(text="x" * 100_000))))
    assert fold.state is not None
    empty = fold.state.size_bytes
    assert empty < 5_000
    fold.say(*three("a"))
    assert fold.state.size_bytes > empty
