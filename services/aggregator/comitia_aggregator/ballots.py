"""Which ballots the answers of a panel cast, over all its rounds. A task's state and its panel in,
ballots out; pure.

In a deliberation a seat's former answer stands where the new one is missing, cannot be read, is an
abstention, or names another value without a word of why: nobody is moved by a slip. Each round's
ballots count, so that a panel that talked itself into something is still held to what its members
said alone. A judge that may not write picks among what the panel has answered.
"""

from collections.abc import Iterable, Mapping

from comitia.consensus.weights import JUDGE
from comitia.v1.answer_pb2 import ABSTENTION_REASON_UNDECIDED, Answer
from comitia.v1.decision_pb2 import Ballot
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.panel_event_pb2 import PanelOpened, Seat
from comitia.v1.policy_pb2 import METHOD_ATTENTION
from comitia_aggregator.state import Round, TaskState, ballot_of, spans
from comitia_aggregator.values import key_of

# Whose vectors, and the cosine of an answer with the question, [-1, 1].
Near = tuple[str, float | None]
AWAY: Near = ("", None)
NOWHERE: Mapping[str, Near] = {}

# A seat's sample: its answers in several rounds follow each other.
Place = tuple[int, int]


def cast(state: TaskState, panel: PanelOpened) -> list[Ballot]:
    """The ballots of every round that was opened, in no particular order."""
    seats = {seat.seat: seat for seat in panel.seats}
    vote, *later = spans(state, panel)
    found = list(_answered(state, panel, seats, vote))
    if not later:
        return found
    stands = {(ballot.seat, ballot.sample): ballot for ballot in found}
    for opened, here in zip(state.rounds, later, strict=True):
        step = panel.task.policy.steps[opened.step]
        if step.WhichOneof("kind") == "judge":
            picked = list(_answered(state, panel, seats, here))
            if not step.judge.may_write:
                _among(picked, found, panel.task.format)
            found += picked
        else:
            said = _deliberated(state, panel, seats, (opened, here, stands))
            stands |= {(ballot.seat, ballot.sample): ballot for ballot in said}
            found += said
    return found


def nearness(state: TaskState, panel: PanelOpened, ballots: Iterable[Ballot]) -> Mapping[str, Near]:
    """Assignment's id -> how near its answer lies to the question, of those that say so, where the
    task's vote is by attention. Where a former answer stands, it is that one's.
    """
    if panel.task.policy.method != METHOD_ATTENTION:
        return NOWHERE
    said: dict[str, Near] = {}
    for position, kept in state.answers.items():
        answer = Answer.FromString(kept)
        if answer.embedding.vector:
            near = (answer.embedding.embedder, answer.embedding.vector[0])
            said[panel.assignments[position].id] = near
    former: dict[Place, Near] = {}
    for ballot in sorted(ballots, key=lambda one: one.round):
        place = (ballot.seat, ballot.sample)
        if ballot.kept:
            said[ballot.assignment_id] = former.get(place, AWAY)
        former[place] = said.get(ballot.assignment_id, AWAY)
    return said


def judges(ballot: Ballot) -> bool:
    """Whether it is a judge's: it counts for no quorum."""
    return ballot.role == JUDGE


def _answered(
    state: TaskState, panel: PanelOpened, seats: Mapping[int, Seat], positions: range
) -> Iterable[Ballot]:
    for position, kept in state.answers.items():
        if position in positions:
            listed = panel.assignments[position]
            yield ballot_of(Answer.FromString(kept), listed, seats.get(listed.seat))


def _deliberated(
    state: TaskState,
    panel: PanelOpened,
    seats: Mapping[int, Seat],
    held: tuple[Round, range, Mapping[Place, Ballot]],
) -> list[Ballot]:
    """A ballot for every seat that has answered in this round or before it. `held`: the round,
    where its assignments stand, and what each seat had said until then.
    """
    opened, positions, stands = held
    found = []
    for position in positions:
        listed = panel.assignments[position]
        former = stands.get((listed.seat, listed.sample))
        kept = state.answers.get(position)
        if kept is None:
            if former is None:
                continue
            ballot = Ballot(seat=listed.seat, agent=former.agent, role=former.role)
            ballot.sample, ballot.round = listed.sample, listed.round
            ballot.assignment_id, ballot.weight = listed.id, 1.0
            why = "no answer in time"
        else:
            ballot = ballot_of(Answer.FromString(kept), listed, seats.get(listed.seat))
            why = _unmoved(ballot, former, panel.task.format)
        if why and former is not None and former.HasField("value"):
            _keep(ballot, former, why)
        ballot.peers.extend(opened.shown.get(listed.seat, ()))
        if ballot.WhichOneof("outcome"):
            found.append(ballot)
    return found


def _unmoved(ballot: Ballot, former: Ballot | None, answer_format: AnswerFormat) -> str:
    """Why the former ballot stands; "" where the new one does."""
    if ballot.HasField("abstention"):
        return f"abstained: {ballot.abstention.detail}" if ballot.abstention.detail else "abstained"
    key = _key(ballot, answer_format)
    if key is None:
        return "the answer is not what the task asks for"
    before = _key(former, answer_format) if former is not None else None
    if before not in (None, key) and not ballot.rationale.strip():
        return "another value without a reason"
    return ""


def _keep(ballot: Ballot, former: Ballot, why: str) -> None:
    """Let the former value stand in a ballot; what its answer cost is still its own."""
    ballot.kept = why
    ballot.value.CopyFrom(former.value)
    for name in ("probabilities", "rationale", "confidence"):
        ballot.ClearField(name)
    ballot.probabilities.extend(former.probabilities)
    if former.HasField("confidence"):
        ballot.confidence = former.confidence
    if not ballot.HasField("model") and former.HasField("model"):
        ballot.model.CopyFrom(former.model)


def _among(picked: Iterable[Ballot], given: Iterable[Ballot], answer_format: AnswerFormat) -> None:
    """A judge's value that nobody has given becomes an abstention."""
    keys = {_key(ballot, answer_format) for ballot in given if not ballot.shadow}
    for ballot in picked:
        key = _key(ballot, answer_format)
        if ballot.HasField("value") and key is not None and key not in keys:
            ballot.abstention.reason = ABSTENTION_REASON_UNDECIDED
            ballot.abstention.detail = "picked what nobody has answered"
            ballot.ClearField("probabilities")


def _key(ballot: Ballot, answer_format: AnswerFormat) -> str | None:
    if not ballot.HasField("value"):
        return None
    try:
        return key_of(ballot.value, answer_format)
    except ValueError:
        return None
