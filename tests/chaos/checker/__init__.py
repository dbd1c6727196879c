"""The independent checker: everything that a run left in the log in, what it violates out.

It shares no code with the services: messages come from descriptors compiled from proto/ when it
runs, records are read with another client library, and every rule is written a second time here.
`evidence` is what was read, `history` sorts it by task, `rules_*` hold one promise each.
"""

from collections.abc import Callable

from tests.chaos.checker.evidence import Evidence, Report
from tests.chaos.checker.history import History
from tests.chaos.checker.rules_commits import check_commits
from tests.chaos.checker.rules_conflicts import check_conflicts
from tests.chaos.checker.rules_decisions import check_decisions
from tests.chaos.checker.rules_letters import check_letters
from tests.chaos.checker.rules_panels import check_panels
from tests.chaos.checker.rules_tasks import check_tasks

RULES: tuple[Callable[[History, Report], None], ...] = (
    check_tasks,
    check_panels,
    check_decisions,
    check_conflicts,
    check_commits,
    check_letters,
)


def check(evidence: Evidence) -> Report:
    """Hold `evidence` against every rule. Pure: the same records give the same report."""
    report = Report()
    history = History(evidence)
    for rule in RULES:
        rule(history, report)
    return report
