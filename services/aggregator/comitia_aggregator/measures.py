"""What became of the seats of a panel, read off its Decision, and how much the ballots agreed.

In come decisions that are published; out go counts of seats by agent and outcome, of votes by
method and of calls saved, margins and agreement. Reading is pure; `Measures` tells the telemetry.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from comitia.consensus.keys import json_key, number_key, ranking_key, text_key
from comitia.telemetry.conflict_metrics import REVISIONS, STEPS
from comitia.telemetry.metrics import (
    AGENTS_MAX,
    AGREEMENT,
    ASSIGNMENTS_SAVED,
    MARGIN,
    OTHER,
    SEATS,
    VOTES,
)
from comitia.telemetry.names import Attribute
from comitia.telemetry.setup import Telemetry
from comitia.v1.answer_pb2 import ABSTENTION_REASON_FAILED, ABSTENTION_REASON_OVERLOADED
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, Ballot, Decision
from comitia.v1.policy_pb2 import Method
from comitia.v1.value_pb2 import Value

AGREED, DISSENTED, VOTED = "agreed", "dissented", "voted"
ABSTAINED, FAILED = "abstained", "failed"
LATE, MISSING, NOT_AWAITED, SHADOW = "late", "missing", "not_awaited", "shadow"
# A seat with several samples counts once, as the first of these that one of its answers is.
ORDER = (AGREED, DISSENTED, VOTED, ABSTAINED, FAILED, LATE, MISSING, NOT_AWAITED, SHADOW)
_RANK = {outcome: rank for rank, outcome in enumerate(ORDER)}
_FAILURES = (ABSTENTION_REASON_FAILED, ABSTENTION_REASON_OVERLOADED)
_KEYS: Mapping[str | None, Callable[[Value], str]] = {
    "option_id": lambda value: value.option_id,
    "text": lambda value: text_key(value.text),
    "number": lambda value: number_key(value.number),
    "ranking": lambda value: ranking_key([list(t.option_ids) for t in value.ranking.tiers]),
    "json": lambda value: json_key(value.json),
}


def seats(decision: Decision, at_deadline: bool) -> tuple[list[tuple[str, str]], float | None]:
    """(agent, outcome) of every seat, and the share of the ballots cast that are for the value
    decided; None where none was, or the ballots do not show theirs.

    `at_deadline`: the decision was made because the deadline came.
    """
    winner = _winner(decision)
    # Most tasks are choices, and most ballots for the winner: that much is seen at once.
    option = winner[1] if winner is not None and winner[0] == "option_id" else None
    told: list[tuple[str, str]] = []
    agreed = dissented = hidden = 0
    last = -1
    for ballot in decision.ballots:
        if ballot.shadow:
            outcome = SHADOW
        elif option is not None and ballot.value.option_id == option:
            outcome = AGREED
            agreed += 1
        else:
            outcome = _outcome(ballot, winner)
            agreed += outcome is AGREED
            dissented += outcome is DISSENTED
            hidden += outcome is VOTED
        seat = ballot.seat
        if seat != last:
            told.append((ballot.agent, outcome))
            last = seat
        elif _RANK[outcome] < _RANK[told[-1][1]]:
            told[-1] = ballot.agent, outcome
    if decision.cost.assignments > len(decision.ballots):
        told += _absent(decision, MISSING if at_deadline else NOT_AWAITED)
    shown = winner is not None and agreed + dissented and not hidden
    return told, agreed / (agreed + dissented) if shown else None


def _absent(decision: Decision, without_answer: str) -> Iterator[tuple[str, str]]:
    """Seats of which no ballot counts; one with several samples may be late and without answer."""
    known = {ballot.seat for ballot in decision.ballots}
    for refs, outcome in ((decision.late, LATE), (decision.missing, without_answer)):
        for ref in refs:
            if ref.seat not in known:
                known.add(ref.seat)
                yield ref.agent, outcome


def _winner(decision: Decision) -> tuple[str, str] | None:
    """Kind and key of the value decided."""
    kind = decision.value.WhichOneof("kind")
    if decision.status != DECISION_STATUS_DECIDED or kind is None:
        return None
    return kind, _KEYS[kind](decision.value)


def _outcome(ballot: Ballot, winner: tuple[str, str] | None) -> str:
    said = ballot.WhichOneof("outcome")
    if said == "abstention":
        return FAILED if ballot.abstention.reason in _FAILURES else ABSTAINED
    if said is None or winner is None:
        return VOTED
    kind, key = winner
    value = ballot.value
    return AGREED if value.WhichOneof("kind") == kind and _KEYS[kind](value) == key else DISSENTED


class Measures:
    """Counts seats, votes and calls saved, and records margin and agreement, of published
    decisions.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._margin = telemetry.buckets(MARGIN)
        self._agreement = telemetry.buckets(AGREEMENT)
        self._agents: set[str] = set()

    def decided(self, decisions: Sequence[tuple[Decision, bool]]) -> None:
        """Tell of decisions, each with whether it was made because its deadline came."""
        counts: dict[tuple[str, str], int] = {}
        votes: Counter[str] = Counter()
        steps: Counter[tuple[str, str]] = Counter()
        revisions: Counter[str] = Counter()
        saved = 0
        for decision, at_deadline in decisions:
            if decision.revision:
                # Its ballots and steps are told with the revision before.
                revisions["expired" if decision.settlement.expired else "settled"] += 1
                continue
            for step in decision.steps:
                steps[step.kind, "taken" if step.taken else "passed"] += 1
            told, agreement = seats(decision, at_deadline)
            for seat in told:
                counts[seat] = counts.get(seat, 0) + 1
            if decision.method:
                votes[Method.Name(decision.method).removeprefix("METHOD_")] += 1
                if not at_deadline:
                    saved += max(0, decision.cost.assignments - len(decision.ballots))
            if decision.status == DECISION_STATUS_DECIDED:
                self._margin.record(decision.margin)
            if agreement is not None:
                self._agreement.record(agreement)
        for (agent, outcome), count in counts.items():
            attributes: dict[str, str] = {
                Attribute.COMITIA_AGENT: self._bounded(agent),
                Attribute.COMITIA_OUTCOME: outcome,
            }
            self._telemetry.add(SEATS, count, attributes)
        for method, count in votes.items():
            self._telemetry.add(VOTES, count, {Attribute.COMITIA_METHOD: method})
        for (kind, outcome), count in steps.items():
            labels: dict[str, str] = {
                Attribute.COMITIA_STEP: kind,
                Attribute.COMITIA_OUTCOME: outcome,
            }
            self._telemetry.add(STEPS, count, labels)
        for outcome, count in revisions.items():
            self._telemetry.add(REVISIONS, count, {Attribute.COMITIA_OUTCOME: outcome})
        self._telemetry.add(ASSIGNMENTS_SAVED, saved)

    def _bounded(self, agent: str) -> str:
        if agent not in self._agents:
            if not agent or len(self._agents) >= AGENTS_MAX:
                return OTHER
            self._agents.add(agent)
        return agent
