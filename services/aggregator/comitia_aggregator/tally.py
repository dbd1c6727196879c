"""The vote of one panel: counted ballots in, who leads and whether enough were cast out. Pure,
whatever the order of arrival.

Ballots are taken in the order of seat, sample and round. One whose value is not what the task's
format asks for becomes an abstention that says so; nobody's answer disappears.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from comitia.consensus import plurality, probability_weighted
from comitia.consensus.ballots import Ballot as Vote
from comitia.consensus.ballots import Outcome
from comitia.v1.answer_pb2 import ABSTENTION_REASON_UNDECIDED
from comitia.v1.decision_pb2 import Ballot
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.panel_event_pb2 import PanelOpened
from comitia.v1.policy_pb2 import METHOD_PLURALITY, METHOD_PROBABILITY_WEIGHTED, Method
from comitia.v1.task_pb2 import Task
from comitia.v1.value_pb2 import Value
from comitia_aggregator.values import key_of


@dataclass(frozen=True, slots=True)
class Tally:
    """`ballots`: in order, with weights. `values`: key -> the value as the first ballot of that key
    says it.

    `cast`: ballots or seats that voted, `needed`: how many a decision needs, both counted in
    `unit`.
    """

    outcome: Outcome
    method: Method
    ballots: tuple[Ballot, ...]
    keys: tuple[str | None, ...]
    values: dict[str, Value]
    cast: int
    needed: int
    unit: str

    @property
    def quorate(self) -> bool:
        return self.cast >= self.needed


def tally(panel: PanelOpened, ballots: Iterable[Ballot]) -> Tally:
    """Count the ballots of `panel` by its task's policy. It may change the ballots passed in."""
    task = panel.task
    ordered = tuple(sorted(ballots, key=lambda b: (b.seat, b.sample, b.round, b.assignment_id)))
    keys = tuple(_key(ballot, task.format) for ballot in ordered)
    outcome, method = _vote(ordered, keys, task)
    values: dict[str, Value] = {}
    for ballot, key in zip(ordered, keys, strict=True):
        if key is not None and key not in values:
            values[key] = ballot.value
    # A pool may put an option in front that is nobody's choice.
    for key in (*((outcome.winner,) if outcome.winner else ()), *outcome.tied):
        values.setdefault(key, Value(option_id=key))
    if task.policy.quorum:
        cast, needed, unit = outcome.cast, task.policy.quorum, "ballots"
    else:
        voting = {ballot.seat for ballot, key in zip(ordered, keys, strict=True) if key is not None}
        cast, needed, unit = len(voting), len(panel.seats) // 2 + 1, "seats"
    return Tally(outcome, method, ordered, keys, values, cast, needed, unit)


def _key(ballot: Ballot, answer_format: AnswerFormat) -> str | None:
    """The key of the ballot's value; without a usable one the ballot is made an abstention, and
    None returned.
    """
    if ballot.WhichOneof("outcome") == "value":
        try:
            return key_of(ballot.value, answer_format)
        except ValueError as error:
            ballot.abstention.reason = ABSTENTION_REASON_UNDECIDED
            ballot.abstention.detail = str(error)
    elif not ballot.HasField("abstention"):
        ballot.abstention.reason = ABSTENTION_REASON_UNDECIDED
        ballot.abstention.detail = "the answer holds neither a value nor an abstention"
    ballot.weight = 0.0
    ballot.ClearField("probabilities")
    return None


def _vote(
    ballots: tuple[Ballot, ...], keys: tuple[str | None, ...], task: Task
) -> tuple[Outcome, Method]:
    votes = [_plain(ballot, key) for ballot, key in zip(ballots, keys, strict=True)]
    pooled = task.policy.method == METHOD_PROBABILITY_WEIGHTED and task.format.HasField("choice")
    if pooled:
        options = [option.id for option in task.format.choice.options]
        return probability_weighted.decide(votes, options), METHOD_PROBABILITY_WEIGHTED
    return plurality.decide(votes), METHOD_PLURALITY


def _plain(ballot: Ballot, key: str | None) -> Vote:
    probabilities = {one.option_id: one.probability for one in ballot.probabilities}
    return Vote(key, probabilities, ballot.confidence if ballot.HasField("confidence") else None)
