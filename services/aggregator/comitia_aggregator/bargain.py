"""Negotiation as a step of the ladder: the utilities that came with the agents' answers in, the
outcome that they agree on out, or the result as it was. Pure; the protocol is
`comitia.consensus.negotiation`.

The issues are the properties of a JSON answer for which agents tell utilities. What they agree on
replaces these properties in the answer that leads; whatever else it holds stays.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from comitia.consensus.concession import Concession
from comitia.consensus.negotiation import ROUNDS_DEFAULT, Agreement, negotiate
from comitia.v1.answer_pb2 import Answer
from comitia.v1.decision_pb2 import StepRecord
from comitia.v1.panel_event_pb2 import PanelOpened
from comitia.v1.step_pb2 import (
    CONCESSION_BOULWARE,
    CONCESSION_CONCEDER,
    CONCESSION_LINEAR,
    CONCESSION_TIT_FOR_TAT,
    CONCESSION_UNSPECIFIED,
    Step,
)
from comitia.v1.value_pb2 import Value
from comitia_aggregator.result import Result
from comitia_aggregator.state import TaskState
from comitia_aggregator.values import key_of

CONCESSIONS: Mapping[int, Concession] = {
    CONCESSION_UNSPECIFIED: Concession.BOULWARE,
    CONCESSION_BOULWARE: Concession.BOULWARE,
    CONCESSION_LINEAR: Concession.LINEAR,
    CONCESSION_CONCEDER: Concession.CONCEDER,
    CONCESSION_TIT_FOR_TAT: Concession.TIT_FOR_TAT,
}
# Issue -> option, as JSON text -> utility, by party.
Told = dict[str, dict[str, dict[str, float]]]
# What one answer may tell, so that the work stays bounded.
UTILITIES_MAX = 1_000


def negotiated(
    task: tuple[TaskState, PanelOpened], step: Step, result: Result, record: StepRecord, name: str
) -> Result:
    """Let the panel negotiate. `task`: its state and panel. `record` is completed; `name`: of the
    step.
    """
    state, panel = task
    told = utilities_of(state, panel)
    if len(told) < 2:
        record.taken = False
        record.reason += ", but fewer than two agents have told what the options are worth to them"
        return result
    asked = step.negotiation
    made = negotiate(
        told, asked.rounds or ROUNDS_DEFAULT, CONCESSIONS[asked.concession], asked.reservation
    )
    _record(record, made)
    value = _agreed(made, result)
    if value is None:
        record.reason += f"; no agreement after {made.offers} offers"
        return result
    try:
        key = key_of(value, panel.task.format)
    except ValueError as error:
        record.reason += f"; what was agreed on is no answer: {error}"
        return result
    record.reason += (
        f"; agreed after {made.offers} offers (Nash product {made.nash_product:.3f} of at most "
        f"{made.nash_product_max:.3f})"
    )
    values = {**result.values, key: value}
    return replace(result, winner=key, values=values, margin=1.0, probability=None, by=name)


def utilities_of(state: TaskState, panel: PanelOpened) -> Told:
    """What the panel's members have told last: seat -> issue -> option -> utility."""
    members = {seat.seat for seat in panel.seats if not (seat.step or seat.shadow)}
    last: dict[int, tuple[int, Answer]] = {}
    for position, kept in state.answers.items():
        listed = panel.assignments[position]
        answer = Answer.FromString(kept)
        newest = listed.seat not in last or last[listed.seat][0] < listed.round
        if listed.seat in members and answer.utilities and newest:
            last[listed.seat] = (listed.round, answer)
    told: Told = {}
    for seat, (_, answer) in sorted(last.items()):
        issues = told.setdefault(f"{seat:03d}", {})
        for one in answer.utilities[:UTILITIES_MAX]:
            issues.setdefault(one.issue, {})[one.option] = one.utility
    return told


def _agreed(made: Agreement, result: Result) -> Value | None:
    """The answer that leads, with what was agreed on; None without an agreement."""
    if made.outcome is None:
        return None
    leading = max(result.shares, key=lambda key: result.shares[key], default="")
    base = result.values.get(result.winner or leading)
    document = _object(base.json if base is not None else "")
    document |= {issue: _parsed(option) for issue, option in made.outcome.items()}
    return Value(json=json.dumps(document, sort_keys=True, ensure_ascii=False))


def _object(text: str) -> dict[str, object]:
    found = _parsed(text) if text else {}
    return found if isinstance(found, dict) else {}


def _parsed(text: str) -> object:
    """An option is JSON text; what is not is taken as a string."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _record(record: StepRecord, made: Agreement) -> None:
    told = record.negotiation
    told.agreed, told.offers = made.outcome is not None, made.offers
    told.nash_product, told.nash_product_max = made.nash_product, made.nash_product_max
    told.pareto_efficient = made.pareto_efficient
