"""Votes of language models on multiple-choice questions: the learned vote beside its best agent,
the plain majority, and what crowd-kit makes of the same votes.

In: DIR/llm_votes/votes.csv (question_id, category, answer, n_options, then a column a model: the
letter it chose, "-" where its answer could not be read, "" where it was not asked), the peers, and
seeds. Out: figures, accuracies as shares of questions, differences with the ends of their 95 %
interval.

Each seed draws GOLD questions whose answers are fed back; the weights are fitted to those and
judged on all the others, which nothing has seen. The best agent is chosen once on the same answers
("best agent") and once with hindsight, on the questions that judge. A vote that ties is right to
the share of the right option among the leaders.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.consensus_judged import Judged
from bench.consensus_questions import Question, among, panels, read
from bench.reports import Figures, Goal, goal, under
from comitia.consensus import learned, learning, one_coin, plurality, weighted
from comitia.consensus.ballots import Outcome
from comitia.consensus.calibration import expected_calibration_error
from comitia.consensus.learning import Example
from comitia.consensus.weights import SkillWeights

GOLD = 1000
CURVE = (0, 10, 30, 100, 300, 1000)

# The learner's own rule for weights that rest on agreement alone: renewed after this many decisions
# and this part of those that the last version knew.
RENEW_MIN, RENEW_PART = 64, 4

# (task, worker, label)
Rows = list[tuple[str, str, str]]
# Votes and the answers known so far, in; method -> task -> label out.
Peers = Callable[[Rows, Mapping[str, str]], Mapping[str, Mapping[str, str]]]


def measure(data: Path, peers: Peers, seeds: Sequence[int]) -> Figures:
    """All figures of both panels."""
    questions, models = read(data / "llm_votes" / "votes.csv")
    figures: Figures = {}
    for name, panel in panels(questions, models).items():
        chosen = among(questions, panel)
        print(f"{name}: {len(panel)} models, {len(chosen)} questions", flush=True)
        found = with_feedback(chosen, panel, peers, seeds) | without_feedback(chosen, seeds)
        for figure, value in found.items():
            print(f"{value:10.4f}  {figure}", flush=True)
        figures |= {f"llm_votes {name}: {figure}": value for figure, value in found.items()}
    return figures


def goals(figures: Figures) -> list[Goal]:
    """What this project has set itself for both panels."""
    made = []
    for panel in ("strong", "all"):
        found = under(figures, f"llm_votes {panel}")
        shuffled = found.get("learned, feedback shuffled above best agent, at most")
        for what in (
            "learned above best agent",
            "learned above best agent in hindsight",
            "learned above best of crowd-kit",
            "online without feedback above plurality",
        ):
            least = found.get(f"{what}, at least")
            made.append(goal(f"llm_votes, {panel}: {what}, interval's lower end", least, ">=", 0.0))
        error = found.get("learned, calibration error")
        made.append(goal(f"llm_votes, {panel}: calibration error", error, "<=", 0.05))
        what = "feedback shuffled, above best agent, interval's upper end"
        made.append(goal(f"llm_votes, {panel}: {what}", shuffled, "<=", 0.0))
    return made


def with_feedback(
    questions: Sequence[Question], panel: Sequence[str], peers: Peers, seeds: Sequence[int]
) -> Figures:
    """The learned vote after feedback on some questions, on all the others."""
    gold_count = min(GOLD, len(questions) // 2)
    judged = Judged(len(seeds), len(questions))
    errors: list[tuple[float, float]] = []
    for number, seed in enumerate(seeds):
        order = random.Random(seed).sample(range(len(questions)), len(questions))
        gold = [questions[place] for place in order[:gold_count]]
        rest = {place: questions[place] for place in order[gold_count:]}
        errors.append(_ours(judged, number, gold, rest))
        _agents(judged, number, panel, gold, rest)
        rows = [
            (one.name, voter, ballot.choice)
            for one in questions
            for voter, ballot in one.votes.items()
            if ballot.choice is not None
        ]
        labels = peers(rows, {one.name: one.correct for one in gold})
        for method, found in labels.items():
            right = {p: float(found.get(one.name) == one.correct) for p, one in rest.items()}
            judged.note(f"crowd-kit {method}", number, right)
    return _figures(judged) | {
        "learned, calibration error": float(np.mean([ours for ours, _ in errors])),
        "posterior of the log-odds, calibration error": float(np.mean([raw for _, raw in errors])),
    }


def _ours(
    judged: Judged, number: int, gold: Sequence[Question], rest: Mapping[int, Question]
) -> tuple[float, float]:
    """Note our votes. Expected calibration error of the learned vote, and of the posterior that
    believes the voters to be independent.
    """
    accuracies = agreement(gold)
    usual = float(np.mean([len(one.options) for one in gold]))
    examples = [one.example() for one in gold]
    taught = {count: learning.fit(examples[:count], accuracies, usual) for count in CURVE}
    for count, weights in taught.items():
        _note(judged, number, f"learned from {count}", rest, weights)
    weights = learning.fit(examples, accuracies, usual)
    outcomes = _note(judged, number, "learned", rest, weights)
    shuffled = learning.fit(_shuffled(examples, number), accuracies, usual)
    _note(judged, number, "learned, feedback shuffled", rest, shuffled)
    majority = {
        place: one.credit(plurality.decide(one.votes.values())) for place, one in rest.items()
    }
    judged.note("plurality", number, majority)
    posterior = {p: weighted.decide(q.votes.values(), q.options, weights) for p, q in rest.items()}
    judged.note("weighted", number, {p: rest[p].credit(o) for p, o in posterior.items()})
    return _error(rest, outcomes), _error(rest, posterior)


def _note(
    judged: Judged,
    number: int,
    method: str,
    rest: Mapping[int, Question],
    weights: SkillWeights,
) -> dict[int, Outcome]:
    outcomes = {p: learned.decide(q.votes.values(), q.options, weights) for p, q in rest.items()}
    judged.note(method, number, {p: rest[p].credit(outcome) for p, outcome in outcomes.items()})
    return outcomes


def _error(rest: Mapping[int, Question], outcomes: Mapping[int, Outcome]) -> float:
    """Where the outcome names no probability, its winner's share is taken for one."""
    said, came = [], []
    for place, outcome in outcomes.items():
        if outcome.winner is not None:
            share = outcome.shares[outcome.winner]
            said.append(share if outcome.probability is None else outcome.probability)
            came.append(outcome.winner == rest[place].correct)
    return expected_calibration_error(said, came)


def _shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """The same votes, each question with the answer of another one that has as many options."""
    answers: dict[int, list[str]] = {}
    for example in examples:
        answers.setdefault(len(example.options), []).append(example.correct)
    chance = random.Random(seed)
    for given in answers.values():
        chance.shuffle(given)
    return [Example(one.votes, one.options, answers[len(one.options)].pop()) for one in examples]


def _agents(
    judged: Judged,
    number: int,
    panel: Sequence[str],
    gold: Sequence[Question],
    rest: Mapping[int, Question],
) -> None:
    """Note the best agent, chosen on the gold and with hindsight."""
    for method, judges in (("best agent", gold), ("best agent in hindsight", rest.values())):
        right = {voter: sum(one.is_right(voter) for one in judges) for voter in panel}
        best = max(panel, key=lambda voter: right[voter])
        judged.note(method, number, {p: float(one.is_right(best)) for p, one in rest.items()})


def agreement(questions: Iterable[Question]) -> Mapping[str, float]:
    """Voters' accuracies as their agreement tells them; no answer is looked at."""
    state = one_coin.Agreement()
    for question in questions:
        one_coin.observe(state, question.votes.values(), len(question.options))
    return one_coin.accuracies(state)


def without_feedback(questions: Sequence[Question], seeds: Sequence[int]) -> Figures:
    """One pass over all questions in another order for each seed: each is decided by what agreement
    on those before it says, and only then looked at. Weights are renewed as the learner does it.
    """
    judged = Judged(len(seeds), len(questions))
    for number, seed in enumerate(seeds):
        order = random.Random(seed).sample(range(len(questions)), len(questions))
        state = one_coin.Agreement()
        weights = learning.fit([], {})
        credits, newest, options = {}, 0, 0
        for seen, place in enumerate(order):
            question = questions[place]
            if seen - newest >= max(RENEW_MIN, newest // RENEW_PART):
                weights = learning.fit([], one_coin.accuracies(state), options / seen)
                newest = seen
            ballots = list(question.votes.values())
            credits[place] = question.credit(learned.decide(ballots, question.options, weights))
            one_coin.observe(state, ballots, len(question.options))
            options += len(question.options)
        judged.note("online without feedback", number, credits)
        majority = {
            p: one.credit(plurality.decide(one.votes.values())) for p, one in enumerate(questions)
        }
        judged.note("plurality", number, majority)
    return judged.named(("online without feedback",)) | judged.compared(
        "online without feedback", {"plurality": "plurality"}
    )


def _figures(judged: Judged) -> Figures:
    """Accuracies, and what the learned vote is above."""
    crowd_kit = judged.best(name for name in judged.credits if name.startswith("crowd-kit"))
    others = {
        name: name for name in ("best agent", "best agent in hindsight", "plurality", "weighted")
    }
    others["best of crowd-kit"] = crowd_kit
    start = judged.best(("plurality", "learned from 0"))
    curve = {
        f"learned from {count} above the better start": judged.above(
            f"learned from {count}", start
        )[0]
        for count in CURVE
    }
    shuffled = {"best agent": "best agent", "plurality": "plurality"}
    return (
        judged.named(judged.credits)
        | judged.compared("learned", others)
        | curve
        | judged.compared("learned, feedback shuffled", shuffled)
    )
