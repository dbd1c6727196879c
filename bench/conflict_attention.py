"""What attention over agents is worth: real answers to common-sense questions, counted by attention
with plain and with learned projections, uniformly, and by what feedback teaches of the agents.

In: DIR/commonsense_qa/*.jsonl (question, five options as texts, the right one) and seeds. Five
agents answer every question by the likelihoods of its options: one small language model that is
shown twelve worked questions, two or none, only the end of the question, or only what it is about.
Questions and answers are embedded as agents do it. Each seed feeds back half of the questions and
judges on the rest. Out: accuracies, and differences with the ends of their 95 % interval (bootstrap
over questions). A tie is right to the share of the right option among the leaders; "nearest option"
asks no agent: it takes the option that lies nearest to the question.
"""

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.common import ROOT
from bench.consensus_judged import Judged as Credits
from bench.reports import Figures, Goal, goal
from comitia.config import DirectorySettings, load
from comitia.consensus import attention, attention_fit, learned, learning, one_coin, plurality
from comitia.consensus.attention_fit import Judged
from comitia.consensus.ballots import Ballot, Outcome, lead
from comitia.consensus.learning import Example
from comitia.inference.cards import find_card
from comitia.inference.export.make import ensure
from comitia.inference.load import load_model
from comitia.ports import Model, Prompt

FOLDER = "commonsense_qa"
DECODER, EMBEDDER = "smollm2-135m-instruct", "minilm-l6-v2"
SHOWN = 12
AT_ONCE = 32
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    about: str
    options: Mapping[str, str]
    answer: str


@dataclass(frozen=True, slots=True)
class Answered:
    """`ballots`: agent -> what it says. `query`, `keys`: vectors of the question and of each
    option's text, which is an answer in words.
    """

    question: Question
    ballots: Mapping[str, Ballot]
    query: Floats
    keys: Mapping[str, Floats]


def measure(data: Path, seeds: Sequence[int]) -> Figures:
    """All figures, and a table on standard output; none where DIR lacks the folder."""
    if not (data / FOLDER).is_dir():
        print(f"attention: {data} has no {FOLDER}", flush=True)
        return {}
    questions = read(data / FOLDER)
    random.Random(seeds[0]).shuffle(questions)
    shown, asked = questions[:SHOWN], questions[SHOWN:]
    answered = asyncio.run(_answered(shown, asked))
    credits, taught = Credits(len(seeds), len(answered)), 0
    for row, seed in enumerate(seeds):
        order = random.Random(seed).sample(range(len(answered)), len(answered))
        fed, judged = order[: len(order) // 2], order[len(order) // 2 :]
        counted = _methods([answered[n] for n in fed])
        taught += "attention, learned projections" in counted
        for name, decide in counted.items():
            found = {n: _credit(decide(answered[n]), answered[n]) for n in judged}
            credits.note(name, row, found)
    return _told(credits, len(answered), taught)


def goals(figures: Figures) -> list[Goal]:
    """It is off unless it is asked for; what is wanted is that it does no harm."""
    name = "attention: attention less uniform weights, upper end"
    return [goal(name, figures.get(name), ">=", 0.0)]


def read(folder: Path) -> list[Question]:
    lines = [
        json.loads(line)
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_text("utf-8").splitlines()
    ]
    return [_question(line) for line in lines if line.get("answerKey")]


def _question(line: Mapping[str, Any]) -> Question:
    asked = line["question"]
    options = {one["label"]: one["text"] for one in asked["choices"]}
    return Question(asked["stem"], asked["question_concept"], options, line["answerKey"])


def _prompts(shown: Sequence[Question]) -> Mapping[str, Any]:
    """Agent -> its prompt of a question."""

    def worked(count: int) -> str:
        said = [f"Question: {q.text}\nAnswer: {q.options[q.answer]}\n\n" for q in shown[:count]]
        return "".join(said)

    def asks(prefix: str) -> Any:
        return lambda q: Prompt(prefix, f"Question: {q.text}\nAnswer:")

    return {
        "scholar": asks(worked(SHOWN)),
        "pupil": asks(worked(2)),
        "guest": asks(""),
        "late": lambda q: Prompt("", f"{' '.join(q.text.split()[-4:])} Answer:"),
        "gossip": lambda q: Prompt("", f"Where there is {q.about}, there is"),
    }


async def _answered(shown: Sequence[Question], asked: Sequence[Question]) -> list[Answered]:
    """Everybody's answers, and all vectors."""
    prompts = _prompts(shown)
    said: dict[str, list[Ballot]] = {}
    decoder = _model(DECODER)
    try:
        for name, prompt in prompts.items():
            said[name] = []
            for start in range(0, len(asked), AT_ONCE):
                some = asked[start : start + AT_ONCE]
                said[name] += await asyncio.gather(
                    *(_say(decoder, prompt(q), q, name) for q in some)
                )
    finally:
        await decoder.close()
    texts = sorted({q.text for q in asked} | {f"{o}\n" for q in asked for o in q.options.values()})
    vectors: dict[str, Floats] = {}
    embedder = _model(EMBEDDER)
    try:
        for start in range(0, len(texts), AT_ONCE):
            some_texts = texts[start : start + AT_ONCE]
            found = (await embedder.embed(some_texts)).vectors.astype(np.float64)
            vectors |= dict(zip(some_texts, found, strict=True))
    finally:
        await embedder.close()
    made = []
    for n, q in enumerate(asked):
        keys = {label: vectors[f"{text}\n"] for label, text in q.options.items()}
        query, ballots = vectors[q.text], {}
        for name in prompts:
            one = said[name][n]
            near = attention.similarity(query.tolist(), keys[str(one.choice)].tolist())
            ballots[name] = Ballot(one.choice, one.probabilities, None, name, EMBEDDER, near)
        made.append(Answered(q, ballots, query, keys))
    return made


async def _say(model: Model, prompt: Prompt, question: Question, name: str) -> Ballot:
    labels = list(question.options)
    scored = await model.score(prompt, [f" {question.options[label]}" for label in labels])
    logs = np.asarray(scored.log_likelihoods)
    shares = np.exp(logs - logs.max())
    shares /= shares.sum()
    given = dict(zip(labels, shares.tolist(), strict=True))
    return Ballot(labels[int(shares.argmax())], given, None, name)


def _model(name: str) -> Model:
    card, cache = find_card(ROOT / "models", name), load(DirectorySettings).cache_dir
    ensure(card, cache)
    return load_model(card, cache)


def _methods(fed: Sequence[Answered]) -> dict[str, Any]:
    """Method -> what it decides of an answered question, taught by those that were fed back."""
    right = {
        name: [one.ballots[name].choice == one.question.answer for one in fed]
        for name in fed[0].ballots
    }
    best = max(right, key=lambda name: (sum(right[name]), name))
    examples = [
        Example(one.ballots, tuple(one.question.options), one.question.answer) for one in fed
    ]
    agreed, options = one_coin.Agreement(), 0
    for one in fed:
        one_coin.observe(agreed, one.ballots.values(), len(one.question.options))
        options += len(one.question.options)
    weights = learning.fit(examples, one_coin.accuracies(agreed), options / len(fed))
    found: dict[str, Any] = {
        "uniform weights": lambda one: plurality.decide(one.ballots.values()),
        "attention": lambda one: attention.decide(list(one.ballots.values())),
        "learned vote": lambda one: learned.decide(
            one.ballots.values(), tuple(one.question.options), weights
        ),
        "best agent": lambda one: plurality.decide([one.ballots[best]]),
        "nearest option": lambda one: lead({o: one.query @ k for o, k in one.keys.items()}, 1, 0),
    } | {name: lambda one, n=name: plurality.decide([one.ballots[n]]) for name in right}
    theta = attention_fit.fit([_judged(one) for one in fed])
    if theta is not None:
        found["attention, learned projections"] = lambda one: _projected(one, theta)
    return found


def _judged(one: Answered) -> Judged:
    choices = [str(ballot.choice) for ballot in one.ballots.values()]
    keys = np.stack([one.keys[choice] for choice in choices])
    right = np.asarray([choice == one.question.answer for choice in choices])
    return Judged(one.query, keys, right)


def _projected(one: Answered, theta: Floats) -> Outcome:
    """As `attention.decide`, by the learned scores."""
    choices = [str(ballot.choice) for ballot in one.ballots.values()]
    scores = attention_fit.scores(theta, one.query, _judged(one).keys)
    weights = np.exp(scores - scores.max())
    shares = dict.fromkeys(sorted(set(choices)), 0.0)
    for choice, weight in zip(choices, weights.tolist(), strict=True):
        shares[choice] += weight / float(weights.sum())
    return lead(shares, len(choices), 0)


def _credit(outcome: Outcome, one: Answered) -> float:
    leaders = (outcome.winner,) if outcome.winner is not None else outcome.tied
    return (one.question.answer in leaders) / max(1, len(leaders))


def _told(credits: Credits, asked: int, taught: int) -> Figures:
    """The table, and its figures."""
    figures: Figures = {"attention: questions": asked, "attention: seeds that taught": taught}
    for name in sorted(credits.credits, key=credits.accuracy, reverse=True):
        accuracy = credits.accuracy(name)
        figures[f"attention: {name}, accuracy"] = accuracy
        line = f"{name:32}{accuracy:6.3f}"
        if name not in ("uniform weights", "attention"):
            figures |= _apart(credits, name, "attention")
        if name != "uniform weights":
            figures |= _apart(credits, name, "uniform weights")
            head = f"attention: {name} less uniform weights"
            less, low, high = (figures[head + end] for end in ("", ", lower end", ", upper end"))
            line += f"  {less:+.3f} [{low:+.3f}, {high:+.3f}] to uniform weights"
        print(line, flush=True)
    return figures


def _apart(credits: Credits, one: str, other: str) -> Figures:
    head = f"attention: {one} less {other}"
    ends = ("", ", lower end", ", upper end")
    return {head + end: value for end, value in zip(ends, credits.above(one, other), strict=True)}
