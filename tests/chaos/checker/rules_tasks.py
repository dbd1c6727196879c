"""Nothing is lost: every task that was published ends in exactly one decision per revision.

Looks at the manifest, the tasks topic and the decisions; a task that only the log of events knows
(its record in `tasks` is poison with a readable key) is held to the same.
"""

from collections import Counter

from tests.chaos.checker.evidence import Report
from tests.chaos.checker.history import History, TaskHistory, said
from tests.chaos.checker.partitions import partition_of

# What a task that cannot be processed may end as.
REFUSED = ("REJECTED", "FAILED")


def check_tasks(history: History, report: Report) -> None:
    """Violations: log.open-transaction, task.lost, decision.missing, decision.twice,
    decision.of-nothing, decision.revision-gap, *.wrong-partition, poison.decided-otherwise.
    """
    report.facts["tasks"] = len(history.asked)
    report.facts["task records"] = len(history.evidence.tasks)
    report.facts["manifest"] = len(history.evidence.manifest)
    for name, number in history.evidence.hidden.items():
        report.violated("log.open-transaction", f"{name} hides {number} records")
    for task in history.tasks.values():
        _decided_once(history, task, report)
    _manifest(history, report)
    _partitions(history, report)


def _decided_once(history: History, task: TaskHistory, report: Report) -> None:
    expected = task.task_id in history.asked or task.founding
    revisions = Counter(seen.message.revision for seen in task.decisions)
    if expected and not revisions[0]:
        kind, event = task.first
        where = f"its log begins with {kind} {said(event)}" if event else "its log is empty"
        report.violated("decision.missing", f"{task.task_id}: {where}")
    if task.decisions and not expected:
        report.violated("decision.of-nothing", f"{task.task_id} {said(task.decisions[0])}")
    for revision, number in revisions.items():
        if number > 1:
            told = [
                f"{seen.offset} {history.status(seen)} {seen.message.panel_id} at {seen.at_ms}"
                for seen in task.revision(revision)
            ]
            report.violated("decision.twice", f"{task.task_id} revision {revision}: {told}")
        if revision and not revisions[revision - 1]:
            report.violated("decision.revision-gap", f"{task.task_id} revision {revision}")


def _manifest(history: History, report: Report) -> None:
    places = {(seen.place.partition, seen.offset) for seen in history.evidence.tasks}
    for entry in history.evidence.manifest:
        task_id, kind = str(entry.get("id") or ""), str(entry.get("kind") or "plain")
        report.facts[f"manifest: {kind}"] += 1
        if "offset" in entry:
            kept = (int(entry["partition"]), int(entry["offset"])) in places
        else:
            kept = not task_id or task_id in history.asked
        if not kept:
            report.violated("task.lost", f"{kind} {task_id}: acknowledged, and not in tasks")
        if not task_id:
            continue
        decisions = history.of(task_id).decisions
        if not decisions and task_id not in history.asked:
            report.violated("decision.missing", f"{kind} {task_id} of the manifest")
        if kind in ("poison", "oversize"):
            for seen in decisions:
                if history.status(seen) not in REFUSED:
                    told = f"{kind} {task_id}: {history.status(seen)}"
                    report.violated("poison.decided-otherwise", told)


def _partitions(history: History, report: Report) -> None:
    for entity, records in (
        ("event", history.evidence.events),
        ("decision", history.evidence.decisions),
    ):
        for seen in records:
            if seen.message is None:
                continue
            # The key is the root's id, else the task's own.
            key = seen.key or seen.message.task_id.encode()
            belongs = partition_of(key, history.evidence.partitions)
            if seen.place.partition != belongs:
                told = f"{key!r} belongs to {belongs}, not {said(seen)}"
                report.violated(f"{entity}.wrong-partition", told)
