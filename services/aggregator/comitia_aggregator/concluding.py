"""The end of a ladder as a Decision: the vote's decision and the walk that followed it in, the
decision with what the last step has left, how each step went, and, for a person, all that is needed
to settle it out. Pure.
"""

from comitia.policy.check import EXPIRES_MS_MAX
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_ESCALATED,
    DECISION_STATUS_EXPIRED,
    DECISION_STATUS_NO_QUORUM,
    Decision,
    Escalation,
    StepRecord,
)
from comitia.v1.input_pb2 import Input
from comitia.v1.panel_event_pb2 import PanelOpened
from comitia.v1.step_pb2 import EXPIRY_LEADER, EXPIRY_VALUE, Person
from comitia_aggregator import explain
from comitia_aggregator.ladder import Walked
from comitia_aggregator.opening import name_of
from comitia_aggregator.result import Result
from comitia_aggregator.state import cut
from comitia_aggregator.tally import Tally

EXPIRES_MS = 7 * 24 * 3_600_000
INPUT_BYTES_MAX = 64 * 1024
CANDIDATES_MAX = 32


def conclude(
    made: Decision, panel: PanelOpened, counted: Tally, walked: Walked, at_ms: int
) -> Decision:
    """Change the vote's decision into that of the whole ladder. `at_ms`: when it ended (broker's
    clock, epoch milliseconds).
    """
    result = walked.result
    made.steps.extend(walked.records)
    made.margin = result.margin
    made.ClearField("calibrated_probability")
    if result.probability is not None:
        made.calibrated_probability = result.probability
    made.ClearField("value")
    made.decided_by = ""
    if walked.person >= 0:
        made.status = DECISION_STATUS_ESCALATED
        person = panel.task.policy.steps[walked.person]
        if made.steps[-1].kind != "person":
            said = StepRecord(name=name_of(person), kind="person", taken=True)
            said.reason, said.margin = result.to_person, result.margin
            made.steps.append(said)
        made.escalation.CopyFrom(_escalation(panel, counted, result, person.person, at_ms))
        made.escalation.reason = made.steps[-1].reason
    elif result.decided and result.winner is not None:
        made.status = DECISION_STATUS_DECIDED
        made.value.CopyFrom(result.values[result.winner])
        made.decided_by = result.by
        made.ClearField("tied")
    elif made.status not in (DECISION_STATUS_NO_QUORUM, DECISION_STATUS_EXPIRED):
        made.status = DECISION_STATUS_NO_QUORUM
    made.explanation = " ".join((made.explanation, *explain.walk(made)))
    return made


def _escalation(
    panel: PanelOpened, counted: Tally, result: Result, person: Person, at_ms: int
) -> Escalation:
    task = panel.task
    expires_ms = at_ms + min(person.expires_ms or EXPIRES_MS, EXPIRES_MS_MAX)
    found = Escalation(format=task.format, expires_ms=expires_ms)
    found.input.CopyFrom(_question(task.input))
    given: dict[str, list[str]] = {}
    for ballot, vote in zip(counted.ballots, counted.counted.ballots, strict=True):
        if vote.choice is not None:
            given.setdefault(vote.choice, []).append(ballot.agent)
    # A pool names options that nobody has chosen; a mean, a number that nobody has said.
    keys = dict.fromkeys((*result.shares, *given))
    ordered = sorted(keys, key=lambda key: (-result.shares.get(key, 0.0), key))
    for key in ordered[:CANDIDATES_MAX]:
        candidate = found.candidates.add(share=result.shares.get(key, 0.0))
        if key in result.values:
            candidate.value.CopyFrom(result.values[key])
        elif key in counted.values:
            candidate.value.CopyFrom(counted.values[key])
        else:
            del found.candidates[-1]
            continue
        candidate.agents.extend(dict.fromkeys(given.get(key, ())))
    _expiry(found, result, person)
    return found


def _expiry(found: Escalation, result: Result, person: Person) -> None:
    """What it ends with when nobody settles it."""
    if person.expiry == EXPIRY_VALUE and person.HasField("value"):
        found.expiry_value.CopyFrom(person.value)
        found.expiry = "then it is decided with the value that the policy names"
    elif person.expiry == EXPIRY_LEADER and result.winner is not None:
        found.expiry_value.CopyFrom(result.values[result.winner])
        found.expiry = "then it is decided with the value that leads"
    else:
        found.expiry = "then it ends without a value"


def _question(given: Input) -> Input:
    """The task's input, cut to INPUT_BYTES_MAX."""
    if given.ByteSize() <= INPUT_BYTES_MAX:
        return given
    if given.WhichOneof("kind") == "chat":
        said = "\n".join(f"{turn.role}: {turn.content}" for turn in given.chat.messages)
        # The end of a conversation is what is asked.
        return Input(text=said.encode()[-INPUT_BYTES_MAX:].decode(errors="ignore"))
    return Input(text=cut(given.text, INPUT_BYTES_MAX))
