"""The vote of one panel: counted ballots in; who leads, whether enough were cast and whether what
is still out can change that, out. Pure, whatever the order of arrival.

Ballots are taken in the order of seat, sample and round. One whose value is not what the task's
format asks for becomes an abstention that says so; nobody's answer disappears. Ballots of shadows
are listed and not counted.
"""

from collections.abc import Iterable, Mapping, Sequence

from comitia.consensus import attention
from comitia.consensus.ballots import Ballot as Vote
from comitia.consensus.ballots import Outcome
from comitia.consensus.weights import SkillWeights, voter_in, voter_of
from comitia.v1.answer_pb2 import ABSTENTION_REASON_UNDECIDED
from comitia.v1.decision_pb2 import Ballot
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.panel_event_pb2 import PanelOpened, Seat
from comitia.v1.policy_pb2 import METHOD_ATTENTION, METHOD_PLURALITY, Method
from comitia.v1.value_pb2 import Value
from comitia.values import value
from comitia_aggregator.ballots import AWAY, NOWHERE, Near, judges
from comitia_aggregator.methods import NO_WEIGHTS, ROWS, WEIGHING, Row, Votes, method_of
from comitia_aggregator.state import NAME_BYTES_MAX, cut
from comitia_aggregator.values import key_of, value_of


@value
class Tally:
    """`method`: by which was counted. `counted`: what was. `ballots`: theirs, in order, with
    weights, and `shadows`: those that do not count. `values`: key -> the value as the first ballot
    of that key says it.

    `cast`: ballots or seats that voted, `needed`: how many a decision needs, both counted in
    `unit`.
    """

    method: Method
    outcome: Outcome
    counted: Votes
    ballots: tuple[Ballot, ...]
    shadows: tuple[tuple[Ballot, str | None], ...]
    values: dict[str, Value]
    cast: int
    needed: int
    unit: str

    @property
    def quorate(self) -> bool:
        return self.cast >= self.needed

    @property
    def weighed(self) -> bool:
        """Whether the skill's weights were used."""
        return self.method in WEIGHING

    @property
    def varied(self) -> bool:
        """Whether ballots weigh differently."""
        return ROWS[self.method].weigh is not None


def tally(
    panel: PanelOpened,
    ballots: Iterable[Ballot],
    weights: SkillWeights | None = None,
    near: Mapping[str, Near] = NOWHERE,
) -> Tally:
    """Count the ballots of `panel` by its task's policy. It may change the ballots passed in.

    `weights`: of the task's skill; None where it has none. `near`: assignment's id -> how near the
    answer lies to the question.
    """
    task = panel.task
    counted: list[Ballot] = []
    shadows: list[tuple[Ballot, str | None]] = []
    votes: list[Vote] = []
    values: dict[str, Value] = {}
    method = method_of(task, weights)
    row = ROWS[method]
    for ballot in sorted(ballots, key=_place):
        key = _key(ballot, task.format, row)
        if ballot.shadow:
            ballot.weight = 0.0
            shadows.append((ballot, key))
        else:
            counted.append(ballot)
            votes.append(_plain(ballot, key, near.get(ballot.assignment_id, AWAY)))
        if key is not None and key not in values:
            values[key] = ballot.value
    options = tuple(option.id for option in task.format.choice.options)
    voting = [vote.voter for vote in votes if vote.choice is not None]
    of = Votes(tuple(votes), options, (weights or NO_WEIGHTS).among(voting))
    if method == METHOD_ATTENTION and not attention.comparable(votes):
        # For good: whatever else is answered, this ballot stays without.
        method, row = METHOD_PLURALITY, ROWS[METHOD_PLURALITY]
    outcome = row.decide(of)
    if row.weigh is not None:
        for ballot, vote in zip(counted, votes, strict=True):
            if vote.choice is not None:
                ballot.weight = row.weigh(of, vote)
    # A method may put in front what nobody has said: an option of a pool, a mean of numbers.
    for key in (*((outcome.winner,) if outcome.winner is not None else ()), *outcome.tied):
        if key not in values:
            values[key] = value_of(key, task.format)
    if task.policy.quorum:
        cast, needed, unit = len(_answered(counted, votes)), task.policy.quorum, "ballots"
    else:
        members = sum(not (seat.shadow or seat.step) for seat in panel.seats)
        cast, needed, unit = len(_voting(counted, votes)), members // 2 + 1, "seats"
    return Tally(*(method, outcome, of, tuple(counted), tuple(shadows), values, cast, needed, unit))


def settled(counted: Tally, panel: PanelOpened, open_seats: Sequence[int]) -> bool:
    """Whether the outcome is certain, whatever is still answered: a winner that nothing can change,
    or a quorum that nothing can reach.

    `open_seats`: the seat of every listed assignment that counts and may still be answered, one
    entry each. What was cast only grows, in ballots as in seats, so a quorum that is met stays met;
    and it grows at most by one ballot for each open assignment, or to the seats that have voted
    together with those that still may.
    """
    if not counted.quorate:
        if counted.unit == "ballots":
            reachable = counted.cast + len(open_seats)
        else:
            voting = _voting(counted.ballots, counted.counted.ballots)
            reachable = len(voting.union(open_seats))
        return reachable < counted.needed
    voters = _voters(counted, panel)
    return ROWS[counted.method].settled(counted.counted, [voters[seat] for seat in open_seats])


def sure_enough(counted: Tally, panel: PanelOpened) -> bool:
    """Whether the winner is right with the probability at which the task's policy stops asking."""
    target, probability = panel.task.policy.probability_target, counted.outcome.probability
    return counted.quorate and target > 0.0 and probability is not None and probability >= target


def _voters(counted: Tally, panel: PanelOpened) -> dict[int, str]:
    """Seat -> whose weight its next ballot will have: its agent as the model that its ballots name,
    else as that of its card.
    """
    voters = {seat.seat: _voter(seat) for seat in panel.seats}
    for ballot, vote in zip(counted.ballots, counted.counted.ballots, strict=True):
        voters[ballot.seat] = vote.voter
    return voters


def _voter(seat: Seat) -> str:
    return voter_of(seat.agent, cut(seat.model_digest, NAME_BYTES_MAX))


def _place(ballot: Ballot) -> tuple[int, int, int, str]:
    return ballot.seat, ballot.sample, ballot.round, ballot.assignment_id


def _key(ballot: Ballot, answer_format: AnswerFormat, row: Row) -> str | None:
    """The key of the ballot's value; without a usable one the ballot is made an abstention, and
    None returned.
    """
    if ballot.WhichOneof("outcome") == "value":
        try:
            return key_of(ballot.value, answer_format, as_written=row.as_written)
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
    return {seat for seat, _ in _answered(ballots, votes)}


def _answered(ballots: Sequence[Ballot], votes: Sequence[Vote]) -> set[tuple[int, int]]:
    """Seats and samples that have cast a ballot, in one round or several. Judges make no quorum."""
    pairs = zip(ballots, votes, strict=True)
    return {(b.seat, b.sample) for b, vote in pairs if vote.choice is not None and not judges(b)}


def _plain(ballot: Ballot, key: str | None, near: Near) -> Vote:
    given = ballot.probabilities
    probabilities = {one.option_id: one.probability for one in given} if given else {}
    confidence = ballot.confidence if ballot.HasField("confidence") else None
    voter = voter_in(ballot.agent, ballot.model.digest, ballot.role)
    return Vote(key, probabilities, confidence, voter, *near)
