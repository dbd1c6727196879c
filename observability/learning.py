"""Learning: what feedback says, who learns from it, what weights rest on, and what votes make of
them.
"""

from observability.board import Board
from observability.charts import BAD, GOOD, JOB, WARNING, Chart, mean, quantile, rate, share, total

_LEARNER = 'messaging_consumer_group_name=~".*comitia\\\\.learner"'
_FIT = "comitia_weights_fit_duration_seconds"


def _of_learner(metric: str, by: str = "") -> str:
    grouped = f" by ({by}) " if by else ""
    return f"sum{grouped}({metric}{{{JOB}, {_LEARNER}}})"


_FEEDBACK = (
    Chart(
        "Learners that lead", "short", "1: one learns, and the others stand by. 0: nobody does, "
        "and feedback waits.",
        {"": _of_learner("comitia_partitions_owned")},
        {1: GOOD}, base=BAD, kind="number", width=4,
    ),
    Chart(
        "Not read yet", "short", "Records of feedback and decisions that the learner has not "
        "read. It rests from fits by reading for three times as long.",
        {"{{messaging_destination_name}}": _of_learner(
            "comitia_consumer_lag", "messaging_destination_name")},
        {100: WARNING}, width=10,
    ),
    Chart(
        "Feedback by outcome", "short", "Since the processes started. Refused feedback is in the "
        "dead letters: it names no such decision, or a value of another kind.",
        {"{{comitia_outcome}}": total("comitia_feedback_total", "comitia_outcome")},
        kind="stack", width=10,
    ),
)  # fmt: skip
_WEIGHTS = (
    Chart(
        "Version by skill", "short", "Of the weights that votes use. Where it stays, nothing new "
        "was learned.",
        {"{{comitia_skill}}": f"max by (comitia_skill) (comitia_weights_version{{{JOB}}})"},
    ),
    Chart(
        "Judged tasks by skill", "short", "What the newest version rests on; at 0 it is the "
        "agreement of the agents alone.",
        {"{{comitia_skill}}": f"max by (comitia_skill) (comitia_weights_feedback{{{JOB}}})"},
    ),
    Chart(
        "Time of a fit", "s", "Of all skills that get a version at once. Beyond a second lower "
        "COMITIA_EXAMPLES_MAX or COMITIA_VOTERS_MAX.",
        {"mean": mean(_FIT), "p95": quantile(0.95, _FIT)},
        {1: WARNING},
    ),
)  # fmt: skip
_VOTES = (
    Chart(
        "Votes by method", "ops", "Decisions per second. A learned vote without weights of its "
        "skill is counted as what it falls back to.",
        {"{{comitia_method}}": rate("comitia_votes_total", "comitia_method")}, kind="stack",
    ),
    Chart(
        "Assignments saved", "ops", "Per second: not answered when their vote was closed before "
        "the deadline, because they could not have changed it.",
        {"": rate("comitia_assignments_saved_total")},
    ),
    Chart(
        "Seats that did not count", "percentunit", "Share of all seats: shadows, which are "
        "judged and have no vote, and those that were not awaited.",
        {
            "shadow": share("comitia_seats_total", 'comitia_outcome="shadow"'),
            "not awaited": share("comitia_seats_total", 'comitia_outcome="not_awaited"'),
        },
    ),
)  # fmt: skip

BOARD = Board(
    "learning",
    "Learning",
    "What feedback says, who learns from it, what weights rest on, and what votes make of them.",
    {"Feedback": _FEEDBACK, "Weights": _WEIGHTS, "Votes": _VOTES},
)
