"""The demo's arithmetic: intervals, both votes from the same ballots, what counts as right, and
what the table says.
"""

import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from comitia.v1.answer_pb2 import Abstention, OptionProbability, Usage
from comitia.v1.decision_pb2 import Ballot, Decision, DecisionStatus
from comitia.v1.value_pb2 import Value
from comitia_cli.demo.data import Dataset, Item, make_tasks
from comitia_cli.demo.evaluate import (
    Evaluation,
    ModelFacts,
    make_case,
    model_facts,
)
from comitia_cli.demo.table import case_line, report_view
from comitia_cli.intervals import wilson

LABELS = ("negative", "positive")
ITEMS = tuple(Item(f"text {n}", "positive") for n in range(3))
DATASET = Dataset("a test", "sentiment", LABELS, (), ITEMS)
TASKS = make_tasks(DATASET, ITEMS, run="r", seed=1, timeout_ms=1_000)
DECIDED = DecisionStatus.DECISION_STATUS_DECIDED


def ballot(agent: str, chance: float) -> Ballot:
    """A vote with the given probability of `positive`."""
    pairs = (("negative", 1 - chance), ("positive", chance))
    return Ballot(
        agent=agent,
        value=Value(option_id="positive" if chance > 0.5 else "negative"),
        probabilities=[OptionProbability(option_id=o, probability=p) for o, p in pairs],
        usage=Usage(prompt_tokens=110, completion_tokens=5, cached_tokens=100),
    )


def decision(number: int, value: str, *ballots: Ballot) -> Decision:
    return Decision(
        task_id=TASKS[number].id, status=DECIDED, value=Value(option_id=value), ballots=ballots
    )


def shown(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(("right", "asked"), [(85, 100), (1, 7), (199, 200)])
def test_wilson_interval_ends_where_the_score_test_would_reject(right: int, asked: int) -> None:
    share = right / asked
    for end in wilson(right, asked):
        assert abs(share - end) == pytest.approx(1.959964 * (end * (1 - end) / asked) ** 0.5)


def test_wilson_intervals_stay_within_zero_and_one() -> None:
    assert wilson(10, 10) == pytest.approx((0.722467, 1.0), abs=1e-6)
    assert wilson(0, 10) == pytest.approx((0.0, 0.277533), abs=1e-6)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_weighted_vote_is_pooled_from_the_same_ballots() -> None:
    one = decision(0, "negative", ballot("a", 0.95), ballot("b", 0.45), ballot("c", 0.45))
    case = make_case(ITEMS[0], one, LABELS)
    assert (case.decided, case.pooled) == ("negative", "positive")


def test_a_task_that_was_not_decided_has_no_value_and_counts_as_wrong() -> None:
    evaluation = Evaluation(DATASET, ITEMS, TASKS)
    tie = Decision(task_id=TASKS[0].id, status=DecisionStatus.DECISION_STATUS_NO_QUORUM)
    assert evaluation.add(tie) is not None
    report = evaluation.report(seconds=1.0, seed=1, models=())
    assert (report.plurality.right, report.plurality.answered, report.plurality.asked) == (0, 0, 1)
    assert report.statuses == {"NO_QUORUM": 1}


def test_a_decision_counts_once_and_only_in_its_run() -> None:
    evaluation = Evaluation(DATASET, ITEMS, TASKS)
    one = decision(1, "positive", ballot("a", 0.9))
    assert evaluation.add(one) is not None
    assert evaluation.add(one) is None
    assert evaluation.add(Decision(task_id="another")) is None
    assert evaluation.remaining == 2


def test_an_agent_without_an_answer_is_wrong_there() -> None:
    evaluation = Evaluation(DATASET, ITEMS, TASKS)
    silent = Ballot(agent="b", abstention=Abstention(detail="too long"))
    evaluation.add(decision(0, "positive", ballot("a", 0.9), ballot("b", 0.8)))
    evaluation.add(decision(1, "positive", ballot("a", 0.9), silent))
    evaluation.add(decision(2, "negative", ballot("a", 0.2)))
    report = evaluation.report(seconds=2.0, seed=1, models=())
    assert [(s.name, s.right, s.answered, s.asked) for s in report.agents] == [
        ("a", 2, 3, 3),
        ("b", 1, 1, 3),
    ]
    assert report.plurality.accuracy == pytest.approx(2 / 3)
    assert report.decisions_per_s == 1.5
    # Four ballots tell of 10 fresh prompt tokens and 5 written ones each; the silent one of none.
    assert report.tokens_per_s == 4 * 15 / 2
    assert report.cached_tokens == 400


def test_gains_are_counted_against_the_best_agent() -> None:
    evaluation = Evaluation(DATASET, ITEMS, TASKS)
    evaluation.add(decision(0, "positive", ballot("a", 0.9), ballot("b", 0.1)))
    evaluation.add(decision(1, "negative", ballot("a", 0.9), ballot("b", 0.1)))
    evaluation.add(decision(2, "positive", ballot("a", 0.1), ballot("b", 0.2)))
    report = evaluation.report(seconds=1.0, seed=1, models=())
    assert report.gained["plurality"] == (1, 1)


def test_a_line_shows_the_votes_and_who_dissents() -> None:
    one = decision(0, "positive", ballot("a", 0.9), ballot("b", 0.8), ballot("c", 0.1))
    line = case_line(make_case(ITEMS[0], one, LABELS)).plain
    assert line.startswith("+ positive")
    assert "2:1" in line
    assert "c negative" in line
    agreed = decision(0, "negative", ballot("a", 0.1), Ballot(agent="b", abstention=Abstention()))
    line = case_line(make_case(ITEMS[0], agreed, LABELS)).plain
    assert line.startswith("- negative")
    assert "b abstained" in line


def test_the_table_closes_with_seed_votes_models_and_a_comparison() -> None:
    evaluation = Evaluation(DATASET, ITEMS, TASKS)
    evaluation.add(decision(0, "positive", ballot("a", 0.9), ballot("b", 0.1)))
    facts = ModelFacts("tiny", "sha256:abc", "int8", 30)
    report = evaluation.report(seconds=1.0, seed=77, models=[facts])
    assert json.loads(json.dumps(asdict(report)))["plurality"]["accuracy"] == 1.0
    text = shown(report_view(report))
    for expected in ("seed 77", "plurality", "linear pool", "95 %", "30 fused attention nodes"):
        assert expected in text
    assert "sha256:abc" in text
    assert "+0.0 points against the best agent (a)" in text


def test_an_empty_report_still_renders() -> None:
    report = Evaluation(DATASET, ITEMS, TASKS).report(seconds=0.0, seed=1, models=())
    assert "plurality" in shown(report_view(report))


def test_models_that_are_not_built_are_not_listed(tmp_path: Path) -> None:
    assert model_facts(Path(__file__).parents[2] / "models", tmp_path) == ()
