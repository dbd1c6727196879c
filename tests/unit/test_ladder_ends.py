"""How a ladder ends: at a person, at its deadline, and always. Whatever a policy asks for and
whatever agents say, a task ends once, in time, and its walk names every step.
"""

from collections.abc import Mapping
from random import Random

import pytest

from comitia.effects import Timer
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_ESCALATED,
    DECISION_STATUS_EXPIRED,
    DECISION_STATUS_NO_QUORUM,
)
from comitia.v1.panel_event_pb2 import PanelEvent, RoundOpened
from comitia_aggregator.step import step
from tests.sim.events import APPENDED_MS, DEADLINE_MS, TIMEOUT_MS, make_answer, opened, recorded
from tests.unit.ladder_world import RULES, Script, Story, ladder, says, silent_from

TALK = {"deliberation": {"rounds": 2}, "when": {"marginBelow": 0.5}}
JUDGE = {"judge": {"swap": True}, "when": {"marginBelow": 0.5}}
PERSON: Mapping[str, object] = {"person": {"expiresMs": "5000", "expiry": "EXPIRY_LEADER"}}


def test_a_tie_is_left_to_a_person_with_all_that_they_need() -> None:
    story = Story(ladder(PERSON), [says("a"), says("b")]).run()
    decision = story.decision
    assert decision.status == DECISION_STATUS_ESCALATED
    assert not decision.HasField("value") and not decision.decided_by
    left = decision.escalation
    assert (left.reason, left.input.text) == ("no value won", "Which?")
    assert [option.id for option in left.format.choice.options] == ["a", "b", "c"]
    assert [(c.value.option_id, c.share, list(c.agents)) for c in left.candidates] == [
        ("a", 0.5, ["a0"]),
        ("b", 0.5, ["a1"]),
    ]
    ended_ms = max(one.append_ms for one in story.log if one.message.HasField("answer"))
    assert left.expires_ms == ended_ms + 5_000
    assert "without a value" in left.expiry, "nobody led"
    assert "left to a person" in decision.explanation


def test_the_value_that_leads_is_what_a_conflict_expires_with() -> None:
    policy = ladder({**PERSON, "when": {"marginBelow": 0.5}})
    left = Story(policy, [says("a"), says("a"), says("b")]).run().decision.escalation
    assert left.expiry_value.option_id == "a"


def test_at_the_deadline_the_last_vote_decides_and_no_round_is_opened() -> None:
    """The first vote has the whole time: nothing is left for the judge."""
    policy = ladder(JUDGE, voteTimeoutMs=TIMEOUT_MS)
    agents = [says("a"), says("a"), says("b"), silent_from(1, says("b"))]
    story = Story(policy, agents, {"judge": [says("b")]}).run()
    assert story.decision.status == DECISION_STATUS_DECIDED
    assert (story.decision.value.option_id, story.decision.decided_by) == ("a", "vote")
    assert "no time was left" in story.decision.explanation


def test_a_panel_that_says_nothing_ends_when_no_step_can_use_the_rest_of_its_time() -> None:
    nobody = [silent_from(1, says("a"))] * 3
    story = Story(ladder(TALK, JUDGE), nobody).run()
    assert story.decision.status == DECISION_STATUS_NO_QUORUM
    assert story.decision.cost.elapsed_ms < TIMEOUT_MS
    to_the_end = Story(ladder(TALK, voteTimeoutMs=TIMEOUT_MS), nobody).run()
    assert to_the_end.decision.status == DECISION_STATUS_EXPIRED
    assert to_the_end.decision.cost.elapsed_ms == TIMEOUT_MS


def test_an_answer_to_a_round_may_stand_before_its_opening() -> None:
    """Inboxes are read before the opening is committed."""
    story = Story(ladder({**TALK, "deliberation": {"rounds": 1}}), [says("a"), says("b")])
    state = None
    events = [opened(story.panel)]
    for seat, option in enumerate("ab"):
        answer = make_answer(f"p1.{seat}.0.1", option)
        events.append(PanelEvent(task_id="t1", answer=answer))
    early = make_answer("p1.1.0.2", "a")
    early.rationale = "convinced"
    events.append(PanelEvent(task_id="t1", answer=early))
    for event in events:
        state, effects = step(state, recorded(event, APPENDED_MS + 5), APPENDED_MS + 5, RULES)
    assert state is not None and state.opening
    begun = PanelEvent(task_id="t1", round_opened=RoundOpened(panel_id="p1", round=2))
    begun.round_opened.deadline_ms = APPENDED_MS + 500
    begun.round_opened.walk.add(name="deliberation", kind="deliberation", taken=True, rounds=1)
    for seat in range(2):
        begun.round_opened.assignments.add(id=f"p1.{seat}.0.2", seat=seat, round=2)
    state, effects = step(state, recorded(begun, APPENDED_MS + 6), APPENDED_MS + 6, RULES)
    state, effects = step(state, Timer("t1", APPENDED_MS + 500), APPENDED_MS + 500, RULES)
    (publish, *_) = effects
    second = [one.kept for one in publish.message.ballots if one.round == 2]  # type: ignore[union-attr]
    assert second == ["no answer in time", ""]


@pytest.mark.parametrize(("at_ms", "kept"), [(500, ""), (501, "no answer in time")])
def test_an_answer_counts_until_its_round_is_over(at_ms: int, kept: str) -> None:
    story = Story(ladder(TALK), [says("a"), says("b"), says("b")])
    events = [opened(story.panel)]
    for seat, option in enumerate("abb"):
        events.append(PanelEvent(task_id="t1", answer=make_answer(f"p1.{seat}.0.1", option)))
    begun = RoundOpened(panel_id="p1", round=2, deadline_ms=APPENDED_MS + 500)
    begun.walk.add(name="deliberation", kind="deliberation", taken=True, rounds=2)
    for seat in range(3):
        begun.assignments.add(id=f"p1.{seat}.0.2", seat=seat, round=2)
    events.append(PanelEvent(task_id="t1", round_opened=begun))
    state = None
    for event in events:
        state, _ = step(state, recorded(event, APPENDED_MS + 5), APPENDED_MS + 5, RULES)
    later = PanelEvent(task_id="t1", answer=make_answer("p1.0.0.2", "a"))
    now_ms = APPENDED_MS + at_ms
    state, _ = step(state, recorded(later, now_ms), now_ms, RULES)
    state, effects = step(state, Timer("t1", now_ms), now_ms, RULES)
    (publish, *_) = effects
    ballots = publish.message.ballots  # type: ignore[union-attr]
    assert [one.kept for one in ballots if (one.seat, one.round) == (0, 2)] == [kept]


def test_the_rounds_of_another_panel_are_not_opened() -> None:
    story = Story(ladder(TALK), [says("a"), says("b")])
    state, _ = step(None, recorded(opened(story.panel)), APPENDED_MS + 1, RULES)
    for panel_id, number, place in (("p2", 2, 0), ("p1", 1, 0), ("p1", 2, 9)):
        said = PanelEvent(task_id="t1")
        said.round_opened.panel_id, said.round_opened.round = panel_id, number
        said.round_opened.step, said.round_opened.deadline_ms = place, DEADLINE_MS
        state, effects = step(state, recorded(said), APPENDED_MS + 2, RULES)
        assert state is not None and not state.rounds and not effects


def _erratic(chance: Random) -> Script:
    """Answers, abstains, invents options, forgets its reasons, or says nothing."""

    def answer(assignment: Assignment) -> Answer | None:
        if chance.random() < 0.15:
            return None
        answer = make_answer(assignment.id, chance.choice(["a", "a", "b", "c", "z", None]))
        answer.rationale = chance.choice(["", "so it is"])
        return answer

    return answer


def _step(chance: Random, number: int) -> dict[str, object]:
    kind = chance.choice(["deliberation", "judge", "rules"])
    bodies: dict[str, dict[str, object]] = {
        "deliberation": {"rounds": chance.choice([0, 1, 2]), "peers": chance.randrange(5)},
        "judge": {"swap": chance.random() < 0.5, "mayWrite": chance.random() < 0.5},
        "rules": {"rules": [{"name": "r", "veto": {"voter": {"agent": "a1"}}}]},
    }
    when = chance.choice([{}, {"always": True}, {"marginBelow": 0.4}, {"probabilityBelow": 0.9}])
    step: dict[str, object] = {"name": f"{kind}-{number}", kind: bodies[kind], "when": when}
    if chance.random() < 0.2:
        step["tokensMax"] = str(chance.randrange(1, 80))
    if chance.random() < 0.3:
        step["timeoutMs"] = chance.randrange(1, 2_000)
    return step


@pytest.mark.parametrize("block", range(10))
def test_every_task_ends_once_in_time_and_within_its_bounds(block: int) -> None:
    for seed in range(block * 60, block * 60 + 60):
        chance = Random(seed)
        steps = [_step(chance, number) for number in range(chance.randrange(1, 6))]
        if chance.random() < 0.3:
            steps.append({**PERSON, "name": "person"})
        policy = ladder(*steps, samples=chance.choice([0, 1, 2]))
        agents = [_erratic(chance) for _ in range(chance.randrange(1, 5))]
        judges = {str(one["name"]): [_erratic(chance)] for one in steps if "judge" in one}
        story = Story(policy, agents, judges).run()
        decision = story.decision
        assert decision.cost.elapsed_ms <= TIMEOUT_MS, seed
        assert story.now_ms <= DEADLINE_MS + len(story.log), seed
        opened_by = [event.message.round_opened.step for event in story.log]
        held = sum(1 for event in story.log if event.message.HasField("round_opened"))
        allowed = sum((one.deliberation.rounds or 1) + 1 for one in policy.steps)
        assert held <= allowed, (seed, opened_by)
        assert len({ballot.assignment_id for ballot in decision.ballots}) == len(decision.ballots)
        names = [record.name for record in decision.steps]
        assert names == [one.name for one in policy.steps][: len(names)], seed
        assert bool(decision.HasField("value")) == (decision.status == DECISION_STATUS_DECIDED)
