"""A panel and a judge in recorded votes: who they are, and what a ladder of one judge makes of each
question.

In: questions on which many models have voted, some of them gold, whose answer is fed back. Out:
cases (a panel's ballots, and what the judge would say), and what the vote, the judge's word and the
learned vote with the judge as one voter more are worth on each.

Who judges follows from the gold alone, by one rule for any data: of the models that were asked
nearly everything, the one that is most often right on the gold judges, the PANEL next best are the
strong panel, and all but the judge the other one, or the only one where it is no larger. The judge
is stronger than the panel's best, and on no panel; its answers are those that it gave on its own,
without seeing the panel's.
"""

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.consensus_llm_votes import GOLD, agreement
from bench.consensus_questions import COVERAGE_MIN, Question, read
from comitia.consensus import learned, learning
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.calibration import expected_calibration_error
from comitia.consensus.weights import JUDGE, SkillWeights, voter_in
from comitia.v1.step_pb2 import Condition
from comitia_aggregator.ladder import holds
from comitia_aggregator.result import Result

PANEL = 8
MEMBERS_MIN = 2
NAME_CHARACTERS_MAX = 50

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Court:
    """Names of models. `panel` votes first."""

    judge: str
    panel: tuple[str, ...]

    @property
    def voter(self) -> str:
        """The judge's name in the weights."""
        return voter_in(self.judge, "", JUDGE)


@dataclass(frozen=True, slots=True)
class Case:
    """`alone`: the panel's votes. `judged`: with the judge's; None where it cannot be asked: it has
    no answer on record, nobody has voted, or, of a judge that only picks, all agree.
    """

    alone: Question
    judged: Question | None


@dataclass(frozen=True, slots=True)
class Worth:
    """What was decided in each case, float64[cases]: `first`, credit of the panel's vote; `after`,
    of the vote with the judge (`first` where it cannot be asked); `truth`, of the judge's word
    taken for the decision. `votes` and `outcomes`: of the first vote, and of the one with the
    judge.
    """

    first: Floats
    after: Floats
    truth: Floats
    can_ask: NDArray[np.bool_]
    votes: tuple[Outcome, ...]
    outcomes: tuple[Outcome, ...]

    def asked(self, when: Condition) -> NDArray[np.bool_]:
        """Where a judge's step of this condition is taken: bool[cases]."""
        held = np.array([bool(holds(when, result)) for result in map(_result, self.votes)])
        return held & self.can_ask

    def calibration_error(self) -> float:
        """Of the first vote's stated probabilities, [0, 1]: see `expected_calibration_error`."""
        said, came = [], []
        for vote, credit in zip(self.votes, self.first.tolist(), strict=True):
            if vote.winner is not None and vote.probability is not None:
                said.append(vote.probability)
                came.append(credit > 0)
        return expected_calibration_error(said, came)


def seated(file: Path) -> tuple[list[Question], list[str]]:
    """The questions of a file, and its models, under names that agents may have."""
    questions, models = read(file)
    names: dict[str, str] = {}
    for place, model in enumerate(models):
        plain = re.sub("[^a-z0-9]+", "-", model.lower()).strip("-")[:NAME_CHARACTERS_MAX]
        names[model] = f"agent-{place}" if not plain or plain in names.values() else plain
    renamed = [
        replace(one, votes={names[model]: ballot for model, ballot in one.votes.items()})
        for one in questions
    ]
    return renamed, list(names.values())


def dealt(questions: Sequence[Question], seed: int) -> tuple[list[Question], list[int]]:
    """Gold, and the places of all others: drawn as in `consensus_llm_votes`."""
    order = random.Random(seed).sample(range(len(questions)), len(questions))
    count = min(GOLD, len(questions) // 2)
    return [questions[place] for place in order[:count]], order[count:]


def courts(
    questions: Sequence[Question], models: Sequence[str], gold: Sequence[Question]
) -> dict[str, Court]:
    """The panels by the rule of the module's words. ValueError where too few models were asked
    nearly everything.
    """
    asked = Counter(voter for one in questions for voter in one.votes)
    known = [model for model in models if asked[model] >= COVERAGE_MIN * len(questions)]
    right = {model: sum(one.is_right(model) for one in gold) for model in known}
    best = sorted(known, key=lambda model: (-right[model], model))
    if len(best) <= MEMBERS_MIN:
        raise ValueError(
            f"{len(best)} models were asked {COVERAGE_MIN:.0%} of the questions: a judge and a "
            f"panel take {MEMBERS_MIN + 1}"
        )
    found = {f"all {len(best) - 1}": Court(best[0], tuple(best[1:]))}
    if len(best) - 1 > PANEL:
        found[f"strong {PANEL}"] = Court(best[0], tuple(best[1 : PANEL + 1]))
    return found


def case(question: Question, court: Court, *, may_write: bool) -> Case:
    """`may_write`: the judge's own answer counts though nobody on the panel has given it; else it
    abstains there.
    """
    votes: dict[str, Ballot] = {}
    for model in court.panel:
        if model in question.votes:
            voter = voter_in(model, "", "")
            votes[voter] = Ballot(question.votes[model].choice, voter=voter)
    alone = Question(question.name, votes, question.options, question.correct)
    given = {ballot.choice for ballot in votes.values()} - {None}
    said = question.votes.get(court.judge)
    if said is None or not given or (len(given) < 2 and not may_write):
        return Case(alone, None)
    choice = said.choice if may_write or said.choice in given else None
    with_judge = {**votes, court.voter: Ballot(choice, voter=court.voter)}
    return Case(alone, Question(question.name, with_judge, question.options, question.correct))


def taught(cases: Sequence[Case], *, with_judge: bool) -> SkillWeights:
    """What the learner makes of the gold: of the judge's ballots too, wherever it can be asked, as
    it is while no probability is calibrated yet.
    """
    heard = [one.judged if with_judge and one.judged else one.alone for one in cases]
    usual = float(np.mean([len(one.options) for one in heard]))
    return learning.fit([one.example() for one in heard], agreement(heard), usual)


def worth(cases: Sequence[Case], weights: SkillWeights, court: Court) -> Worth:
    """What the votes are worth, each weighed as the aggregator weighs it."""
    votes = [_vote(one.alone, weights) for one in cases]
    seconds = [None if one.judged is None else _vote(one.judged, weights) for one in cases]
    credits, later, truth = [], [], []
    for one, vote, second in zip(cases, votes, seconds, strict=True):
        credits.append(one.alone.credit(vote))
        if one.judged is None or second is None:
            later.append(credits[-1])
            truth.append(credits[-1])
        else:
            later.append(one.judged.credit(second))
            truth.append(float(one.judged.is_right(court.voter)))
    return Worth(
        np.array(credits),
        np.array(later),
        np.array(truth),
        np.array([one.judged is not None for one in cases]),
        tuple(votes),
        tuple(
            vote if second is None else second for vote, second in zip(votes, seconds, strict=True)
        ),
    )


def _vote(question: Question, weights: SkillWeights) -> Outcome:
    cast = [voter for voter, ballot in question.votes.items() if ballot.choice is not None]
    return learned.decide(question.votes.values(), question.options, weights.among(cast))


def _result(outcome: Outcome) -> Result:
    """As the aggregator's ladder sees a vote whose policy asks for one ballot."""
    shares: Mapping[str, float] = outcome.shares
    quorate = outcome.cast > 0
    return Result(
        outcome.winner, shares, {}, outcome.margin, outcome.probability, quorate, by="vote"
    )
