"""The part of the catalogue of metrics that tells of the learner; see metrics.py."""

from comitia.telemetry.metric import Label, Metric
from comitia.telemetry.names import Attribute

# Skills of which `comitia.weights.*` tells; of further ones nothing is told.
SKILLS_MAX = 100
_SKILL: Label = (Attribute.COMITIA_SKILL, f"the first {SKILLS_MAX} skills that had weights")

FEEDBACK = Metric(
    "comitia.feedback", "counter", "{feedback}", "learner",
    "Feedback folded, when it is folded; what was not published before a take-over is folded and "
    "counted again. folded: judges a task for the first time. replaced: in place of earlier "
    "feedback on the task. superseded: later feedback on the task was there. duplicate: its id "
    "counted before. nothing_to_judge: no ballot of the decision holds a value. known: read again "
    "after a take-over. refused: kept in the dead letters.",
    ((
        Attribute.COMITIA_OUTCOME,
        "folded, replaced, superseded, duplicate, nothing_to_judge, known, refused",
    ),),
)  # fmt: skip
COMPARED = Metric(
    "comitia.feedback.decisions", "counter", "{decision}", "learner",
    "Decisions in which at least two agents voted, whose agreement was learned from.",
)  # fmt: skip
WEIGHTS_VERSION = Metric(
    "comitia.weights.version", "gauge", "{version}", "learner",
    "Newest version of a skill's weights, of the learner that writes them.", (_SKILL,),
)  # fmt: skip
WEIGHTS_FEEDBACK = Metric(
    "comitia.weights.feedback", "gauge", "{feedback}", "learner",
    "Feedback that this version rests on.", (_SKILL,),
)  # fmt: skip
FIT_DURATION = Metric(
    "comitia.weights.fit.duration", "histogram", "s", "learner",
    "Making one publication: the fits of all skills that get a version, and their records.",
    (), (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
