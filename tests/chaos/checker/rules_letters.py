"""Dead letters: what could not be processed is kept byte for byte, and every reference to a letter
leads to one.
"""

from tests.chaos.checker.evidence import Place, Report, Seen
from tests.chaos.checker.history import History, is_poison, said, task_id_of

# Header of a record that says what became of an earlier letter: no letter itself.
RESOLVES = "comitia_resolves"


def check_letters(history: History, report: Report) -> None:
    """Violations: letter.missing, letter.not-the-original, letter.dangling, letter.unreadable."""
    letters = [seen for seen in history.evidence.letters if RESOLVES not in dict(seen.headers)]
    report.facts["dead letters"] = len(letters)
    of_place: dict[Place, Seen] = {}
    for seen in letters:
        if seen.message is None:
            report.violated("letter.unreadable", said(seen))
            continue
        report.facts[f"dead letters: {seen.message.reason}"] += 1
        place = Place(seen.message.topic, seen.message.partition, seen.message.offset)
        of_place.setdefault(place, seen)
    _originals(history, of_place, report)
    _missing(history, letters, of_place, report)
    standing = {seen.place for seen in history.evidence.letters}
    for seen in history.evidence.decisions:
        if seen.message is not None and seen.message.HasField("dead_letter"):
            named = seen.message.dead_letter
            if Place(named.topic, named.partition, named.offset) not in standing:
                told = f"{seen.message.task_id} {said(seen)} names {named.topic}@{named.offset}"
                report.violated("letter.dangling", told)


def _originals(history: History, of_place: dict[Place, Seen], report: Report) -> None:
    evidence = history.evidence
    for original in (*evidence.tasks, *evidence.commands, *evidence.inboxes, *evidence.events):
        kept = of_place.get(original.place)
        if kept is None or kept.message is None:
            continue
        value, whole = kept.message.value, original.value or b""
        cut = "cut to" in kept.message.error and whole.startswith(value)
        if kept.message.key != (original.key or b"") or not (value == whole or cut):
            report.violated("letter.not-the-original", f"{said(kept)} of {said(original)}")


def _missing(
    history: History, letters: list[Seen], of_place: dict[Place, Seen], report: Report
) -> None:
    contents: dict[str, set[bytes]] = {}
    spoiled: set[str] = set()
    for seen in history.evidence.tasks:
        task_id = task_id_of(seen)
        if is_poison(seen):
            report.facts["poison tasks"] += 1
            spoiled.add(task_id)
            if seen.place not in of_place:
                report.violated("letter.missing", f"poison {said(seen)} {task_id}")
        else:
            content = seen.message.SerializeToString(deterministic=True)
            contents.setdefault(task_id, set()).add(content)
    reasons = {(seen.message.task_id, seen.message.reason) for seen in letters if seen.message}
    for task_id, found in contents.items():
        if len(found) > 1:
            report.facts["ids with several contents"] += 1
            if task_id not in spoiled and (task_id, "DUPLICATE_ID") not in reasons:
                report.violated("letter.missing", f"{task_id} has {len(found)} contents")
    named = {seen.message.task_id for seen in letters if seen.message}
    for entry in history.evidence.manifest:
        task_id = str(entry.get("id") or "")
        if entry.get("kind") == "oversize" and task_id and task_id not in named:
            report.violated("letter.missing", f"oversize {task_id}")
