"""From what is known of a task to its Decision. Pure: the content is a function of the set of
counted ballots and of how the task ended, not of the order in which anything arrived.
`cost.elapsed_ms` is measured in the log's time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_EXPIRED,
    DECISION_STATUS_NO_AGENT,
    DECISION_STATUS_NO_QUORUM,
    DECISION_STATUS_OVERLOADED,
    Ballot,
    DeadLetterRef,
    Decision,
    DecisionStatus,
    SeatRef,
)
from comitia.v1.panel_event_pb2 import PanelOpened
from comitia_aggregator import explain
from comitia_aggregator.ballots import cast, nearness
from comitia_aggregator.result import VOTE
from comitia_aggregator.state import Rules, TaskState, cut
from comitia_aggregator.tally import Tally, tally
from comitia_aggregator.values import options_of

TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a task ends without a vote. `reason` is a sentence for a person; `dead_letter`: where the
    original is kept.
    """

    status: DecisionStatus
    reason: str
    dead_letter: DeadLetterRef | None = None


def kept(ending: Ending) -> bytes:
    """As it is remembered: a Decision that says no more than this."""
    said = Decision(status=ending.status, explanation=ending.reason)
    if ending.dead_letter is not None:
        said.dead_letter.CopyFrom(ending.dead_letter)
    return said.SerializeToString()


def ending_of(data: bytes) -> Ending:
    """What `kept` has made bytes of."""
    said = Decision.FromString(data)
    letter = said.dead_letter if said.HasField("dead_letter") else None
    return Ending(said.status, said.explanation, letter)


NO_ROOM = Ending(
    DECISION_STATUS_OVERLOADED,
    "The aggregator has no room for another task: publish it again later, or add aggregators.",
)
NO_SEAT = Ending(DECISION_STATUS_NO_AGENT, "The panel has no seat: no agent could be asked.")


class Close(Enum):
    """Why a vote is closed: everybody answered, the deadline came, the rest cannot change the
    outcome, or the winner is as likely to be right as the policy wants it.
    """

    COMPLETE = auto()
    EXPIRED = auto()
    SETTLED = auto()
    SURE = auto()


def count(state: TaskState, panel: PanelOpened, rules: Rules) -> Tally:
    """What the counted ballots say so far."""
    ballots = cast(state, panel)
    near = nearness(state, panel, ballots)
    return tally(panel, ballots, rules.weights.get(panel.task.skill), near)


def tallied(
    state: TaskState, panel: PanelOpened, counted: Tally, closed: tuple[Close, int], rules: Rules
) -> Decision:
    """The decision by vote. `closed`: why and when (broker's clock, epoch milliseconds)."""
    why, at_ms = closed
    expired = why is Close.EXPIRED
    decision = _common(state, panel, at_ms, rules)
    _list(decision, counted)
    decision.status = _status(counted, expired)
    decision.method = counted.method
    decision.margin = counted.outcome.margin
    if counted.weighed:
        decision.weights_version = counted.counted.weights.version
    if counted.outcome.probability is not None:
        decision.calibrated_probability = counted.outcome.probability
    if decision.status == DECISION_STATUS_DECIDED and counted.outcome.winner is not None:
        decision.value.CopyFrom(counted.values[counted.outcome.winner])
        decision.decided_by = VOTE
    decision.tied.extend(counted.values[key] for key in counted.outcome.tied)
    _name_absent(decision, state, panel)
    opening = "The deadline came." if expired else ""
    if why is Close.SETTLED:
        closing = explain.not_waited_for(decision.missing)
    elif why is Close.SURE:
        closing = explain.sure_without(decision.missing, panel.task.policy.probability_target)
    else:
        closing = explain.absent(decision.late, decision.missing)
    decision.explanation = " ".join(
        part for part in (opening, explain.vote(counted, panel.task), closing) if part
    )
    return _fitted(decision, rules.decision_bytes_max)


def ended(
    state: TaskState, panel: PanelOpened, at_ms: int, ending: Ending, rules: Rules
) -> Decision:
    """The decision without a vote: refused, cancelled, failed, overloaded. What was counted so far
    is listed with it.

    A task that has no panel comes as a panel of nobody that holds what is known of the task.
    """
    decision = _common(state, panel, at_ms, rules)
    _list(decision, count(state, panel, rules))
    decision.status = ending.status
    decision.explanation = cut(ending.reason, rules.reason_bytes_max)
    if ending.dead_letter is not None:
        decision.dead_letter.CopyFrom(ending.dead_letter)
    _name_absent(decision, state, panel)
    return _fitted(decision, rules.decision_bytes_max)


def _status(counted: Tally, expired: bool) -> DecisionStatus:
    if counted.quorate and counted.outcome.winner is not None:
        return DECISION_STATUS_DECIDED
    # Enough voted and none leads, or no further answer could help: not for want of time.
    if counted.quorate or not expired:
        return DECISION_STATUS_NO_QUORUM
    return DECISION_STATUS_EXPIRED


def _common(state: TaskState, panel: PanelOpened, at_ms: int, rules: Rules) -> Decision:
    traced = TRACEPARENT.fullmatch(state.traceparent)
    trace_id = traced.group(1) if traced else ""
    task = panel.task
    decision = Decision(
        task_id=state.task_id,
        panel_id=panel.panel_id,
        delivery=rules.delivery,
        trace_id=trace_id if trace_id.strip("0") else "",
        skill=task.skill,
        tenant=task.tenant,
        session=task.session,
        task_digest=state.digest,
        option_ids=[option.id for option in options_of(task.format)],
    )
    cost = decision.cost
    cost.worked_ms = state.worked_ms
    if panel.task_appended_ms > 0:
        cost.elapsed_ms = max(0, at_ms - panel.task_appended_ms)
    cost.assignments = len(panel.assignments)
    return decision


def _list(decision: Decision, counted: Tally) -> None:
    """Put in the ballots, those of shadows last, and the tokens that they cost."""
    decision.ballots.extend(counted.ballots)
    decision.ballots.extend(ballot for ballot, _ in counted.shadows)
    usages = [ballot.usage for ballot in decision.ballots if ballot.HasField("usage")]
    prompt = sum(usage.prompt_tokens for usage in usages)
    completion = sum(usage.completion_tokens for usage in usages)
    # Agents claim these numbers: saturate rather than overflow the field.
    decision.cost.prompt_tokens = min(prompt, 2**64 - 1)
    decision.cost.completion_tokens = min(completion, 2**64 - 1)


def _name_absent(decision: Decision, state: TaskState, panel: PanelOpened) -> None:
    """Fill `late` and `missing`: seats in order, each once per list. A seat with several samples
    may stand in both. Shadows stand in none: nobody missed them. Nor does a member who was silent
    in a later round: its former answer stands.
    """
    if len(state.answers) == len(panel.assignments):
        return
    agents = {seat.seat: seat.agent for seat in panel.seats}
    shadows = {seat.seat for seat in panel.seats if seat.shadow}
    judges = {seat.seat for seat in panel.seats if seat.step}
    late, missing = set(), set()
    for position, assignment in enumerate(panel.assignments):
        if assignment.seat in shadows or (assignment.round > 1 and assignment.seat not in judges):
            continue
        if position in state.late:
            late.add(assignment.seat)
        elif position not in state.answers:
            missing.add(assignment.seat)
    decision.late.extend(SeatRef(seat=n, agent=agents.get(n, "")) for n in sorted(late))
    decision.missing.extend(SeatRef(seat=n, agent=agents.get(n, "")) for n in sorted(missing))


def _fitted(decision: Decision, bytes_max: int) -> Decision:
    """Leave out the options' ids, then prose, probabilities and ballots' values until it fits: a
    decision that cannot be published is none.
    """
    if decision.ByteSize() > bytes_max:
        decision.ClearField("option_ids")
    strips: tuple[tuple[str, Callable[[Ballot], None]], ...] = (
        ("rationales", lambda ballot: ballot.ClearField("rationale")),
        ("probabilities", lambda ballot: ballot.ClearField("probabilities")),
        ("values of ballots", lambda ballot: ballot.ClearField("outcome")),
    )
    for what, strip in strips:
        if decision.ByteSize() <= bytes_max:
            return decision
        for ballot in decision.ballots:
            strip(ballot)
        decision.explanation += (
            f" The {what} are left out: the decision was over {bytes_max} bytes."
        )
    if decision.ByteSize() > bytes_max:
        decision.ClearField("tied")
    return decision
