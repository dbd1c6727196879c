"""What became of the seats of a decision, read off it; and that its series stay few."""

import pytest

from comitia.telemetry.metrics import AGENTS_MAX, OTHER, READY
from comitia.telemetry.setup import setup
from comitia.v1 import answer_pb2 as a
from comitia.v1 import decision_pb2 as d
from comitia.v1.value_pb2 import Ranking, Tier, Value
from comitia_aggregator.measures import Measures, seats
from tests.unit.measured import scrape


def decision(
    value: Value | None, status: d.DecisionStatus = d.DECISION_STATUS_DECIDED
) -> d.Decision:
    made = d.Decision(task_id="t", status=status, margin=0.5)
    made.cost.assignments = 99
    if value is not None:
        made.value.CopyFrom(value)
    return made


def votes(made: d.Decision, seat: int, value: Value) -> None:
    made.ballots.add(seat=seat, agent=f"a{seat}", weight=1.0).value.CopyFrom(value)


def abstains(made: d.Decision, seat: int, reason: a.AbstentionReason) -> None:
    made.ballots.add(seat=seat, agent=f"a{seat}").abstention.reason = reason


YES, NO = Value(option_id="yes"), Value(option_id="no")


def test_every_seat_has_one_outcome() -> None:
    made = decision(YES)
    votes(made, 0, YES)
    votes(made, 1, NO)
    votes(made, 2, YES)
    abstains(made, 3, a.ABSTENTION_REASON_UNDECIDED)
    abstains(made, 4, a.ABSTENTION_REASON_FAILED)
    abstains(made, 5, a.ABSTENTION_REASON_OVERLOADED)
    made.late.add(seat=6, agent="a6")
    made.missing.add(seat=7, agent="a7")
    told, agreement = seats(made, at_deadline=True)
    assert [outcome for _, outcome in told] == [
        *("agreed", "dissented", "agreed", "abstained", "failed", "failed", "late", "missing")
    ]
    assert [agent for agent, _ in told] == [f"a{n}" for n in range(8)]
    assert agreement == pytest.approx(2 / 3)
    assert dict(seats(made, at_deadline=False)[0])["a7"] == "not_awaited"


def test_a_seat_with_several_samples_counts_once_as_the_best_of_them() -> None:
    made = decision(YES)
    abstains(made, 0, a.ABSTENTION_REASON_FAILED)
    votes(made, 0, NO)
    votes(made, 0, YES)
    abstains(made, 1, a.ABSTENTION_REASON_UNDECIDED)
    for listed in (made.late, made.missing):
        for seat in (0, 1, 2):
            listed.add(seat=seat, agent=f"a{seat}")
    told, agreement = seats(made, at_deadline=True)
    assert told == [("a0", "agreed"), ("a1", "abstained"), ("a2", "late")]
    assert agreement == 0.5


@pytest.mark.parametrize(
    ("winner", "same"),
    [
        (Value(text="Yes."), Value(text="  yes. ")),
        (Value(number=0.3), Value(number=0.1 + 0.2)),
        (Value(json='{"a": 1, "b": 2}'), Value(json='{"b":2,"a":1.0}')),
        (
            Value(ranking=Ranking(tiers=[Tier(option_ids=["x", "y"])])),
            Value(ranking=Ranking(tiers=[Tier(option_ids=["y", "x"])])),
        ),
    ],
)
def test_equal_values_agree_however_they_are_written(winner: Value, same: Value) -> None:
    made = decision(winner)
    votes(made, 0, same)
    votes(made, 1, Value(text="something else"))
    told, agreement = seats(made, at_deadline=False)
    assert ([outcome for _, outcome in told], agreement) == (["agreed", "dissented"], 0.5)


def test_without_a_value_decided_nobody_agrees_or_dissents() -> None:
    made = decision(None, d.DECISION_STATUS_NO_QUORUM)
    votes(made, 0, YES)
    made.ballots.add(seat=1, agent="a1", weight=1.0)
    assert seats(made, at_deadline=True) == ([("a0", "voted"), ("a1", "voted")], None)


def test_ballots_that_had_to_be_cut_off_say_nothing_of_agreement() -> None:
    made = decision(YES)
    votes(made, 0, YES)
    made.ballots.add(seat=1, agent="a1", weight=1.0)
    assert seats(made, at_deadline=True) == ([("a0", "agreed"), ("a1", "voted")], None)


def test_a_thousand_agents_make_a_bounded_number_of_series() -> None:
    telemetry = setup("aggregator", "i", {})
    telemetry.observe(READY, lambda: [(1, {})])
    measures = Measures(telemetry)
    for n in range(1_000):
        made = decision(YES)
        for seat in range(3):
            made.missing.add(seat=seat, agent=f"a{n}-{seat}")
        measures.decided([(made, True)])
    series = scrape(telemetry)["comitia_seats_total"]
    assert len(series) == AGENTS_MAX + 1
    assert series["_other", "missing"] == 3_000 - AGENTS_MAX
    assert sum(series.values()) == 3_000
    assert OTHER == "_other"
