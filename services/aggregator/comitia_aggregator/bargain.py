"""Negotiation as a step of the ladder: the utilities that came with the agents' answers in, the
outcome that they agree on out, or the result as it was. Pure; the protocol is
`comitia.consensus.negotiation`.
"""

from comitia.v1.decision_pb2 import StepRecord
from comitia.v1.panel_event_pb2 import PanelOpened
from comitia.v1.step_pb2 import Step
from comitia_aggregator.result import Result
from comitia_aggregator.state import TaskState


def negotiated(
    task: tuple[TaskState, PanelOpened], step: Step, result: Result, record: StepRecord, name: str
) -> Result:
    """Placeholder until the protocol is wired."""
    return result
