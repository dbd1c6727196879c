"""Rule 1: a panel in the log has its assignments in the inboxes, and had them before it.

Every assignment that the log lists must stand in the inbox of its seat's agent, appended no later
than the event that lists it; every answer must answer an assignment that was handed out.
"""

from typing import Any

from tests.chaos.checker.evidence import Report, Seen
from tests.chaos.checker.history import History, TaskHistory, said


def check_panels(history: History, report: Report) -> None:
    """Violations: panel.without-assignments, panel.before-its-assignments,
    answer.without-assignment.
    """
    report.facts["assignments"] = len(history.evidence.inboxes)
    for task in history.tasks.values():
        report.facts["panels"] += len(task.panels)
        report.facts["duplicate panels"] += max(0, len(task.panels) - 1)
        report.facts["cancels"] += len(task.cancels)
        seats: dict[int, str] = {}
        for seen in task.panels:
            panel = seen.message.panel_opened
            seats = {seat.seat: seat.agent for seat in panel.seats}
            _listed(history, seen, panel.assignments, seats, report)
        winner = task.winner
        if winner is not None:
            seats = {seat.seat: seat.agent for seat in winner.seats}
        for seen in task.rounds:
            report.facts["rounds"] += 1
            _listed(history, seen, seen.message.round_opened.assignments, seats, report)
        _answers(history, task, report)


def _listed(
    history: History, opening: Seen, listings: Any, seats: dict[int, str], report: Report
) -> None:
    task_id = opening.message.task_id
    for listing in listings:
        agent = seats.get(listing.seat, "")
        inboxes = (history.topic(f"inbox.{agent}"), history.topic(f"inbox.{agent}.high"))
        sent = [
            seen
            for seen in history.assignments.get(listing.id, ())
            if seen.place.topic in inboxes and seen.message.task.id == task_id
        ]
        told = f"{task_id} {said(opening)}: {listing.id} of {agent}"
        if not sent:
            report.violated("panel.without-assignments", told)
        elif min(seen.at_ms for seen in sent) > opening.at_ms:
            late = min(seen.at_ms for seen in sent) - opening.at_ms
            report.violated("panel.before-its-assignments", f"{told} came {late} ms later")


def _answers(history: History, task: TaskHistory, report: Report) -> None:
    listed = task.listed()
    for assignment_id, answers in task.answers.items():
        report.facts["answers"] += len(answers)
        report.facts["duplicate answers"] += len(answers) - 1
        report.facts["answers of losing panels"] += assignment_id not in listed
        if not any(
            seen.message.task.id == task.task_id
            for seen in history.assignments.get(assignment_id, ())
        ):
            told = f"{task.task_id} {said(answers[0])}: {assignment_id}"
            report.violated("answer.without-assignment", told)
