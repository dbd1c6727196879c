"""What turned out to be right, from a command or a file to Feedback messages that name the decision
they speak of.

In: entries, each a task's id and a value; the decisions of those tasks, read from the log. Out:
Feedback whose value is what the task asked for, checked as the learner checks it, so that what it
would put into the dead letters is refused here with a sentence. The same entry makes the same
Feedback with the same id, so that a file that is sent twice counts once.
"""

import csv
import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO

from comitia.errors import ConfigError
from comitia.ports import Record, TopicPartition
from comitia.runtime.partitioner import partition_of
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.feedback_pb2 import Feedback
from comitia_cli.client.records import decode, scan
from comitia_cli.client.values import value_of
from comitia_cli.shell import Session
from comitia_learner.judging import judge, panel_of

NAMES = {"task_id", "correct", "by", "id", "root_id"}
# As other programs, and proto3 JSON, call them.
_ALIASES = {"taskId": "task_id", "rootId": "root_id"}
ID_CHARACTERS_MAX = 128
# Lines whose decisions are looked for in one pass over the log.
BATCH = 20_000
_NO_DECISION = "no decision of this task is in the log: see that the id is right and that it ended"


@dataclass(frozen=True)
class Entry:
    """`correct`: a text, or a value of JSON. `line`: of the file, from 1; 0 for a command's own.
    `id` "" is made of the rest.
    """

    line: int
    task_id: str
    correct: object
    by: str
    id: str = ""
    root_id: str = ""


@dataclass(frozen=True)
class Refused:
    """An entry that cannot be feedback, and what to change. `unknown`: no decision was found."""

    line: int
    why: str
    unknown: bool = False


def read_entries(file: IO[str], kind: str, by: str) -> Iterator[Entry | Refused]:
    """The entries of a file, `kind` "csv" (with a heading) or "jsonl"; empty lines are skipped.

    `by`: for lines that do not say who. ConfigError when the heading lacks a column; a line that
    cannot be read is Refused.
    """
    for line, found in (_csv_lines if kind == "csv" else _json_lines)(file):
        try:
            yield _entry(line, found, by)
        except ValueError as error:
            yield Refused(line, str(error))


def in_batches(entries: Iterator[Entry | Refused]) -> Iterator[list[Entry | Refused]]:
    """So many at a time that their decisions are looked for together."""
    while batch := list(islice(entries, BATCH)):
        yield batch


async def resolve(session: Session, entries: Sequence[Entry]) -> list[Feedback | Refused]:
    """The Feedback of each entry, in their order, about the last revision that holds ballots."""
    topic = await session.topic("decisions")
    wanted: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        wanted.setdefault(entry.task_id, []).append(number)
    found: list[Feedback | Refused] = [Refused(e.line, _NO_DECISION, True) for e in entries]
    partitions = frozenset(
        TopicPartition(topic.name, partition_of(entry.root_id or entry.task_id, topic.partitions))
        for entry in entries
    )
    async for record, decision in _decisions(session, partitions, wanted):
        for number in wanted[decision.task_id]:
            # A person's verdict is a revision without ballots: the panel's is the one to judge.
            if decision.ballots or isinstance(found[number], Refused):
                found[number] = _about(entries[number], decision, record)
    return found


def make_id(entry: Entry, revision: int, value: bytes) -> str:
    """An id that equal feedback shares: of the task, the decision's revision, the right value (its
    deterministic serialisation) and who says so.
    """
    said = json.dumps([entry.task_id, revision, value.hex(), entry.by])
    return f"said-{hashlib.blake2b(said.encode(), digest_size=16).hexdigest()}"


async def _decisions(
    session: Session, partitions: frozenset[TopicPartition], wanted: Mapping[str, object]
) -> AsyncIterator[tuple[Record, Decision]]:
    """Decisions of the tasks that are `wanted`."""
    if not partitions:
        return
    async for record in scan(session.log, partitions):
        decision = decode(Decision, record)
        if decision.task_id in wanted:
            yield record, decision


def _about(entry: Entry, decision: Decision, record: Record) -> Feedback | Refused:
    panel = panel_of(decision)
    if panel is None:
        ended = DecisionStatus.Name(decision.status).removeprefix("DECISION_STATUS_")
        return Refused(entry.line, f"it ended {ended} and nobody voted: there is nothing to judge")
    try:
        correct = value_of(panel.kind, entry.correct)
        judge(panel, correct)
    except ValueError as error:
        return Refused(entry.line, _with_options(str(error), panel.options))
    value = correct.SerializeToString(deterministic=True)
    return Feedback(
        id=entry.id or make_id(entry, decision.revision, value),
        task_id=entry.task_id,
        decision_partition=record.partition,
        decision_offset=record.offset,
        correct=correct,
        by=entry.by,
    )


def _with_options(why: str, options: Sequence[str]) -> str:
    """An option that is none is most often misspelt."""
    named = ", ".join(options[:8]) + (", ..." if len(options) > 8 else "")
    return f"{why}: {named}" if options and "none of the" in why else why


def _entry(line: int, found: object, by: str) -> Entry:
    """ValueError, with a sentence, for what makes no entry."""
    if isinstance(found, ValueError):
        raise found
    if not isinstance(found, Mapping):
        raise ValueError('must be an object like {"task_id": "t-1", "correct": "yes"}')
    given = {_ALIASES.get(str(name), str(name)): value for name, value in found.items()}
    if unknown := sorted(set(given) - NAMES):
        raise ValueError(f"{unknown[0]!r} is no field: use {', '.join(sorted(NAMES))}")
    texts = {name: given.get(name) or "" for name in ("task_id", "by", "id", "root_id")}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} must be a text")
    if not texts["task_id"].strip():
        raise ValueError("it names no task: set task_id")
    if given.get("correct") in (None, ""):
        raise ValueError("it does not say what is right: set correct")
    return checked(
        Entry(
            line,
            texts["task_id"].strip(),
            given["correct"],
            texts["by"] or by,
            texts["id"],
            texts["root_id"],
        )
    )


def checked(entry: Entry) -> Entry:
    """The same entry. ValueError where a text of it is not UTF-8, or its id is too long."""
    try:
        for text in (entry.task_id, entry.by, entry.id, entry.root_id, entry.correct):
            str(text).encode()
    except UnicodeEncodeError as error:
        raise ValueError("not UTF-8 text: save the file as UTF-8") from error
    if len(entry.id) > ID_CHARACTERS_MAX:
        raise ValueError(f"its id has {len(entry.id)} characters, at most {ID_CHARACTERS_MAX}")
    return entry


def _json_lines(file: IO[str]) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                found = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                found = None
            yield number, found


def _csv_lines(file: IO[str]) -> Iterator[tuple[int, object]]:
    rows = csv.DictReader(file, restkey="a column without a heading", strict=True)
    try:
        heading = [_ALIASES.get(name, name) for name in rows.fieldnames or ()]
    except csv.Error as error:
        raise ConfigError(f"the first line is not CSV: {error}") from error
    if missing := [name for name in ("task_id", "correct") if name not in heading]:
        raise ConfigError(
            f"the first line names no column {missing[0]!r}: it must be a heading with task_id"
            " and correct, and may have by, id and root_id"
        )
    while True:
        first = rows.reader.line_num + 1
        try:
            fields = next(rows, None)
        except csv.Error as error:
            yield first, _not_csv(first, rows.reader.line_num, error)
        else:
            if fields is None:
                return
            yield rows.line_num, fields


def _not_csv(first: int, last: int, error: csv.Error) -> ValueError:
    """A quotation mark that is left open takes all lines up to the next one, or the end."""
    read = f"read as one up to line {last}, " if last > first else ""
    return ValueError(f"{read}not CSV ({error}): close each quotation mark")
