"""Two fits where a skill has judges: a vote before the judge is weighed, and believed, as what it
is.
"""

import random
from dataclasses import replace

import pytest

from comitia.consensus import learned, learning
from comitia.consensus.ballots import Ballot
from comitia.consensus.learning import ELSE, Example
from comitia.consensus.weights import JUDGE, SkillWeights, is_judge, voter_in
from comitia.v1.policy_pb2 import Policy
from comitia.weights_table import skill_weights
from comitia_aggregator.tally import tally
from comitia_learner.example import keep
from comitia_learner.judging import judge, panel_of
from comitia_learner.record import version_of
from comitia_learner.skill import Bounds, Skill
from tests.sim.events import make_panel, make_task, make_weights
from tests.unit.learner_world import choice, decision_on

MEMBERS, TASKS = 5, 1_500
OPTIONS = ("a", "b", "c")
UMPIRE = voter_in("umpire", "", JUDGE)


def votes_on(number: int, *, judged: bool) -> tuple[dict[str, str], str]:
    """Voter -> option, and the right one. All have heard the same rumour, the judge above all."""
    chance = random.Random(number)
    correct = chance.choice(OPTIONS)
    wrong = [option for option in OPTIONS if option != correct]

    def said(accuracy: float) -> str:
        return correct if chance.random() < accuracy else chance.choice(wrong)

    rumour = said(0.75)
    votes = {f"m{n}@": rumour if chance.random() < 0.5 else said(0.55) for n in range(MEMBERS)}
    if judged:
        votes[UMPIRE] = rumour if chance.random() < 0.9 else said(0.9)
    return votes, correct


def skill_with_judges() -> Skill:
    """Tasks of which every one went to the judge, and was judged by feedback."""
    skill = Skill(Bounds())
    for number in range(TASKS):
        votes, correct = votes_on(number, judged=True)
        decision = decision_on(f"t{number}", votes, OPTIONS)
        for ballot in decision.ballots:
            if ballot.agent.endswith(f"/{JUDGE}"):
                ballot.agent, ballot.role = "umpire", JUDGE
        panel = panel_of(decision)
        assert panel is not None
        skill.compare(panel, (number, 0, number))
        judged = keep(f"t{number}", (number, 0, number), judge(panel, choice(correct)))
        assert judged is not None
        skill.learn(judged)
    return skill


@pytest.fixture(scope="module")
def skill() -> Skill:
    return skill_with_judges()


def sureness(weights: SkillWeights) -> float:
    """How much surer first votes are than they are often right, on tasks that nobody learned from;
    below 0 for less sure.
    """
    apart = []
    for number in range(TASKS, 2 * TASKS):
        votes, correct = votes_on(number, judged=False)
        ballots = [Ballot(option, voter=voter) for voter, option in votes.items()]
        outcome = learned.decide(ballots, OPTIONS, weights)
        assert outcome.probability is not None
        apart.append(outcome.probability - (outcome.winner == correct))
    return sum(apart) / len(apart)


def test_a_vote_before_the_judge_is_as_sure_as_it_is_often_right(skill: Skill) -> None:
    weights = skill.fit()
    assert abs(sureness(weights.among(["m0@"]))) < 0.02
    # What the judge's presence makes of it: the reason for two fits.
    assert sureness(weights.among([UMPIRE])) < -0.03


def test_the_fit_without_judges_is_that_of_the_members_alone(skill: Skill) -> None:
    alone = skill.fit().without_judges
    assert alone is not None and not any(map(is_judge, alone.voters))
    examples = []
    for number in range(TASKS):
        votes, correct = votes_on(number, judged=True)
        cast = {v: Ballot(o, voter=v) for v, o in votes.items() if not is_judge(v)}
        examples.append(Example(cast, OPTIONS, correct))
    accuracies = {voter: one.accuracy for voter, one in alone.voters.items()}
    same = learning.fit(examples, accuracies, 3.0)
    for voter, one in same.voters.items():
        assert alone.voters[voter].weight == pytest.approx(one.weight, abs=0.05)


def test_a_skill_without_judges_has_one_fit() -> None:
    skill = Skill(Bounds())
    panel = panel_of(decision_on("t", {"ann": "yes", "bob": "no"}))
    assert panel is not None
    skill.compare(panel, (1, 0, 1))
    weights = skill.fit()
    assert weights.without_judges is None and weights.among(["ann@"]) is weights
    assert not version_of("s", 1, skill, weights).HasField("without_judges")


def test_both_fits_go_through_the_record(skill: Skill) -> None:
    weights = skill.fit()
    found = skill_weights(version_of("s", 4, skill, weights))
    assert weights.without_judges is not None
    alone = replace(weights.without_judges, version=4)
    assert found == replace(weights, version=4, without_judges=alone)


def test_the_vote_is_counted_by_the_fit_of_those_who_cast_it() -> None:
    alone = make_weights({"a0": (2.0, 0.0, 0.9), "a1": (1.0, 0.0, 0.7)})
    whole = make_weights({"a0": (0.5, 0.0, 0.9), "a1": (0.5, 0.0, 0.7)})
    weights = replace(whole, without_judges=alone)
    panel = make_panel(make_task(policy=Policy()), seats=2)
    ballots = decision_on("t1", {"a0": "a", "a1": "b"}, ("a", "b")).ballots
    assert [one.weight for one in tally(panel, ballots, weights).ballots] == [2.0, 1.0]
    umpire = decision_on("t1", {"x": None, "y": None, "umpire": "b"}).ballots[2]
    umpire.role = JUDGE
    counted = tally(panel, [*ballots, umpire], weights)
    assert [one.weight for one in counted.ballots] == [0.5, 0.5, 0.5]
    umpire.abstention.SetInParent()
    counted = tally(panel, [*ballots, umpire], weights)
    assert [one.weight for one in counted.ballots][:2] == [2.0, 1.0]


def test_what_only_a_judge_has_named_is_named_by_nobody_without_it() -> None:
    votes = {"ann@": Ballot("0"), UMPIRE: Ballot("1")}
    example = Example(votes, ("0", "1", ELSE), "1")
    alone = learning.without_judges(example)
    assert (alone.options, alone.correct, set(alone.votes)) == (("0", ELSE), ELSE, {"ann@"})
    listed = learning.without_judges(Example(votes, ("0", "1", "2"), "1"))
    assert (listed.options, listed.correct) == (("0", "1", "2"), "1")


@pytest.mark.parametrize(
    ("voter", "found"),
    [(UMPIRE, True), ("umpire@", False), ("umpire@sha256:/judge@", False), ("a/judge@x", True)],
)
def test_a_judge_is_known_by_its_name(voter: str, found: bool) -> None:
    assert is_judge(voter) is found
