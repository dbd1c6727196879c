"""Votes of a decision as they are judged: one a voter, under keys that compare."""

import pytest

from comitia.v1.decision_pb2 import Decision
from comitia.v1.value_pb2 import Ranking, Tier, Value
from comitia_learner.example import example_of, keep
from comitia_learner.judging import Verdict, judge, panel_of
from tests.unit.learner_world import choice, decision_on


def verdict(decision: Decision, correct: Value) -> Verdict:
    panel = panel_of(decision)
    assert panel is not None
    return judge(panel, correct)


def test_an_agent_with_another_model_is_another_voter_and_shadows_vote_like_others() -> None:
    decision = decision_on("t", {"ann@a": "yes", "ann@b": "no", "eve@": "yes"})
    decision.ballots[1].shadow = True
    found = verdict(decision, choice("yes"))
    assert {voter: ballot.choice for voter, ballot in found.votes.items()} == {
        "ann@a": "yes",
        "ann@b": "no",
        "eve@": "yes",
    }
    assert (found.options, found.correct) == (("yes", "no"), "yes")


def test_an_agent_that_judges_is_measured_apart_from_what_it_answers() -> None:
    decision = decision_on("t", {"ann@a": "yes", "eve@b": "no"})
    ballot = decision.ballots.add(seat=2, agent="ann", round=2, role="judge")
    ballot.model.digest = "a"
    ballot.value.option_id = "no"
    found = verdict(decision, choice("yes"))
    assert {voter: ballot.choice for voter, ballot in found.votes.items()} == {
        "ann@a": "yes",
        "ann/judge@a": "no",
        "eve@b": "no",
    }


def test_of_several_rounds_the_last_counts_and_of_several_samples_most() -> None:
    decision = decision_on("t", {})
    for round_number, sample, option in ((1, 0, "no"), (2, 0, "yes"), (2, 1, "no"), (2, 2, "yes")):
        ballot = decision.ballots.add(seat=0, agent="ann", round=round_number, sample=sample)
        ballot.value.option_id = option
        ballot.probabilities.add(option_id=option, probability=0.5 + 0.1 * sample)
    panel = panel_of(decision)
    assert panel is not None and list(panel.votes) == ["ann@"]
    assert panel.votes["ann@"].choice == "yes"
    assert panel.votes["ann@"].probabilities == pytest.approx({"yes": 1.2 / 3, "no": 0.2})


@pytest.mark.parametrize(
    ("given", "correct", "right"),
    [
        ((Value(number=100.00001), Value(number=7)), Value(number=100), ["ann@"]),
        ((Value(number=100.1), Value(number=7)), Value(number=100), []),
        ((Value(text=" Paris"), Value(text="Rome")), Value(text="paris"), ["ann@"]),
        ((Value(json='{"a": 1.0, "b": 2}'), Value(json="{}")), Value(json='{"b":2,"a":1}'),
         ["ann@"]),
        (
            (
                Value(ranking=Ranking(tiers=[Tier(option_ids=["b", "a"])])),
                Value(ranking=Ranking(tiers=[Tier(option_ids=["a"]), Tier(option_ids=["b"])])),
            ),
            Value(ranking=Ranking(tiers=[Tier(option_ids=["a", "b"])])),
            ["ann@"],
        ),
    ],
)  # fmt: skip
def test_free_values_are_right_where_their_keys_are(
    given: tuple[Value, Value], correct: Value, right: list[str]
) -> None:
    found = verdict(decision_on("t", dict(zip(("ann", "eve"), given, strict=True)), ()), correct)
    assert [v for v, ballot in found.votes.items() if ballot.choice == found.correct] == right
    # Whatever is right that nobody said is "something else".
    assert (found.correct == "") == (not right)
    assert found.options[-1] == "" and len(found.options) == 3


def test_numbers_that_are_right_together_are_one_answer() -> None:
    votes = {"ann": Value(number=1.0000001), "bob": Value(number=1.0), "eve": Value(number=3)}
    found = verdict(decision_on("t", votes, ()), Value(number=1.0))
    assert found.votes["ann@"].choice == found.votes["bob@"].choice == found.correct


@pytest.mark.parametrize(
    ("correct", "said"),
    [
        (Value(text="yes"), "given as a text, the task asked for an option"),
        (Value(option_id="maybe"), "'maybe' is none of the task's options"),
    ],
)
def test_feedback_of_another_kind_or_for_no_option_is_refused(correct: Value, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        verdict(decision_on("t", {"ann": "yes", "bob": "no"}), correct)


def test_a_decision_that_names_no_options_is_judged_by_what_its_ballots_name() -> None:
    found = verdict(decision_on("t", {"ann": "a", "bob": "a"}, ()), choice("b"))
    assert (found.options, found.correct) == (("a", "b"), "b")


def test_a_decision_without_a_value_in_it_has_no_panel() -> None:
    assert panel_of(decision_on("t", {"ann": None})) is None


def test_what_is_kept_of_a_vote_is_the_choice_and_probabilities_within_three_percent() -> None:
    decision = decision_on("t", {"ann": "yes", "bob": "no", "eve": None})
    decision.ballots[0].probabilities.add(option_id="yes", probability=0.93)
    decision.ballots[0].probabilities.add(option_id="no", probability=0.07)
    kept = keep("t", (1, 0, 0), verdict(decision, choice("no")))
    assert kept is not None
    example = example_of(kept, {"ann@", "bob@"})
    assert {voter: ballot.choice for voter, ballot in example.votes.items()} == {
        "ann@": "yes",
        "bob@": "no",
    }
    stated = example.votes["ann@"].probabilities
    assert stated == pytest.approx({"yes": 0.93, "no": 0.07}, rel=0.032)
    assert not example.votes["bob@"].probabilities
    assert (example.options, example.correct) == (("yes", "no"), "no")
