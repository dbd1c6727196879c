"""Decisions and what is right in; who was right how often out. Pure, but for reading the
manifests of built models.

The panel decided each task once, by plurality. The linear pool is computed from the same
recorded ballots, so that both methods are judged on the same answers and no model is asked twice.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from comitia.consensus import probability_weighted
from comitia.consensus.ballots import Ballot
from comitia.inference.cards import list_cards
from comitia.inference.store import MANIFEST, built_folder, read_manifest
from comitia.v1 import decision_pb2
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.task_pb2 import Task
from comitia_cli.demo.data import Dataset, Item
from comitia_cli.intervals import wilson


@dataclass(frozen=True, slots=True)
class Case:
    """One decided item. `decided`: the published value, None where there is none; `pooled`: the
    linear pool's.
    """

    item: Item
    decision: Decision
    decided: str | None
    pooled: str | None
    # Agent -> option, None where it abstained.
    votes: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Score:
    """`right` of `asked`; what was not answered counts as wrong. `answered` says how many were.

    `accuracy` in [0, 1], with its 95 % interval from `low` to `high`.
    """

    name: str
    right: int
    answered: int
    asked: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A built model, by its manifest."""

    name: str
    digest: str
    form: str
    attention_nodes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the demo closes with. `agents` are sorted by name; rates are per second of wall-clock
    time.
    """

    dataset: str
    seed: int
    items: int
    agents: tuple[Score, ...]
    plurality: Score
    pool: Score
    statuses: Mapping[str, int]
    # Items that went from wrong to right, and from right to wrong, from the best agent to each
    # vote.
    gained: Mapping[str, tuple[int, int]]
    decisions_per_s: float
    # Prompt and completion tokens that the models read and wrote; those taken from a prefix cache
    # are not among them.
    tokens_per_s: float
    cached_tokens: int
    models: tuple[ModelFacts, ...]


class Evaluation:
    """Collects the decisions of one run."""

    def __init__(self, dataset: Dataset, items: Sequence[Item], tasks: Sequence[Task]) -> None:
        self._dataset = dataset
        self._items = {task.id: item for task, item in zip(tasks, items, strict=True)}
        self._cases: dict[str, Case] = {}

    @property
    def remaining(self) -> int:
        """Tasks without a decision."""
        return len(self._items) - len(self._cases)

    def add(self, decision: Decision) -> Case | None:
        """Note a decision; None when it is not of this run or was seen already."""
        item = self._items.get(decision.task_id)
        if item is None or decision.task_id in self._cases:
            return None
        case = make_case(item, decision, self._dataset.labels)
        self._cases[decision.task_id] = case
        return case

    def report(self, *, seconds: float, seed: int, models: Sequence[ModelFacts]) -> Report:
        """Score what was decided so far; `seconds` from the first publication to the last
        decision.
        """
        cases = list(self._cases.values())
        names = sorted({agent for case in cases for agent in case.votes})
        agents = tuple(score(name, [(c.item, c.votes.get(name)) for c in cases]) for name in names)
        votes = {
            "plurality": [(case.item, case.decided) for case in cases],
            "linear pool": [(case.item, case.pooled) for case in cases],
        }
        best = max(agents, key=lambda agent: agent.right, default=None)
        alone = [(c.item, c.votes.get(best.name)) for c in cases] if best else []
        fresh, cached = _tokens(cases)
        return Report(
            dataset=self._dataset.name,
            seed=seed,
            items=len(cases),
            agents=agents,
            plurality=score("plurality", votes["plurality"]),
            pool=score("linear pool", votes["linear pool"]),
            statuses=dict(Counter(_status(case.decision.status) for case in cases)),
            gained={name: _changes(alone, votes[name]) for name in votes} if best else {},
            decisions_per_s=len(cases) / seconds if seconds > 0 else 0.0,
            tokens_per_s=fresh / seconds if seconds > 0 else 0.0,
            cached_tokens=cached,
            models=tuple(models),
        )


def make_case(item: Item, decision: Decision, labels: Sequence[str]) -> Case:
    """Read the votes of a decision and pool their probabilities."""
    decided = decision.status == DecisionStatus.DECISION_STATUS_DECIDED
    pooled = probability_weighted.decide(map(_ballot, decision.ballots), labels)
    return Case(
        item=item,
        decision=decision,
        decided=decision.value.option_id if decided else None,
        pooled=pooled.winner,
        votes={ballot.agent: _ballot(ballot).choice for ballot in decision.ballots},
    )


def score(name: str, answers: Sequence[tuple[Item, str | None]]) -> Score:
    """Count what was right."""
    right = sum(answer == item.label for item, answer in answers)
    answered = sum(answer is not None for _, answer in answers)
    asked = len(answers)
    return Score(name, right, answered, asked, right / max(asked, 1), *wilson(right, asked))


def model_facts(models_dir: Path, cache_dir: Path) -> tuple[ModelFacts, ...]:
    """Every model of the folder that is built. ConfigError when a manifest or a card cannot be
    read.
    """
    found = []
    for card in list_cards(models_dir):
        if (built_folder(card, cache_dir) / MANIFEST).exists():
            manifest = read_manifest(card, cache_dir)
            facts = (manifest.digest, card.recipe.form, manifest.attention_nodes)
            found.append(ModelFacts(card.name, *facts))
    return tuple(found)


def _ballot(ballot: decision_pb2.Ballot) -> Ballot:
    choice = ballot.value.option_id if ballot.HasField("value") else None
    chances = {one.option_id: one.probability for one in ballot.probabilities}
    return Ballot(choice, chances, ballot.confidence if ballot.HasField("confidence") else None)


def _changes(
    before: Sequence[tuple[Item, str | None]], after: Sequence[tuple[Item, str | None]]
) -> tuple[int, int]:
    pairs = [
        (a == item.label, b == item.label) for (item, a), (_, b) in zip(before, after, strict=True)
    ]
    return pairs.count((False, True)), pairs.count((True, False))


def _tokens(cases: Sequence[Case]) -> tuple[int, int]:
    """Tokens that were computed, and those that a cache saved."""
    usages = [ballot.usage for case in cases for ballot in case.decision.ballots]
    cached = sum(usage.cached_tokens for usage in usages)
    return sum(usage.prompt_tokens + usage.completion_tokens for usage in usages) - cached, cached


def _status(status: DecisionStatus) -> str:
    return DecisionStatus.Name(status).removeprefix("DECISION_STATUS_")
