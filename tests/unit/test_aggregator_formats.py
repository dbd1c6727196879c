"""Numbers, JSON and rankings through a whole vote: the value that a method makes, which may be one
that nobody gave, told so that a person understands it, and never decided too early.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import product

import pytest

from comitia.effects import Publish, StopWork
from comitia.v1 import policy_pb2 as by
from comitia.v1.answer_pb2 import Answer
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_NO_QUORUM,
    Decision,
)
from comitia.v1.format_pb2 import AnswerFormat, JsonFormat, NumberFormat, Option, RankingFormat
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.policy_pb2 import Method, Policy
from comitia.v1.value_pb2 import Ranking, Tier, Value
from comitia_aggregator.explain import shown
from tests.sim.events import (
    DEADLINE_MS,
    answered,
    make_answer,
    make_panel,
    make_task,
    make_weights,
    opened,
    policy,
    with_format,
)
from tests.sim.folding import Fold

# What an answer holds: a number, a document, an order ("a bc": a, then b and c), None to abstain.
Said = float | str | Mapping[str, object] | None

NUMBER = AnswerFormat(number=NumberFormat())
JSON = AnswerFormat(json=JsonFormat())
RANKING = AnswerFormat(ranking=RankingFormat(options=[Option(id=one) for one in "abc"]))
WEIGHTS = make_weights({"a0": (2.5, 0.0, 0.9), "a1": (1.0, 0.0, 0.3)})


def value(said: Said) -> Value:
    if isinstance(said, str):
        return Value(ranking=Ranking(tiers=[Tier(option_ids=tier) for tier in said.split()]))
    return Value(number=said) if isinstance(said, float) else Value(json=json.dumps(said))


def saying(place: str, said: Said) -> PanelEvent:
    """`place`: seat and sample."""
    answer = make_answer(f"p1.{place}.1", None)
    if said is not None:
        answer = Answer(assignment_id=answer.assignment_id, value=value(said))
    return answered(answer)


def panel(asked: Policy, answer_format: AnswerFormat, seats: int, weights: bool = False) -> Fold:
    task = with_format(make_task(policy=asked), answer_format)
    return Fold(WEIGHTS if weights else None).say(opened(make_panel(task, seats=seats)))


def decide(
    method: Method, answer_format: AnswerFormat, *said: Said, weights: bool = False
) -> Decision:
    fold = panel(policy(method=method), answer_format, len(said), weights)
    decision = fold.say(*(saying(f"{seat}.0", one) for seat, one in enumerate(said))).decision
    assert decision.method == method
    return decision


def test_a_median_that_nobody_said_is_decided() -> None:
    decision = decide(by.METHOD_MEDIAN, NUMBER, 1.0, 4.0, 3.0, 1000.0)
    assert (decision.status, decision.value.number) == (DECISION_STATUS_DECIDED, 3.5)
    assert decision.explanation == (
        "3.5 leads as the median of 4 numbers, 0 of them just that (margin 0.00). "
        "For 1: a0. For 1000: a3. For 3: a2. For 4: a1."
    )


def test_a_trimmed_mean_withstands_an_agent_far_off() -> None:
    decision = decide(by.METHOD_TRIMMED_MEAN, NUMBER, 1.0, 2.0, 3.0, 4.0, 1e300)
    assert (decision.value.number, decision.margin) == (3.0, 0.0)
    assert decision.explanation.startswith(
        "3 leads as the mean of 5 numbers without the lowest and the highest fifth (margin"
    )


def test_a_weighted_mean_goes_by_the_weights_of_the_skill() -> None:
    decision = decide(by.METHOD_WEIGHTED_MEAN, NUMBER, 1.0, 5.0, weights=True)
    assert decision.value.number == pytest.approx((0.9 * 1 + 0.3 * 5) / 1.2)
    assert decision.weights_version == 7
    assert [ballot.weight for ballot in decision.ballots] == [0.9, 0.3]
    assert "2 leads as the mean of 2 numbers by how often each agent is estimated to be " in (
        decision.explanation
    )


def test_without_weights_a_weighted_mean_is_a_trimmed_one_and_says_so() -> None:
    fold = panel(policy(method=by.METHOD_WEIGHTED_MEAN), NUMBER, 2)
    decision = fold.say(saying("0.0", 1.0), saying("1.0", 5.0)).decision
    assert (decision.method, decision.value.number) == (by.METHOD_TRIMMED_MEAN, 3.0)
    assert "METHOD_WEIGHTED_MEAN was asked for: the skill has no weights yet." in (
        decision.explanation
    )


def test_documents_are_merged_into_one_that_nobody_gave() -> None:
    said = ({"a": 1, "b": 1, "c": 2}, {"a": 1, "b": 2, "c": 1}, {"a": 2, "b": 1, "c": 1}, None)
    decision = decide(by.METHOD_FIELDS, JSON, *said)
    assert decision.status == DECISION_STATUS_DECIDED
    assert json.loads(decision.value.json) == {"a": 1, "b": 1, "c": 1}
    assert decision.explanation.startswith(
        '"{"a":1,"b":1,"c":1}" leads field by field, 0 of 3 ballots say just that (margin 0.33).'
    )
    assert decision.explanation.endswith("Abstained: a3 (unspecified: cannot tell).")


def test_a_field_that_ties_names_the_documents_that_do() -> None:
    decision = decide(by.METHOD_FIELDS, JSON, {"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1})
    assert decision.status == DECISION_STATUS_NO_QUORUM
    assert [json.loads(one.json) for one in decision.tied] == [
        {"a": 1, "b": 1},
        {"a": 1, "b": 2},
        {"a": 1},
    ]
    assert decision.explanation.startswith("No value leads: ")
    assert " are tied field by field. For " in decision.explanation


ORDERS = ("a b c", "b a c", "c a b", "b c a")


@pytest.mark.parametrize(
    ("method", "order", "words"),
    [
        (by.METHOD_BORDA, "b a c", "by the places on all ballots (Borda), 1 of 4 ballots"),
        (by.METHOD_COPELAND, "b a c", "by duels won (Copeland), 1 of 4 ballots in just that order"),
        (by.METHOD_SCHULZE, "ab c", "by the strongest chains of duels (Schulze), 0 of 4 ballots"),
    ],
)
def test_rankings_make_an_order_of_all_options(method: Method, order: str, words: str) -> None:
    decision = decide(method, RANKING, *ORDERS)
    assert (decision.status, decision.margin) == (DECISION_STATUS_DECIDED, 0.0)
    assert shown(decision.value) == shown(value(order))
    assert f"{shown(value(order))} leads {words}" in decision.explanation
    cycle = decide(method, RANKING, "a b c", "b c a", "c a b")
    assert [list(tier.option_ids) for tier in cycle.value.ranking.tiers] == [["a", "b", "c"]]
    assert cycle.explanation.startswith("a = b = c leads by ")


def test_a_settled_median_stops_the_rest() -> None:
    asked = policy(method=by.METHOD_MEDIAN, wait_for_all=False)
    fold = panel(asked, NUMBER, 5).say(saying("0.0", 2.0), saying("1.0", 9.0), saying("2.0", 2.0))
    assert not fold.effects
    decision = fold.say(saying("3.0", 2.0)).decision
    assert (decision.value.number, [seat.agent for seat in decision.missing]) == (2.0, ["a4"])
    assert fold.of(StopWork)


NUMBERS: Sequence[Said] = (1.0, 2.0, None)
DOCUMENTS: Sequence[Said] = ({"a": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 1}, None)
RANKINGS: Sequence[Said] = ("a b c", "b a c", "c ab", None)


@pytest.mark.parametrize(
    ("method", "answer_format", "says"),
    [
        (by.METHOD_MEDIAN, NUMBER, NUMBERS),
        (by.METHOD_TRIMMED_MEAN, NUMBER, NUMBERS),
        (by.METHOD_WEIGHTED_MEAN, NUMBER, NUMBERS),
        (by.METHOD_WEIGHTED, NUMBER, NUMBERS),
        (by.METHOD_FIELDS, JSON, DOCUMENTS),
        (by.METHOD_LEARNED, JSON, DOCUMENTS),
        (by.METHOD_BORDA, RANKING, RANKINGS),
        (by.METHOD_COPELAND, RANKING, RANKINGS),
        (by.METHOD_SCHULZE, RANKING, RANKINGS),
        (by.METHOD_PLURALITY, RANKING, RANKINGS),
    ],
)
@pytest.mark.parametrize(("seats", "samples"), [(4, 1), (2, 2)])
def test_an_early_decision_is_the_one_that_waiting_for_all_gives(
    method: Method,
    answer_format: AnswerFormat,
    says: Sequence[Said],
    seats: int,
    samples: int,
) -> None:
    """All courses of small panels; what comes after an early decision is dropped."""
    places = [f"{seat}.{sample}" for seat in range(seats) for sample in range(samples)]
    early = 0
    for course in product(says, repeat=len(places)):
        found = []
        for wait in (False, True):
            asked = policy(0, method, samples, wait_for_all=wait)
            fold = panel(asked, answer_format, seats, weights=True)
            for place, said in zip(places, course, strict=True):
                fold.say(saying(place, said))
            fold.tick(DEADLINE_MS)
            (publish,) = fold.of(Publish)
            decision = publish.message
            found.append((decision.status, decision.value))
            early += not wait and bool(decision.missing)
        assert found[0] == found[1], course
    assert early > 0 or method == by.METHOD_WEIGHTED_MEAN
