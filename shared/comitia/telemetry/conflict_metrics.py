"""The metrics of conflicts: what became of the steps of ladders, and what waits for a person. Part
of the catalogue in metrics.py.
"""

from comitia.telemetry.metric import Metric
from comitia.telemetry.names import Attribute

STEPS = Metric(
    "comitia.steps", "counter", "{step}", "aggregator",
    "Steps that policies list behind the vote, of published decisions.",
    (
        (Attribute.COMITIA_STEP, "deliberation, negotiation, judge, rules, person"),
        (Attribute.COMITIA_OUTCOME, "taken, or passed over"),
    ),
)  # fmt: skip
CONFLICTS = Metric(
    "comitia.conflicts.open", "gauge", "{task}", "aggregator",
    "Decisions that wait for a person, of this process's partitions.",
)  # fmt: skip
REVISIONS = Metric(
    "comitia.revisions", "counter", "{decision}", "aggregator",
    "Revisions of decisions that were left to a person.",
    ((Attribute.COMITIA_OUTCOME, "settled by a person, or expired"),),
)  # fmt: skip
