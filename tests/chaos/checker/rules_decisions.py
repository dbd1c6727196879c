"""What a decision says must follow from its task's log: ballots, the vote, the status, the time.

The ballots are held against the answers in the log (rule 3), the value is voted again, and a task
that ended without one must really have had no majority in time.
"""

from dataclasses import dataclass
from typing import Any

from tests.chaos.checker import votes
from tests.chaos.checker.evidence import Report, Seen
from tests.chaos.checker.history import History, TaskHistory, said

BY_VOTE = ("DECIDED", "NO_QUORUM", "EXPIRED", "ESCALATED")
REFUSALS = ("REJECTED", "NO_AGENT", "OVER_BUDGET")
# An answer above this size counts as an abstention.
ANSWER_BYTES_MAX = 256 * 1024
# Of a staged task's time, the part that its stages leave to the decision of the whole.
RESERVE_PART, RESERVE_MS_MAX = 20, 1_000
# So begins what a decision adds when it had to leave its ballots' values out to fit.
STRIPPED = "The values of ballots are left out"


@dataclass(frozen=True, slots=True)
class Case:
    """One first decision beside the log of its task."""

    history: History
    task: TaskHistory
    decision: Seen
    report: Report

    @property
    def message(self) -> Any:
        return self.decision.message

    @property
    def status(self) -> str:
        return self.history.status(self.decision)

    def violated(self, name: str, detail: str) -> None:
        told = f"{self.task.task_id} {said(self.decision)} {self.status}: {detail}"
        self.report.violated(name, told)


def check_decisions(history: History, report: Report) -> None:
    """Violations: ballot.*, vote.*, status.*, decision.of-a-losing-panel, decision.too-early,
    decision.outside-a-transaction.
    """
    counted: dict[str, Seen] = {}
    for task in history.tasks.values():
        for decision in task.decisions:
            report.facts[f"decisions: {history.status(decision)}"] += 1
            if decision.message.revision:
                continue
            case = Case(history, task, decision, report)
            _panel(case)
            _status(case)
            _ballots(case, counted)
            if case.status in BY_VOTE and task.winner is not None:
                _vote(case, task.winner)
    report.facts["decisions"] = len(history.evidence.decisions)
    plain = history.evidence.plain_decisions
    if plain:
        promised = [seen for seen in history.evidence.decisions if seen.message.delivery == 2]
        if promised:
            told = f"{plain} batches, though {len(promised)} decisions promise exactly-once"
            report.violated("decision.outside-a-transaction", told)


def _panel(case: Case) -> None:
    winner = case.task.winner
    named = case.message.panel_id
    if named and (winner is None or winner.panel_id != named):
        first = winner.panel_id if winner is not None else "none"
        case.violated("decision.of-a-losing-panel", f"{named}, the first is {first}")
    if case.status == "EXPIRED" and winner is not None:
        early = _due_ms(case, winner) - case.decision.at_ms
        if early > 0:
            case.violated("decision.too-early", f"{early} ms before the deadline")


def _due_ms(case: Case, panel: Any) -> int:
    """When at the earliest the task may have expired: at its deadline; one of stages when a stage
    of it did, or at the time at which no stage can begin any more.
    """
    if not panel.task.policy.stages:
        return int(panel.deadline_ms)
    whole_ms = panel.deadline_ms - panel.task_appended_ms
    due_ms = panel.deadline_ms - min(RESERVE_MS_MAX, whole_ms // RESERVE_PART)
    for opened in case.task.stages:
        for ended in case.history.of(opened.message.stage_opened.child_id).decisions:
            if case.history.status(ended) == "EXPIRED":
                due_ms = min(due_ms, ended.at_ms)
    return int(due_ms)


def _status(case: Case) -> None:
    kind, event = case.task.first
    status, founded = case.status, False
    if status in BY_VOTE:
        founded = kind == "panel_opened"
    elif event is not None and kind == "panel_opened" and _staged(event):
        # A stage that fails gives its parent its own status.
        founded = True
    elif status in REFUSALS:
        named = event.message.task_refused.status if event and kind == "task_refused" else 0
        said_status = case.history.statuses.get(named, "")
        founded = kind == "task_refused" and status in (said_status, "REJECTED")
    elif status == "FAILED":
        failed = any(name == "task_failed" for name, _ in case.task.founding)
        founded = failed or case.message.HasField("dead_letter")
    elif status == "CANCELLED":
        founded = bool(case.task.cancels)
    elif status == "OVERLOADED":
        founded = kind == "panel_opened"
    if not founded:
        case.violated("status.unfounded", f"the log begins with {kind or 'nothing'}")


def _staged(opening: Seen) -> bool:
    return len(opening.message.panel_opened.task.policy.stages) > 0


def _ballots(case: Case, counted: dict[str, Seen]) -> None:
    task, listed, timely = case.task, case.task.listed(), case.task.timely()
    panel = task.winner
    seen_here: set[str] = set()
    stripped = STRIPPED in case.message.explanation
    for ballot in case.message.ballots:
        case.report.facts["ballots"] += 1
        name = ballot.assignment_id
        if name in seen_here:
            case.violated("ballot.twice", name)
        seen_here.add(name)
        other = counted.setdefault(name, case.decision)
        if other.message.task_id != task.task_id:
            case.violated("ballot.of-another-task", f"{name}, counted by {said(other)} too")
        answers = task.answers.get(name, ())
        listing = listed.get(name)
        if listing is None:
            case.violated("ballot.unlisted", f"{name} is not of the winning panel")
        elif (listing.seat, listing.sample, listing.round) != (
            ballot.seat,
            ballot.sample,
            ballot.round,
        ):
            case.violated("ballot.of-another-seat", name)
        if ballot.kept:
            _kept(case, ballot)
        elif not answers:
            case.violated("ballot.without-answer", name)
        elif listing is not None and panel is not None:
            if name not in timely:
                late = answers[0].at_ms - task.until_ms(name)
                case.violated("ballot.late", f"{name} {said(answers[0])} by {late} ms")
            elif not stripped and not _same(ballot, timely[name], panel):
                case.violated("ballot.altered", f"{name} {said(timely[name])}")


def _kept(case: Case, ballot: Any) -> None:
    """A seat's former answer stands: then it has said so in a round before, in these words."""
    former = [
        one
        for one in case.message.ballots
        if (one.seat, one.sample) == (ballot.seat, ballot.sample) and one.round < ballot.round
    ]
    if not former or max(former, key=lambda one: one.round).value != ballot.value:
        case.violated("ballot.keeps-what-was-not", ballot.assignment_id)


def _same(ballot: Any, answer: Seen, panel: Any) -> bool:
    """Whether a ballot says what the answer says; what is no vote may stand as an abstention."""
    given, kind = answer.message.answer, ballot.WhichOneof("outcome")
    if kind == "value":
        return bool(given.WhichOneof("outcome") == "value" and ballot.value == given.value)
    if given.WhichOneof("outcome") == "value":
        usable = votes.key_of(given, panel.task.format) is not None
        return not usable or len(answer.value or b"") >= ANSWER_BYTES_MAX
    return bool(kind == "abstention")


def _vote(case: Case, panel: Any) -> None:
    if not votes.can_count(panel):
        case.report.facts["votes not counted again"] += 1
        return
    answer_format, listed = panel.task.format, case.task.listed()
    timely = case.task.timely()
    all_votes = [
        votes.Vote(listed[name].seat, votes.key_of(seen.message.answer, answer_format))
        for name, seen in timely.items()
    ]
    in_time = votes.count(panel, all_votes)
    case.report.facts["votes counted again"] += 1
    if case.status == "DECIDED":
        _winner(case, panel, in_time)
    elif case.status in ("NO_QUORUM", "EXPIRED"):
        opened = case.task.panels[0]
        if opened.at_ms > panel.deadline_ms:
            # Answers that wait for a panel are let go at the deadline, and here it came later.
            case.report.facts["panels after their deadline"] += 1
        elif in_time.quorate and in_time.winner is not None:
            case.violated("vote.ignored", f"the log had {in_time.winner!r} by the deadline")
        elif case.status == "NO_QUORUM" and not _over(case, panel, in_time):
            case.violated("status.unfounded", "more answers could have come")


def _over(case: Case, panel: Any, in_time: votes.Count) -> bool:
    """Whether the panel could be called without a quorum: all answered, or the deadline passed."""
    complete = len(case.message.ballots) == len(case.task.listed())
    passed = case.decision.at_ms >= panel.deadline_ms
    return complete or passed


def _winner(case: Case, panel: Any, in_time: votes.Count) -> None:
    if STRIPPED in case.message.explanation:
        return
    counted = votes.count(
        panel,
        [
            votes.Vote(ballot.seat, votes.key_of(ballot, panel.task.format))
            for ballot in case.message.ballots
        ],
    )
    value = votes.key_of_value(case.message.value, panel.task.format)
    if not counted.quorate:
        case.violated("vote.without-quorum", f"{len(case.message.ballots)} ballots")
    if counted.winner is None or counted.winner != value:
        case.violated("vote.other-value", f"says {value!r}, the ballots {counted.winner!r}")
    elif in_time.winner != value:
        told = f"says {value!r}, all answers in time {in_time.winner!r}"
        case.violated("vote.unstable", told)
