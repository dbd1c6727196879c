"""Deliberation and judges: who is asked again and what they see, which answers stand, how all
rounds are counted, and what ends a round.
"""

import pytest

from comitia.consensus.weights import SkillWeights, VoterWeight, voter_in
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_NO_QUORUM,
)
from comitia.v1.step_pb2 import PEERS_ALL, PEERS_ANONYMOUS, PEERS_NONE, PEERS_OPPONENTS, Peers
from tests.sim.events import APPENDED_MS, make_answer
from tests.unit.ladder_world import PARTITION, Script, Story, ladder, says, silent_from

TALK = {"deliberation": {"rounds": 1}, "when": {"marginBelow": 0.5}}
JUDGE = {"judge": {}, "when": {"marginBelow": 0.5}}


def test_a_clear_vote_passes_every_step_over() -> None:
    story = Story(ladder(TALK, JUDGE), [says("a"), says("a"), says("a")]).run()
    assert (story.decision.value.option_id, story.decision.decided_by) == ("a", "vote")
    assert story.steps() == {"deliberation": False, "judge": False}
    assert not story.asked


def test_a_narrow_vote_is_talked_over_and_all_rounds_count() -> None:
    # 2:1 for a; then one of them changes its mind: 3:3 over both rounds, and no value wins.
    story = Story(ladder(TALK), [says("a"), says("a", "b"), says("b")]).run()
    assert story.decision.status == DECISION_STATUS_NO_QUORUM
    assert len(story.decision.ballots) == 6
    # With both of them it is 4:2 for b.
    story = Story(ladder(TALK), [says("a", "b"), says("a", "b"), says("b")]).run()
    assert story.decision.status == DECISION_STATUS_DECIDED
    assert (story.decision.value.option_id, story.decision.decided_by) == ("b", "deliberation")
    assert story.decision.margin == pytest.approx(2 / 6)


def test_the_last_round_alone_never_decides() -> None:
    """Five who said a alone are not overruled by what they said after hearing each other."""
    agents = [says("a")] * 3 + [says("b", "c")] * 2
    story = Story(ladder({**TALK, "when": {"always": True}}), agents).run()
    votes: dict[int, list[str]] = {1: [], 2: []}
    for ballot in story.decision.ballots:
        votes[ballot.round].append(ballot.value.option_id)
    assert votes == {1: ["a", "a", "a", "b", "b"], 2: ["a", "a", "a", "c", "c"]}
    assert story.decision.margin == pytest.approx(0.6 - 0.2)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (says("a", "b", why=""), "without a reason"),
        (says("a", "b", why="  "), "without a reason"),
        (says("a", None), "cannot tell"),
        (says("a", "z"), "not what the task asks for"),
        (silent_from(2, says("a")), "no answer in time"),
    ],
)
def test_a_slip_does_not_move_a_seat(script: Script, why: str) -> None:
    story = Story(ladder(TALK), [script, says("a"), says("b")]).run()
    (first, second) = [ballot for ballot in story.decision.ballots if ballot.seat == 0]
    assert (first.value.option_id, second.value.option_id) == ("a", "a")
    assert not first.kept and why in second.kept
    assert story.decision.value.option_id == "a"
    assert not story.decision.missing, "its former answer stands: nobody missed it"


def test_who_was_silent_first_may_answer_in_the_second_round() -> None:
    story = Story(ladder(TALK), [says(None, "b"), says("a"), says("b")]).run()
    second = [one for one in story.decision.ballots if one.seat == 0 and one.round == 2]
    assert [one.value.option_id for one in second] == ["b"]
    assert story.decision.value.option_id == "b"


def peers_of(kind: Peers) -> list[Assignment]:
    policy = ladder(TALK)
    policy.steps[0].deliberation.peers = kind
    return Story(policy, [says("a"), says("a"), says("b")]).run().asked


def test_each_sees_what_its_policy_says() -> None:
    everything, opponents = peers_of(PEERS_ALL), peers_of(PEERS_OPPONENTS)
    assert [[peer.seat for peer in one.peers] for one in everything] == [[1, 2], [0, 2], [0, 1]]
    assert [[peer.seat for peer in one.peers] for one in opponents] == [[2], [2], [0, 1]]
    assert {peer.answer.agent for peer in everything[0].peers} == {"a1", "a2"}
    assert {peer.answer.agent for one in peers_of(PEERS_ANONYMOUS) for peer in one.peers} == {""}
    assert [len(one.peers) for one in peers_of(PEERS_NONE)] == [0, 0, 0]
    shown = everything[0].peers[1].answer
    assert (shown.value.option_id, shown.rationale) == ("b", "first thought")


def test_an_assignment_of_a_later_round_says_all_that_its_agent_needs() -> None:
    (first, *_) = Story(ladder(TALK), [says("a"), says("a"), says("b")]).run().asked
    assert (first.id, first.round, first.seat, first.step) == ("p1.0.0.2", 2, 0, "deliberation")
    assert first.task.input.text == "Which?" and first.role == "solver"
    assert (first.reply_topic, first.reply_partition) == ("comitia.panel-events.v1", PARTITION)
    assert first.previous.value.option_id == "a"
    assert APPENDED_MS < first.deadline_ms <= APPENDED_MS + 1_000


def test_the_decision_lists_whose_answers_each_has_seen() -> None:
    withheld = ladder(TALK)
    withheld.steps[0].deliberation.peers = PEERS_NONE
    agents = [says("a"), says("a"), says("b")]
    seen, unseen = Story(ladder(TALK), agents).run(), Story(withheld, agents).run()
    second = [list(one.peers) for one in seen.decision.ballots if one.round == 2]
    assert second == [[1, 2], [0, 2], [0, 1]]
    assert all(not one.peers for one in unseen.decision.ballots)


def test_a_second_round_is_held_where_the_first_did_not_settle_it() -> None:
    twice = ladder({**TALK, "deliberation": {"rounds": 2}})
    stubborn = Story(twice, [says("a"), says("a"), says("b")]).run()
    assert [record.rounds for record in stubborn.decision.steps] == [2]
    assert max(ballot.round for ballot in stubborn.decision.ballots) == 3
    settled = Story(twice, [says("a"), says("a"), says("b", "a")]).run()
    assert [record.rounds for record in settled.decision.steps] == [1]


def picks(option: str | None) -> Script:
    def answer(assignment: Assignment) -> Answer:
        answer = make_answer(assignment.id, option)
        answer.agent = assignment.agent
        return answer

    return answer


def test_a_judge_settles_a_tie_and_is_no_part_of_the_quorum() -> None:
    story = Story(ladder(JUDGE), [says("a"), says("b")], {"judge": [picks("b")]}).run()
    assert (story.decision.value.option_id, story.decision.decided_by) == ("b", "judge")
    (asked,) = story.asked
    assert asked.role == "judge" and [peer.answer.agent for peer in asked.peers] == ["", ""]
    ballot = story.decision.ballots[-1]
    assert (ballot.role, ballot.agent) == ("judge", "j2")


def test_judges_make_no_quorum_and_are_no_members_of_it() -> None:
    few = [says("a"), says("b"), says(None), says(None), says(None)]
    judged = Story(ladder(JUDGE), few, {"judge": [picks("a")]}).run()
    assert judged.steps() == {"judge": True}
    assert judged.decision.status == DECISION_STATUS_NO_QUORUM
    counted = Story(ladder(JUDGE, quorum=3), few, {"judge": [picks("a")]}).run()
    assert counted.decision.status == DECISION_STATUS_NO_QUORUM
    beside = Story(ladder(JUDGE), [says("a"), says("a")], {"judge": [picks("a")] * 3}).run()
    assert beside.decision.status == DECISION_STATUS_DECIDED


def test_a_swapped_judge_sees_both_orders_and_what_depends_on_them_cancels_out() -> None:
    def first_shown(assignment: Assignment) -> Answer:
        return make_answer(assignment.id, assignment.peers[0].answer.value.option_id)

    policy = ladder({**JUDGE, "judge": {"swap": True}})
    story = Story(policy, [says("a"), says("b")], {"judge": [first_shown]}).run()
    orders = [[peer.answer.value.option_id for peer in one.peers] for one in story.asked]
    assert orders == [["a", "b"], ["b", "a"]]
    assert story.decision.status == DECISION_STATUS_NO_QUORUM


def test_a_judge_that_may_not_write_cannot_bring_in_a_new_answer() -> None:
    agents = [says("a"), says("b")]
    bound = Story(ladder(JUDGE), agents, {"judge": [picks("c")]}).run()
    assert bound.decision.ballots[-1].HasField("abstention")
    free = ladder({**JUDGE, "judge": {"mayWrite": True}})
    written = Story(free, agents, {"judge": [picks("c")]}).run()
    assert written.decision.ballots[-1].value.option_id == "c"
    assert written.asked[0].may_write


def test_a_judge_weighs_what_it_was_measured_to_be_worth() -> None:
    """Reliable as a judge, it outvotes two; measured as no better than chance, it moves nothing."""
    agents = [says("a"), says("a"), says("b")]

    def decided(judge: float) -> str:
        voters = {voter_in(f"a{n}", "", "solver"): VoterWeight(1.0, 0.0, 0.6) for n in range(3)}
        voters[voter_in("j3", "", "judge")] = VoterWeight(judge, 0.0, 0.9)
        weights = SkillWeights(7, voters, VoterWeight(0.0, 0.0, 0.5), 1.0, True)
        policy = ladder({**JUDGE, "when": {"always": True}}, method="METHOD_LEARNED")
        story = Story(policy, agents, {"judge": [picks("b")]}, weights=weights).run()
        return story.decision.value.option_id

    assert (decided(3.0), decided(0.0)) == ("b", "a")


def test_a_step_whose_judge_is_not_there_says_so() -> None:
    story = Story(ladder(JUDGE), [says("a"), says("a"), says("b")]).run()
    assert story.steps() == {"judge": False}
    assert "no judge was alive" in story.decision.explanation
    assert story.decision.value.option_id == "a"


def test_a_round_that_nobody_answers_ends_with_its_time() -> None:
    policy = ladder(TALK, JUDGE)
    agents = [silent_from(2, says("a")), silent_from(2, says("a")), silent_from(2, says("b"))]
    story = Story(policy, agents, {"judge": [picks("a")]}).run()
    assert story.steps() == {"deliberation": True, "judge": True}
    assert story.decision.value.option_id == "a"
    # The first vote needs none of its third; the two rounds divide what is left.
    assert story.decision.cost.elapsed_ms < 700


def test_no_round_is_opened_that_costs_more_than_is_left() -> None:
    """Every answer reports 11 tokens."""
    agents = [says("a"), says("a"), says("b")]
    poor = Story(ladder({**TALK, "tokensMax": 32}), agents).run()
    assert poor.steps() == {"deliberation": False}
    assert "about 33 tokens, 32 are left" in poor.decision.explanation
    rich = Story(ladder({**TALK, "tokensMax": 33}), agents).run()
    assert rich.steps() == {"deliberation": True}
    assert rich.asked[0].tokens_max == 11
    assert rich.decision.steps[0].tokens == 33


def test_the_budget_of_the_task_counts_all_rounds() -> None:
    agents = [says("a"), says("a"), says("b")]
    for tokens_max, taken in ((65, False), (66, True)):
        story = Story(ladder(TALK), agents)
        story.task.budget.tokens_max = tokens_max
        story.panel.task.CopyFrom(story.task)
        assert story.run().steps() == {"deliberation": taken}
