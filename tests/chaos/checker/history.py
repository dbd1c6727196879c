"""Evidence sorted by task: what was asked, what was said of it in its log, how it ended.

In comes Evidence; out come one TaskHistory per id and the look-ups that rules share. Records that
cannot be read stay in the evidence and are looked at by the rules about dead letters.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.checker.evidence import Evidence, Place, Seen
from tests.chaos.checker.wire import messages

TASK_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
FOUNDING = ("panel_opened", "task_refused", "task_failed")


@dataclass(slots=True)
class TaskHistory:
    """All that the log says of one task id, in log order.

    `founding`: the events that can begin a task's state. `answers`: by assignment id.
    """

    task_id: str
    records: list[Seen] = field(default_factory=list)
    founding: list[tuple[str, Seen]] = field(default_factory=list)
    cancels: list[Seen] = field(default_factory=list)
    rounds: list[Seen] = field(default_factory=list)
    verdicts: list[Seen] = field(default_factory=list)
    stages: list[Seen] = field(default_factory=list)
    answers: dict[str, list[Seen]] = field(default_factory=dict)
    decisions: list[Seen] = field(default_factory=list)

    @property
    def first(self) -> tuple[str, Seen | None]:
        """Kind of the first founding event, and the event; ("", None) where there is none."""
        return self.founding[0] if self.founding else ("", None)

    @property
    def panels(self) -> list[Seen]:
        return [seen for kind, seen in self.founding if kind == "panel_opened"]

    @property
    def winner(self) -> Any | None:
        """The winning PanelOpened: the first in log order."""
        found = self.panels
        return found[0].message.panel_opened if found else None

    def listed(self) -> dict[str, Any]:
        """Assignment id -> its listing, of the winning panel and its rounds."""
        panel = self.winner
        if panel is None:
            return {}
        listed = {one.id: one for one in panel.assignments}
        for seen in self.rounds:
            opened = seen.message.round_opened
            if opened.panel_id == panel.panel_id:
                listed.update({one.id: one for one in opened.assignments})
        return listed

    def timely(self) -> dict[str, Seen]:
        """Assignment id -> the answer that counts: of a listed assignment, its first in log order,
        appended by the deadline.
        """
        panel = self.winner
        if panel is None:
            return {}
        counted = {}
        for assignment_id in self.listed():
            given = self.answers.get(assignment_id)
            if given and given[0].at_ms <= self.until_ms(assignment_id):
                counted[assignment_id] = given[0]
        return counted

    def until_ms(self, assignment_id: str) -> int:
        """Until when an answer to this assignment counts: the end of its round."""
        panel = self.winner
        if panel is None:
            return 0
        for seen in self.rounds:
            opened = seen.message.round_opened
            if any(one.id == assignment_id for one in opened.assignments):
                return int(min(opened.deadline_ms, panel.deadline_ms))
        return int(panel.round_deadline_ms or panel.deadline_ms)

    def revision(self, number: int) -> list[Seen]:
        return [seen for seen in self.decisions if seen.message.revision == number]


class History:
    """The evidence, its tasks, and who answered what."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.tasks: dict[str, TaskHistory] = {}
        self.asked: set[str] = set()
        self.assignments: dict[str, list[Seen]] = {}
        self.statuses = messages().names_of("DecisionStatus")
        for seen in evidence.tasks:
            task_id = task_id_of(seen)
            if task_id:
                self.asked.add(task_id)
                self.of(task_id).records.append(seen)
        for seen in evidence.inboxes:
            if seen.message is not None:
                self.assignments.setdefault(seen.message.id, []).append(seen)
        for seen in evidence.events:
            if seen.message is not None and seen.message.task_id:
                self._event(seen)
        for seen in evidence.decisions:
            if seen.message is not None:
                self.of(seen.message.task_id).decisions.append(seen)

    def of(self, task_id: str) -> TaskHistory:
        """The task's history, made where there is none yet."""
        found = self.tasks.get(task_id)
        if found is None:
            found = self.tasks[task_id] = TaskHistory(task_id)
        return found

    def status(self, decision: Seen) -> str:
        """Name of a decision's status."""
        number = decision.message.status
        return self.statuses.get(number, str(number))

    def topic(self, entity: str) -> str:
        return f"{self.evidence.prefix}comitia.{entity}.v1"

    def group(self, service: str) -> str:
        return f"{self.evidence.prefix}comitia.{service}"

    def _event(self, seen: Seen) -> None:
        event = seen.message
        kind = event.WhichOneof("event")
        task = self.of(event.task_id)
        if kind in FOUNDING:
            task.founding.append((kind, seen))
        elif kind == "answer":
            task.answers.setdefault(event.answer.assignment_id, []).append(seen)
        elif kind == "task_cancelled":
            task.cancels.append(seen)
        elif kind == "round_opened":
            task.rounds.append(seen)
        elif kind == "verdict":
            task.verdicts.append(seen)
        elif kind == "stage_opened":
            task.stages.append(seen)


def task_id_of(seen: Seen) -> str:
    """The id that a record of `tasks` is decided under: its own, else its key; "" for neither.

    A readable task whose id is not valid has no id that anybody could mean.
    """
    if seen.message is not None and seen.message.id:
        return seen.message.id if TASK_ID.fullmatch(seen.message.id) else ""
    key = (seen.key or b"").decode(errors="replace")
    return key if TASK_ID.fullmatch(key) else ""


def is_poison(seen: Seen) -> bool:
    """Whether a record of `tasks` is no task that could be routed."""
    return seen.message is None or not TASK_ID.fullmatch(seen.message.id)


def said(seen: Seen) -> str:
    """A place, for people."""
    return at(seen.place)


def at(place: Place) -> str:
    """A place, for people."""
    return f"{place.topic}[{place.partition}]@{place.offset}"
