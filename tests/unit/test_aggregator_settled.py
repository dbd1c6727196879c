"""A task whose outcome can no longer change is decided at once; the rest is told to stop."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.effects import AnswerDropped, StopWork
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_NO_QUORUM,
    Decision,
)
from comitia.v1.policy_pb2 import (
    METHOD_APPROVAL,
    METHOD_LEARNED,
    METHOD_LOG_POOL,
    METHOD_PLURALITY,
    METHOD_PROBABILITY_WEIGHTED,
    METHOD_WEIGHTED,
    Method,
    Policy,
)
from comitia_aggregator.closing import LOOK_EVERY
from tests.sim.events import (
    DEADLINE_MS,
    answered,
    make_answer,
    make_panel,
    make_task,
    make_weights,
    opened,
    policy,
)
from tests.sim.folding import Fold, three

# What an answer may say: an option, nothing (None), or it does not come (ABSENT).
ABSENT = ""
SAID = ("a", "b", None, ABSENT)


# a0 outweighs two of the others; a2 is worse than chance.
WEIGHTS = make_weights({"a0": (2.5, 0.2, 0.9), "a1": (1.0, 0.0, 0.7), "a2": (-0.3, 0.1, 0.3)})
METHODS = (
    METHOD_PLURALITY,
    METHOD_PROBABILITY_WEIGHTED,
    METHOD_APPROVAL,
    METHOD_LOG_POOL,
    METHOD_WEIGHTED,
    METHOD_LEARNED,
)


def panel(asked: Policy, seats: int) -> Fold:
    return Fold(WEIGHTS).say(
        opened(make_panel(make_task(options="abc", policy=asked), seats=seats))
    )


def outcome(fold: Fold) -> tuple[int, str] | None:
    """Status and value, once decided. EXPIRED is told as NO_QUORUM: neither has a value."""
    published = [one for one in fold.effects if hasattr(one, "message")]
    if not published:
        return None
    decision = fold.decision
    decided = decision.status == DECISION_STATUS_DECIDED
    status = DECISION_STATUS_DECIDED if decided else DECISION_STATUS_NO_QUORUM
    return status, decision.value.option_id


def test_a_majority_decides_before_the_rest_answers() -> None:
    fold = panel(policy(wait_for_all=False), 5).say(*three("a", "b", "a"))
    assert not fold.effects
    decision: Decision = fold.say(answered(make_answer("p1.3.0.1", "a"))).decision
    assert (decision.status, decision.value.option_id) == (DECISION_STATUS_DECIDED, "a")
    assert [seat.agent for seat in decision.missing] == ["a4"]
    assert decision.explanation.endswith(
        "The rest could not change the outcome and was not waited for: a4."
    )
    (stop,) = fold.of(StopWork)
    assert (stop.task_id, stop.reason) == ("t1", "DECIDED")
    fold.say(answered(make_answer("p1.4.0.1", "b"))).tick(DEADLINE_MS)
    assert fold.of(AnswerDropped) == [AnswerDropped("AFTER_DECISION")]
    assert outcome(fold) == (DECISION_STATUS_DECIDED, "a")


def test_a_policy_that_waits_for_all_waits() -> None:
    fold = panel(policy(wait_for_all=True), 3).say(*three("a", "a"))
    assert not fold.effects
    assert not fold.say(*three(None, None, "b")[2:]).decision.missing


def test_a_tie_that_can_be_broken_and_a_quorum_that_is_not_met_wait() -> None:
    assert not panel(policy(wait_for_all=False), 4).say(*three("a", "b", "a")).effects
    assert not panel(policy(quorum=3, wait_for_all=False), 3).say(*three("a", "a")).effects
    # Two samples of one seat are a majority of ballots and not of seats.
    asked = policy(samples=3, wait_for_all=False)
    one_seat = [answered(make_answer(f"p1.0.{sample}.1", "a")) for sample in range(3)]
    assert not panel(asked, 3).say(*one_seat).effects


def test_a_quorum_out_of_reach_ends_the_wait() -> None:
    fold = panel(policy(wait_for_all=False), 4).say(*three(None, None))
    assert fold.decision.status == DECISION_STATUS_NO_QUORUM
    assert "Too few voted: 0 of the 3 seats needed." in fold.decision.explanation
    assert fold.decision.explanation.endswith("was not waited for: a2, a3.")
    needs_all = panel(policy(quorum=3, wait_for_all=False), 3).say(*three(None))
    assert needs_all.decision.status == DECISION_STATUS_NO_QUORUM


def test_answers_held_for_their_panel_decide_it_as_it_opens() -> None:
    task = make_task(policy=policy(wait_for_all=False))
    fold = Fold().say(*three("a", "a")).say(opened(make_panel(task)))
    assert (fold.decision.value.option_id, len(fold.decision.missing)) == ("a", 1)


def test_a_large_panel_is_looked_at_in_steps() -> None:
    seats = 4 * LOOK_EVERY
    fold = panel(policy(wait_for_all=False), seats)
    for seat in range(seats):
        fold.say(answered(make_answer(f"p1.{seat}.0.1", "a")))
    ballots = len(fold.decision.ballots)
    assert seats // 2 < ballots <= seats // 2 + LOOK_EVERY


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("seats", "samples"), [(3, 1), (4, 1), (2, 2)])
def test_an_early_decision_is_the_one_that_every_further_course_would_have_given(
    method: Method, seats: int, samples: int
) -> None:
    """All courses of small panels: whatever was decided early, waiting for all gives as well."""
    places = [(seat, sample) for seat in range(seats) for sample in range(samples)]
    early = 0
    for quorum in (0, 1, len(places)):
        for course in product(SAID, repeat=len(places)):
            folds = []
            for wait in (False, True):
                asked = policy(quorum, method, samples, wait_for_all=wait)
                fold = panel(asked, seats)
                for (seat, sample), said in zip(places, course, strict=True):
                    if said != ABSENT:
                        fold.say(answered(make_answer(f"p1.{seat}.{sample}.1", said)))
                early += not wait and outcome(fold) is not None and ABSENT in course
                folds.append(fold.tick(DEADLINE_MS))
            assert outcome(folds[0]) == outcome(folds[1]), (quorum, course)
    assert early > 20


said = st.tuples(st.sampled_from(("a", "b", "c", None, ABSENT)), st.none() | st.floats(0, 1))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1), said), max_size=30),
    st.integers(0, 8),
    st.sampled_from(METHODS),
)
def test_the_same_holds_for_random_courses(
    course: list[tuple[int, int, tuple[str | None, float | None]]],
    quorum: int,
    method: Method,
) -> None:
    outcomes = []
    for wait in (False, True):
        fold = panel(policy(quorum, method, 2, wait_for_all=wait), 7)
        for seat, sample, (option, confidence) in course:
            if option != ABSENT:
                answer = make_answer(f"p1.{seat}.{sample}.1", option, confidence)
                fold.say(answered(answer))
        outcomes.append(outcome(fold.tick(DEADLINE_MS)))
    assert outcomes[0] == outcomes[1]
