"""The replay of recorded votes through a ladder with a judge: who judges, where it is asked, what
its word is worth, that the aggregator's own step says the same, and that intervals are of pairs.
"""

import argparse
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import conflict, conflict_ladder
from bench.conflict_judge import Case, Court, case, courts, dealt, seated, taught, worth
from bench.conflict_replay import CONDITIONS, Means, goals, measure, table
from bench.consensus_questions import Question
from bench.parts import measured
from comitia.consensus.ballots import Ballot
from comitia.v1.step_pb2 import Condition

MODELS = {"Judge-Best_1.5": 0.9, "b": 0.7, "c": 0.65, "d": 0.6, "e": 0.55, "sparse": 1.0}
COURT = Court("judge", ("x", "y", "z"))


def write(folder: Path, count: int = 160) -> Path:
    """Votes of models that are right as often as MODELS says; one was asked a tenth only."""
    chance = random.Random(4)
    lines = [",".join(("question_id", "category", "answer", "n_options", *MODELS))]
    for number in range(count):
        right = chance.choice("ABCD")
        cells = [
            right if chance.random() < accuracy else chance.choice("ABCD-")
            for accuracy in MODELS.values()
        ]
        if number % 10:
            cells[-1] = ""
        lines.append(",".join((str(number), "made", right, "4", *cells)))
    file = folder / "llm_votes" / "votes.csv"
    file.parent.mkdir()
    file.write_text("\n".join(lines) + "\n")
    return file


def question(correct: str, votes: Mapping[str, str | None]) -> Question:
    ballots = {model: Ballot(choice, voter=model) for model, choice in votes.items()}
    return Question("q", ballots, ("A", "B", "C"), correct)


def test_the_best_on_the_gold_judges_and_the_rest_vote(tmp_path: Path) -> None:
    questions, models = seated(write(tmp_path))
    assert models == ["judge-best-1-5", "b", "c", "d", "e", "sparse"], "as agents may be called"
    gold, rest = dealt(questions, seed=3)
    assert len(gold) == len(rest) == 80
    assert not {one.name for one in gold} & {questions[place].name for place in rest}
    found = courts(questions, models, gold)
    assert list(found) == ["all 4"], "of four members there is one panel"
    assert found["all 4"].judge == "judge-best-1-5"
    assert set(found["all 4"].panel) == {"b", "c", "d", "e"}
    with pytest.raises(ValueError, match="2 models were asked"):
        courts(questions, ["b", "c", "sparse"], gold)


@pytest.mark.parametrize(
    ("votes", "writes", "picks"),
    [
        ({"x": "A", "y": "B", "judge": "B"}, "B", "B"),
        ({"x": "A", "y": "B", "judge": "C"}, "C", "abstains"),
        ({"x": "A", "y": "A", "judge": "C"}, "C", "not asked"),
        ({"x": None, "y": None, "judge": "C"}, "not asked", "not asked"),
        ({"x": "A", "y": "B"}, "not asked", "not asked"),
        ({"x": "A", "y": "B", "judge": None}, "abstains", "abstains"),
    ],
)
def test_a_judge_is_asked_where_the_ladder_can_ask_it(
    votes: dict[str, str | None], writes: str, picks: str
) -> None:
    for may_write, expected in ((True, writes), (False, picks)):
        found = case(question("A", votes), COURT, may_write=may_write)
        assert set(found.alone.votes) == {"x@", "y@"}
        if found.judged is None:
            assert expected == "not asked"
        else:
            assert (found.judged.votes["judge/judge@"].choice or "abstains") == expected


def simulated(count: int, seed: int) -> list[Question]:
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        right = chance.choice("ABC")
        votes: dict[str, str | None] = {
            name: right if chance.random() < accuracy else chance.choice(["A", "B", "C", None])
            for name, accuracy in (("x", 0.6), ("y", 0.55), ("z", 0.5), ("judge", 0.9))
            if chance.random() < 0.95
        }
        made.append(question(right, votes))
    return made


@pytest.mark.parametrize("may_write", [True, False])
def test_the_step_of_the_aggregator_comes_to_the_same(may_write: bool) -> None:
    known = [case(one, COURT, may_write=may_write) for one in simulated(200, 1)]
    alone = taught(known, with_judge=False)
    weights = replace(taught(known, with_judge=True), without_judges=alone)
    assert weights.learned and "judge/judge@" in weights.voters
    asked = simulated(40, 2)
    cases = [case(one, COURT, may_write=may_write) for one in asked]
    found = worth(cases, weights, COURT)
    for when in CONDITIONS.values():
        chosen = found.asked(when).tolist()
        step = conflict_ladder.condition(when, may_write=may_write)
        for place, one in enumerate(asked):
            decision = conflict_ladder.decide(one, COURT, step, weights)
            outcome = (found.outcomes if chosen[place] else found.votes)[place]
            assert conflict_ladder.same(decision, outcome, asked=chosen[place])
            assert not conflict_ladder.same(decision, outcome, asked=not chosen[place])


def test_a_judge_that_is_asked_more_often_is_worth_more_until_it_says_nothing_new() -> None:
    known = [case(one, COURT, may_write=True) for one in simulated(300, 1)]
    weights = taught(known, with_judge=True)
    cases = [case(one, COURT, may_write=True) for one in simulated(400, 2)]
    found = worth(cases, weights, COURT)
    low = found.asked(Condition(probability_below=0.6))
    assert 0 < low.sum() < found.can_ask.sum() <= len(cases)
    assert found.asked(Condition(always=True)).sum() == found.can_ask.sum()
    some = np.where(low, found.after, found.first).mean()
    assert found.first.mean() < some <= found.after.mean()


def test_its_word_is_taken_or_weighed() -> None:
    # The judge alone stands against three who agree.
    one = case(question("A", {"x": "A", "y": "A", "z": "A", "judge": "B"}), COURT, may_write=True)
    weights = taught([case(q, COURT, may_write=True) for q in simulated(300, 1)], with_judge=True)
    weak = Case(one.alone, one.judged)
    found = worth([weak], weights, COURT)
    assert found.truth.tolist() == [0.0]
    assert found.first.tolist() == [1.0]


def test_means_are_of_the_questions_that_were_asked_and_their_draws_are_pairs() -> None:
    means = Means(4)
    for places, credits in (([0, 1], [1.0, 0.0]), ([1, 2], [0.0, 1.0])):
        means.note("one", places, np.array(credits))
        means.note("same", places, np.array(credits))
        means.note("better", places, np.array(credits) + 1.0)
    drawn = means.drawn()
    assert drawn["one"][0] == pytest.approx(0.5)
    assert (drawn["one"] == drawn["same"]).all()
    assert drawn["better"] - drawn["one"] == pytest.approx(np.ones(2001))


def test_the_entry_measures_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = argparse.Namespace(names=["replay"], data=tmp_path, chosen_seeds=[1])
    made = measured(conflict.PARTS, chosen, conflict.PACKAGES)
    assert not made["figures"] and made["goals"]
    assert all(one["value"] is None for one in made["goals"])
    assert "has no llm_votes" in capsys.readouterr().out


def test_a_whole_replay_has_every_figure_that_its_goals_and_table_name(tmp_path: Path) -> None:
    write(tmp_path)
    figures = measure(tmp_path, [1, 2])
    assert figures["llm_votes, all 4: the ladder agrees with the replay"] == 1.0
    assert figures["llm_votes, all 4: always, calls"] > figures["llm_votes, all 4: no judge, calls"]
    assert not [one for one in goals(figures) if ", all" in one["name"] and one["value"] is None]
    found = {name.split(": ", 1)[1]: value for name, value in figures.items()}
    assert 0.0 < found["first vote, calibration error"] < 0.5
    assert len(table(found)) == 2 + len(CONDITIONS) + 2
    for name, value in found.items():
        if name.endswith(", at least"):
            middle = name.removesuffix(", at least")
            assert value <= found[middle] <= found[f"{middle}, at most"]
