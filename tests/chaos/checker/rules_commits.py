"""No committed offset passes unfinished work: every commit ever made, held against what was
finished by then.

A record below a committed offset is never read again by that group. So each one needs a time at
which it was finished, and no commit beyond it may be older. `finished` of a task's event is the
append of its decision, of a task its first event in the log, of an assignment its answer.
"""

import zlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from tests.chaos.checker.evidence import OffsetCommit, Report, Seen
from tests.chaos.checker.history import History, TaskHistory, is_poison, task_id_of

NEVER = 1 << 62
T = TypeVar("T")


class Work(NamedTuple):
    """A record that has to be finished before its offset is passed. `finished_ms`: when it was."""

    topic: str
    partition: int
    offset: int
    finished_ms: int
    what: str


def check_commits(history: History, report: Report) -> None:
    """Violations: commit.past-an-undecided-task, commit.past-an-unrouted-task,
    commit.past-an-unanswered-assignment, commit.forgets-a-decision.
    """
    kept = _letters(history)
    commits: dict[str, list[OffsetCommit]] = defaultdict(list)
    for commit in history.evidence.commits:
        commits[commit.group.removeprefix(history.group("")).partition(".")[0]].append(commit)
    for service, name, work in (
        ("aggregator", "undecided-task", _events(history)),
        ("router", "unrouted-task", _tasks(history, kept)),
        ("agent", "unanswered-assignment", _assignments(history, kept)),
    ):
        report.facts[f"commits of {service}s"] = len(commits[service])
        _passed(list(work), commits[service], name, report)
    mine = commits["aggregator"]
    _remembered(history, mine, report)


def _passed(work: list[Work], commits: list[OffsetCommit], name: str, report: Report) -> None:
    by_partition: dict[tuple[str, int], list[Work]] = defaultdict(list)
    for one in work:
        by_partition[one.topic, one.partition].append(one)
    ordered: dict[tuple[str, int], tuple[list[int], list[Work]]] = {}
    for key, found in by_partition.items():
        found.sort()
        ordered[key] = ([one.offset for one in found], highest(found, lambda w: w.finished_ms))
    for commit in commits:
        offsets, latest = ordered.get((commit.topic, commit.partition), ([], []))
        below = bisect_left(offsets, commit.offset)
        if below and latest[below - 1].finished_ms > commit.at_ms:
            one = latest[below - 1]
            when = "never" if one.finished_ms == NEVER else f"at {one.finished_ms}"
            report.violated(
                f"commit.past-an-{name}",
                f"{commit.group} {commit.topic}[{commit.partition}] to {commit.offset} at"
                f" {commit.at_ms}: {one.what} at {one.offset} was finished {when}",
            )


def _events(history: History) -> Iterator[Work]:
    """The event that began each task, and answers of it that came before its panel."""
    topic = history.topic("panel-events")
    for task in history.tasks.values():
        first = task.first[1]
        if first is None:
            continue
        number = first.place.partition
        decided_ms = _first_ms([seen for seen in task.decisions if not seen.message.revision])
        yield Work(topic, number, first.offset, decided_ms, f"task {task.task_id}")
        for early in _before_the_panel(task, first):
            # Nobody has to wait for a panel beyond the deadline.
            let_go_ms = early.message.answer.deadline_ms or early.at_ms
            what = f"an answer of task {task.task_id}"
            yield Work(topic, number, early.offset, min(decided_ms, let_go_ms), what)


def _before_the_panel(task: TaskHistory, first: Seen) -> list[Seen]:
    return [seen for seen in task.timely().values() if seen.offset < first.offset]


def _tasks(history: History, kept: dict[tuple[str, int, int], int]) -> Iterator[Work]:
    for seen in history.evidence.tasks:
        routed_ms = kept.get(seen.place, NEVER)
        task_id = task_id_of(seen)
        if task_id and not is_poison(seen):
            founding = [event for _, event in history.of(task_id).founding]
            routed_ms = min(routed_ms, _first_ms(founding))
        yield Work(*seen.place, routed_ms, f"task {task_id or seen.key!r}")
    for seen in history.evidence.commands:
        handed_ms = kept.get(seen.place, NEVER)
        if seen.message is not None and seen.message.WhichOneof("command") == "cancel":
            cancels = history.of(seen.message.cancel.task_id).cancels
            handed_ms = min(handed_ms, _first_ms(cancels))
            yield Work(*seen.place, handed_ms, f"cancel of {seen.message.cancel.task_id}")


def _assignments(history: History, kept: dict[tuple[str, int, int], int]) -> Iterator[Work]:
    # An order names the task: its duplicate panels' assignments are not worked on any more either.
    stopped: dict[str, int] = {}
    for seen in history.evidence.control:
        if seen.message is not None:
            stopped.setdefault(seen.message.task_id, seen.at_ms)
    for seen in history.evidence.inboxes:
        done_ms = kept.get(seen.place, NEVER)
        if seen.message is None:
            yield Work(*seen.place, done_ms, "an unreadable assignment")
            continue
        assignment = seen.message
        if _silent(assignment, history.evidence.silent_permille):
            continue
        answers = history.of(assignment.task.id).answers.get(assignment.id, [])
        done_ms = min(
            done_ms,
            _first_ms(answers),
            assignment.deadline_ms,
            stopped.get(assignment.task.id, NEVER),
        )
        yield Work(*seen.place, done_ms, f"assignment {assignment.id}")


def _silent(assignment: Any, permille: int) -> bool:
    """Whether the chaos run's own agents were to leave this one unanswered (see agent.py there)."""
    name = f"{assignment.task.id}/{assignment.seat}/{assignment.round}"
    return zlib.crc32(name.encode()) % 1_000 < permille


def _remembered(history: History, commits: list[OffsetCommit], report: Report) -> None:
    """The metadata of a commit says where to begin in `decisions`: at or before every decision
    whose task would be opened again by events from the committed offset on.
    """
    spans: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for task in history.tasks.values():
        for decision in task.decisions:
            until_ms = decision.at_ms + history.evidence.window_ms
            again = [seen.offset for _, seen in task.founding if seen.at_ms <= until_ms]
            if again:
                place = (decision.offset, max(again), task.task_id)
                spans[decision.place.partition].append(place)
    for number, found in spans.items():
        found.sort()
        offsets = [offset for offset, _, _ in found]
        last = highest(found, lambda span: span[1])
        for commit in commits:
            if commit.partition != number or not commit.metadata.isdecimal():
                continue
            below = bisect_left(offsets, int(commit.metadata))
            if below and last[below - 1][1] >= commit.offset:
                offset, event, task_id = last[below - 1]
                report.violated(
                    "commit.forgets-a-decision",
                    f"to {commit.offset} of partition {number}, decisions from {commit.metadata}:"
                    f" {task_id} is decided at {offset} and has an event at {event}",
                )


def _letters(history: History) -> dict[tuple[str, int, int], int]:
    """Place of a record -> when it was kept among the dead letters."""
    kept: dict[tuple[str, int, int], int] = {}
    for seen in history.evidence.letters:
        letter = seen.message
        if letter is not None:
            kept.setdefault((letter.topic, letter.partition, letter.offset), seen.at_ms)
    return kept


def _first_ms(records: list[Seen]) -> int:
    return min((seen.at_ms for seen in records), default=NEVER)


def highest(items: list[T], rank: Callable[[T], int]) -> list[T]:
    """For each position the item of highest rank up to there."""
    found: list[T] = []
    for item in items:
        found.append(item if not found or rank(item) > rank(found[-1]) else found[-1])
    return found
