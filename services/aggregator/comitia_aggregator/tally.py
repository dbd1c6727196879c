"""The vote of one panel: counted ballots in; who leads, whether enough were cast and whether what
is still out can change that, out. Pure, whatever the order of arrival.

Ballots are taken in the order of seat, sample and round. One whose value is not what the task's
format asks for becomes an abstention that says so; nobody's answer disappears.
"""

from collections.abc import Iterable, Sequence

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
from comitia.values import value
from comitia_aggregator.values import key_of


@value
class Tally:
    """`ballots`: in order, with weights. `values`: key -> the value as the first ballot of that key
    says it.

    `cast`: ballots or seats that voted, `needed`: how many a decision needs, both counted in
    `unit`.
    """

    outcome: Outcome
    method: Method
    ballots: tuple[Ballot, ...]
    votes: tuple[Vote, ...]
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
    votes: list[Vote] = []
    values: dict[str, Value] = {}
    for ballot in ordered:
        key = _key(ballot, task.format)
        votes.append(_plain(ballot, key))
        if key is not None and key not in values:
            values[key] = ballot.value
    options = _pooled(task)
    outcome = probability_weighted.decide(votes, options) if options else plurality.decide(votes)
    # A pool may put an option in front that is nobody's choice.
    for key in (*((outcome.winner,) if outcome.winner else ()), *outcome.tied):
        values.setdefault(key, Value(option_id=key))
    if task.policy.quorum:
        cast, needed, unit = outcome.cast, task.policy.quorum, "ballots"
    else:
        cast, needed, unit = len(_voting(ordered, votes)), len(panel.seats) // 2 + 1, "seats"
    method = METHOD_PROBABILITY_WEIGHTED if options else METHOD_PLURALITY
    return Tally(outcome, method, ordered, tuple(votes), values, cast, needed, unit)


def settled(counted: Tally, panel: PanelOpened, open_seats: Sequence[int]) -> bool:
    """Whether the outcome is certain, whatever is still answered: a winner that nothing can change,
    or a quorum that nothing can reach.

    `open_seats`: the seat of every listed assignment that may still be answered, one entry each.
    What was cast only grows, in ballots as in seats, so a quorum that is met stays met; and it
    grows at most by one ballot for each open assignment, or to the seats that have voted together
    with those that still may.
    """
    if not counted.quorate:
        if counted.unit == "ballots":
            reachable = counted.cast + len(open_seats)
        else:
            reachable = len(_voting(counted.ballots, counted.votes).union(open_seats))
        return reachable < counted.needed
    options = _pooled(panel.task)
    if options:
        return probability_weighted.settled(counted.votes, options, len(open_seats))
    return plurality.settled(counted.votes, len(open_seats))


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


def _voting(ballots: Sequence[Ballot], votes: Sequence[Vote]) -> set[int]:
    """Seats that have cast a ballot."""
    pairs = zip(ballots, votes, strict=True)
    return {ballot.seat for ballot, vote in pairs if vote.choice is not None}


def _pooled(task: Task) -> list[str]:
    """The options over which probabilities are pooled; none where votes are counted."""
    if task.policy.method != METHOD_PROBABILITY_WEIGHTED:
        return []
    return [option.id for option in task.format.choice.options]


def _plain(ballot: Ballot, key: str | None) -> Vote:
    given = ballot.probabilities
    probabilities = {one.option_id: one.probability for one in given} if given else {}
    return Vote(key, probabilities, ballot.confidence if ballot.HasField("confidence") else None)
