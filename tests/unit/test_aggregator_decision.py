"""Decisions over the other formats and the pool, odd values, and answers too large to be repeated
whole.
"""

import pytest

from comitia.effects import Publish
from comitia.v1.answer_pb2 import ABSTENTION_REASON_UNDECIDED, Answer, OptionProbability
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_NO_QUORUM,
    Decision,
)
from comitia.v1.format_pb2 import (
    AnswerFormat,
    JsonFormat,
    NumberFormat,
    Option,
    RankingFormat,
    TextFormat,
)
from comitia.v1.policy_pb2 import METHOD_PLURALITY, METHOD_PROBABILITY_WEIGHTED
from comitia.v1.task_pb2 import Task
from comitia.v1.value_pb2 import Ranking, Tier, Value
from comitia_aggregator.state import Rules
from comitia_aggregator.step import step
from tests.sim.events import answered, make_panel, make_task, opened, policy, recorded, with_format

RULES = Rules("comitia.decisions.v1")


def decide(task: Task, *answers: Answer) -> Decision:
    """The decision of a panel that gives these answers, seat by seat."""
    state, effects = step(None, recorded(opened(make_panel(task, seats=len(answers)))), 0, RULES)
    for seat, answer in enumerate(answers):
        answer.assignment_id = f"p1.{seat}.0.1"
        state, effects = step(state, recorded(answered(answer)), 0, RULES)
    (decision,) = (effect.message for effect in effects if isinstance(effect, Publish))
    assert isinstance(decision, Decision)
    return decision


def says(value: Value) -> Answer:
    return Answer(value=value)


def ranking(*tiers: str) -> Answer:
    return says(Value(ranking=Ranking(tiers=[Tier(option_ids=list(tier)) for tier in tiers])))


def pooled(choice: str, **probabilities: float) -> Answer:
    answer = says(Value(option_id=choice))
    for option, probability in probabilities.items():
        answer.probabilities.append(OptionProbability(option_id=option, probability=probability))
    return answer


def test_the_pool_weighs_probabilities_and_may_lead_with_nobodys_choice() -> None:
    task = make_task(options="abc", policy=policy(method=METHOD_PROBABILITY_WEIGHTED))
    decision = decide(task, pooled("a", a=0.5, b=0.45, c=0.05), pooled("c", a=0.05, b=0.45, c=0.5))
    assert (decision.status, decision.value.option_id) == (DECISION_STATUS_DECIDED, "b")
    assert decision.method == METHOD_PROBABILITY_WEIGHTED
    assert decision.explanation.startswith(
        '"b" leads by the mean of 2 ballots\' probabilities, 0.45'
    )


def test_texts_vote_after_normalisation_and_the_first_seat_says_how_it_is_written() -> None:
    task = with_format(make_task(), AnswerFormat(text=TextFormat()))
    decision = decide(
        task, says(Value(text="No")), says(Value(text="Yes.")), says(Value(text=" yes. "))
    )
    assert decision.value.text == "Yes."
    assert decision.method == METHOD_PLURALITY


def test_numbers_json_and_rankings_vote() -> None:
    number = with_format(make_task(), AnswerFormat(number=NumberFormat(min=0)))
    numbers = (says(Value(number=x)) for x in (0.3, 0.1 + 0.2, 7.0))
    assert decide(number, *numbers).value.number == 0.3
    json = with_format(make_task(), AnswerFormat(json=JsonFormat(schema="{}")))
    documents = (says(Value(json=text)) for text in ('{"a":1}', '{ "a": 1.0 }', "[]"))
    assert decide(json, *documents).value.json == '{"a":1}'
    ranked = with_format(
        make_task(), AnswerFormat(ranking=RankingFormat(options=[Option(id=o) for o in "abc"]))
    )
    decision = decide(ranked, ranking("a", "bc"), ranking("a", "cb"), ranking("b", "a", "c"))
    assert [list(tier.option_ids) for tier in decision.value.ranking.tiers] == [["a"], ["b", "c"]]
    assert decision.explanation.startswith("a > b = c leads by plurality, 2 of 3")


@pytest.mark.parametrize(
    ("answer_format", "value", "why"),
    [
        (None, Value(option_id="z"), "none of the options"),
        (None, Value(text="a"), "holds text, the task asks for option_id"),
        (None, Value(), "no value"),
        (AnswerFormat(number=NumberFormat()), Value(number=float("nan")), "not finite"),
        (AnswerFormat(number=NumberFormat(max=1)), Value(number=2), "above the maximum"),
        (AnswerFormat(json=JsonFormat()), Value(json="{"), "JSON"),
        (AnswerFormat(text=TextFormat()), Value(text=" "), "empty"),
    ],
)
def test_a_value_that_is_not_what_was_asked_for_is_an_abstention(
    answer_format: AnswerFormat | None, value: Value, why: str
) -> None:
    task = make_task()
    if answer_format is not None:
        with_format(task, answer_format)
    decision = decide(task, says(value))
    (ballot,) = decision.ballots
    assert decision.status == DECISION_STATUS_NO_QUORUM
    assert (ballot.abstention.reason, ballot.weight) == (ABSTENTION_REASON_UNDECIDED, 0.0)
    assert why in ballot.abstention.detail
    assert why in decision.explanation or len(why) > 40


def test_a_ranking_must_hold_every_option_once() -> None:
    options = [Option(id=o) for o in "ab"]
    task = with_format(make_task(), AnswerFormat(ranking=RankingFormat(options=options)))
    for answer in (ranking("a"), ranking("a", "ab"), ranking("a", "b", "z")):
        assert decide(task, answer).ballots[0].HasField("abstention")


def test_an_answer_over_its_limit_is_an_abstention() -> None:
    task = with_format(make_task(), AnswerFormat(text=TextFormat()))
    decision = decide(task, says(Value(text="x" * RULES.answer_bytes_max)))
    assert "at most 262144 count" in decision.ballots[0].abstention.detail


def test_a_large_panels_decision_stays_under_its_limit_and_says_what_is_left_out() -> None:
    task = with_format(make_task(), AnswerFormat(text=TextFormat()))
    large = [says(Value(text=f"{seat} " + "y" * 200_000)) for seat in range(20)]
    for answer in large:
        answer.rationale = "because " * 6_000
    decision = decide(task, *large, says(Value(text="0 " + "y" * 200_000)))
    assert decision.ByteSize() <= RULES.decision_bytes_max
    assert decision.value.text.startswith("0 y")
    assert len(decision.ballots) == 21
    assert "The values of ballots are left out" in decision.explanation


def test_tokens_that_agents_claim_cannot_overflow_the_cost() -> None:
    greedy = says(Value(option_id="a"))
    greedy.usage.prompt_tokens = 2**64 - 1
    other = Answer()
    other.CopyFrom(greedy)
    assert decide(make_task(), greedy, other).cost.prompt_tokens == 2**64 - 1
