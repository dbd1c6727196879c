"""What a task's log says of rounds, revisions and stages must fit together: each round once, a
revision only of what was left to a person, by the first verdict that names it or by its expiry, and
each stage begun once.
"""

from collections import Counter
from typing import Any

from tests.chaos.checker.evidence import Report, Seen
from tests.chaos.checker.history import History, TaskHistory, said


def check_conflicts(history: History, report: Report) -> None:
    """Violations: round.twice, revision.unfounded, conflict.left-open, stage.twice."""
    for task in tuple(history.tasks.values()):
        _rounds(task, report)
        _stages(history, task, report)
        for seen in task.decisions:
            if seen.message.revision:
                _revision(history, task, seen, report)
            elif history.status(seen) == "ESCALATED":
                report.facts["left to a person"] += 1
                _ended(history, task, seen, report)


def _rounds(task: TaskHistory, report: Report) -> None:
    opened = Counter((s.message.round_opened.panel_id, s.message.round_opened.round)
                     for s in task.rounds)  # fmt: skip
    for (panel_id, number), count in opened.items():
        if count > 1:
            report.violated("round.twice", f"{task.task_id}: round {number} of {panel_id}")


def _stages(history: History, task: TaskHistory, report: Report) -> None:
    begun = Counter(seen.message.stage_opened.child_id for seen in task.stages)
    for child_id, count in begun.items():
        report.facts["stages"] += 1
        if count > 1:
            report.violated("stage.twice", f"{task.task_id} began {child_id} {count} times")
        if not history.of(child_id).decisions:
            report.violated("decision.missing", f"stage {child_id} of {task.task_id}")


def _first(task: TaskHistory, decision: Seen) -> Any | None:
    """The verdict that settles this decision: the first in the log that names it in time."""
    for seen in task.verdicts:
        named = seen.message.verdict
        if (named.revision, named.decision_offset) == (0, decision.offset):
            return named if seen.at_ms < decision.message.escalation.expires_ms else None
    return None


def _revision(history: History, task: TaskHistory, seen: Seen, report: Report) -> None:
    message, settled = seen.message, seen.message.settlement
    former = task.revision(message.revision - 1)
    told = f"{task.task_id} {said(seen)} {history.status(seen)}"
    if not former or history.status(former[0]) != "ESCALATED":
        report.violated("revision.unfounded", f"{told}: it was not left to a person")
        return
    verdict = _first(task, former[0])
    if settled.expired:
        early = former[0].message.escalation.expires_ms - seen.at_ms
        if early > 0:
            report.violated("revision.unfounded", f"{told}: expired {early} ms before its time")
    elif verdict is None:
        report.violated("revision.unfounded", f"{told}: no verdict names it")
    elif (verdict.value, verdict.by) != (message.value, settled.by):
        report.violated("revision.unfounded", f"{told}: not what the first verdict says")


def _ended(history: History, task: TaskHistory, decision: Seen, report: Report) -> None:
    if not task.revision(1) and _first(task, decision) is not None:
        report.violated("conflict.left-open", f"{task.task_id} {said(decision)} has a verdict")
