"""What must hold in the log when all is healed, told independently of the services' code.

In comes what a simulation has left; out come sentences, one per violation. The listing of rules is
in `violations`.
"""

from collections import Counter
from collections.abc import Iterator

from comitia.ports import Record
from comitia.v1.answer_pb2 import Answer
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_DECIDED,
    DECISION_STATUS_EXPIRED,
    Decision,
)
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.task_pb2 import Task
from tests.sim.invariants_conflict import conflict_violations
from tests.sim.processes import NAMES
from tests.sim.seen import (
    EVENTS,
    POISON,
    TASKS,
    Commit,
    Seen,
)

# Offset, assignment and content of an answer that may count.
Counted = tuple[int, str, Answer]


def violations(seen: Seen) -> list[str]:
    """Every rule that is broken, and by what."""
    found = [*_each_task_once(seen), *_panels_are_whole(seen), *_poison_is_kept(seen)]
    found += conflict_violations(seen)
    for task_id, pairs in seen.decisions.items():
        for record, decision in pairs:
            found += _ballots(seen, task_id, record, decision)
    for commit in seen.commits:
        if commit.tp.topic == EVENTS:
            found += _nothing_undecided_below(seen, commit)
        elif commit.tp.topic == TASKS:
            found += _nothing_unrouted_below(seen, commit)
        elif "inbox" in commit.tp.topic:
            found += _nothing_unanswered_below(seen, commit)
    return found


def _each_task_once(seen: Seen) -> Iterator[str]:
    for task_id in sorted(seen.expected - set(seen.decisions)):
        yield f"task {task_id} has no decision"
    for task_id, pairs in seen.decisions.items():
        partitions = {record.partition for record, _ in pairs}
        if task_id not in seen.events and task_id not in seen.expected:
            yield f"decision of {task_id}, which nobody published"
        if len(partitions) > 1:
            yield f"task {task_id} is decided in partitions {sorted(partitions)}"
        if seen.plan.exactly_once:
            for revision, count in Counter(d.revision for _, d in pairs).items():
                if count > 1:
                    offsets = [record.offset for record, _ in pairs]
                    yield f"task {task_id} revision {revision} has decisions at {offsets}"
        for _, decision in pairs:
            if decision.delivery != seen.delivery:
                yield f"decision of {task_id} names delivery {decision.delivery}"


def _panels_are_whole(seen: Seen) -> Iterator[str]:
    for task_id, pairs in seen.events.items():
        for _, event in pairs:
            for listed in event.panel_opened.assignments:
                if listed.id not in seen.assignments:
                    yield f"panel of {task_id} lists {listed.id}, which is in no inbox"


def _poison_is_kept(seen: Seen) -> Iterator[str]:
    for topic in (TASKS, EVENTS, NAMES.topic("commands")):
        for record in seen.records(topic):
            place = (topic, record.partition, record.offset)
            if (record.value or b"").startswith(POISON):
                values = [letter.value for _, letter in seen.letters.get(place, [])]
                if record.value not in values:
                    yield f"poison {place} is not in the dead letters"


def _winner(pairs: list[tuple[Record, PanelEvent]]) -> tuple[Record, PanelEvent] | None:
    """The first event that opens the task or says that it is refused or failed."""
    for record, event in pairs:
        if event.WhichOneof("event") in ("panel_opened", "task_refused", "task_failed"):
            return record, event
    return None


def _ballots(seen: Seen, task_id: str, decided: Record, decision: Decision) -> Iterator[str]:
    """The ballots are the first answers to the winning panel, in time, in log order and without a
    gap; all of them, where the deadline closed the vote.
    """
    winner = _winner(seen.events.get(task_id, []))
    counted = [ballot.assignment_id for ballot in decision.ballots]
    if winner is None or not winner[1].HasField("panel_opened"):
        if counted:
            yield f"decision of {task_id} counts {counted} without a panel"
        return
    panel = winner[1].panel_opened
    if panel.task.policy.steps or panel.task.policy.stages:
        return  # see invariants_conflict
    if decision.panel_id not in ("", panel.panel_id):
        yield f"decision of {task_id} is of panel {decision.panel_id}, {panel.panel_id} won"
    valid: list[Counted] = []
    for listed in panel.assignments:
        for record, answer in seen.answers.get(listed.id, [])[:1]:
            if record.timestamp_ms <= panel.deadline_ms:
                valid.append((record.offset, listed.id, answer))
    valid.sort(key=lambda one: one[0])
    ids = [assignment_id for _, assignment_id, _ in valid]
    # Answers wait for their panel until the deadline: one that opens later may find none of them.
    opened_in_time = winner[0].timestamp_ms <= panel.deadline_ms
    known = ids[: len(counted)] if opened_in_time else [one for one in ids if one in counted]
    if sorted(counted) != sorted(known):
        yield f"decision of {task_id} counts {counted}, the log has {ids}"
        return
    by_id = {assignment_id: answer for _, assignment_id, answer in valid}
    for ballot in decision.ballots:
        if ballot.value != by_id[ballot.assignment_id].value:
            yield f"decision of {task_id}: ballot {ballot.assignment_id} is not as answered"
    if opened_in_time:
        yield from _outcome(task_id, decided, decision, (panel.deadline_ms, valid))


def _outcome(
    task_id: str, decided: Record, decision: Decision, log: tuple[int, list[Counted]]
) -> Iterator[str]:
    """`log`: the deadline, and the answers in time."""
    deadline_ms, valid = log
    if decision.status == DECISION_STATUS_EXPIRED:
        if decided.timestamp_ms < deadline_ms:
            yield f"task {task_id} expired before its deadline"
        if len(decision.ballots) < len(valid):
            yield f"task {task_id} expired with answers in the log that were in time"
    if decision.status == DECISION_STATUS_DECIDED:
        votes = Counter(a.value.option_id for _, _, a in valid if a.HasField("value"))
        chosen = decision.value.option_id
        if votes[chosen] < max(votes.values(), default=0):
            yield f"task {task_id} is decided for {chosen}, the log says {dict(votes)}"


def _nothing_undecided_below(seen: Seen, commit: Commit) -> Iterator[str]:
    for task_id, pairs in seen.events.items():
        winner = _winner(pairs)
        if winner is None:
            continue
        record = winner[0]
        if record.partition != commit.tp.partition or record.offset >= commit.offset:
            continue
        if not any(seen.before(commit, r) for r, _ in seen.decisions.get(task_id, [])):
            yield (
                f"{commit.group} committed {commit.offset} of {commit.tp} past {task_id}"
                f" at {record.offset}, which was not decided"
            )


def _nothing_unrouted_below(seen: Seen, commit: Commit) -> Iterator[str]:
    for record in seen.records(TASKS):
        if record.partition != commit.tp.partition or record.offset >= commit.offset:
            continue
        place = (TASKS, record.partition, record.offset)
        routed = False
        if not (record.value or b"").startswith(POISON):
            task = Task.FromString(record.value or b"")
            routed = any(
                seen.before(commit, other)
                for other, event in seen.events.get(task.id, [])
                if record.timestamp_ms
                in (event.panel_opened.task_appended_ms, event.task_refused.task_appended_ms)
            )
        if not routed and not any(seen.before(commit, r) for r, _ in seen.letters.get(place, [])):
            yield f"{commit.group} committed {commit.offset} of {commit.tp} past an unrouted task"


def _nothing_unanswered_below(seen: Seen, commit: Commit) -> Iterator[str]:
    for assignment_id, pairs in seen.assignments.items():
        for record, assignment in pairs:
            here = (record.topic, record.partition) == (commit.tp.topic, commit.tp.partition)
            if not here or record.offset >= commit.offset:
                continue
            if commit.at_ms >= assignment.deadline_ms:
                continue
            answered = any(seen.before(commit, r) for r, _ in seen.answers.get(assignment_id, []))
            decided = seen.decisions.get(assignment.task.id, [])
            if not answered and not any(seen.before(commit, r) for r, _ in decided):
                at = f"{commit.offset} of {commit.tp}"
                yield f"{commit.group} committed {at} past {assignment_id}"
