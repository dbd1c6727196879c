"""Tasks from what a person types or a line of a file says, refused early where the router would
refuse them anyway.

In: text and options, or proto3 JSON. Out: Task messages whose input fits. The router checks the
rest and says so in the decision.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.json_format import Parse, ParseError

from comitia.config import RouterSettings
from comitia.errors import Poison
from comitia.v1.format_pb2 import AnswerFormat, Option
from comitia.v1.input_pb2 import Input
from comitia.v1.task_pb2 import Task

INPUT_BYTES_MAX = int(RouterSettings.model_fields["input_bytes_max"].default)
TASK_BYTES_MAX = int(RouterSettings.model_fields["task_bytes_max"].default)
TIMEOUT_MS_DEFAULT = 30_000
SKILL_DEFAULT = "answer"


@dataclass(frozen=True)
class Defaults:
    """What a task gets where it says nothing itself."""

    skill: str = SKILL_DEFAULT
    timeout_ms: int = TIMEOUT_MS_DEFAULT


def answer_format(options: Sequence[str]) -> AnswerFormat:
    """A choice among `options`, text where there are none."""
    answers = AnswerFormat()
    if options:
        answers.choice.options.extend(Option(id=option) for option in options)
    else:
        answers.text.SetInParent()
    return answers


def split_options(text: str) -> list[str]:
    """ "a, b" -> ["a", "b"]. What stands between commas, without the spaces around it."""
    return [option.strip() for option in text.split(",")] if text.strip() else []


def task_of_text(task_id: str, text: str, options: Sequence[str], defaults: Defaults) -> Task:
    """A task about `text`. Poison (TOO_LARGE) when the text is longer than a router accepts."""
    task = Task(
        id=task_id,
        skill=defaults.skill,
        input=Input(text=text),
        format=answer_format(options),
        timeout_ms=defaults.timeout_ms,
    )
    check_size(task)
    return task


def task_of_line(line: bytes, number: int, run: str, defaults: Defaults) -> tuple[Task, bool]:
    """A task of proto3 JSON. Without an id it gets one of the run, the line's number and its
    content, so that publishing the line again in the same run is the same task.

    The second value says whether the line gave an id. Poison says what to change in the line.
    """
    try:
        task = Parse(line.decode(), Task())
    except UnicodeDecodeError as error:
        raise Poison(
            f"not UTF-8 text (byte {error.start + 1}): save the file as UTF-8", "UNREADABLE"
        ) from error
    except ParseError as error:
        raise Poison(
            f'not a Task in proto3 JSON ({error}): write {{"input": {{"text": "..."}}, "format": '
            '{"choice": {"options": [{"id": "yes"}, {"id": "no"}]}}}',
            "UNREADABLE",
        ) from error
    named = bool(task.id)
    if not named:
        digest = hashlib.sha256(f"{run}\n{number}\n".encode() + line)
        task.id = f"{run}-{number}-{digest.hexdigest()[:16]}"
    task.skill = task.skill or defaults.skill
    task.timeout_ms = task.timeout_ms or defaults.timeout_ms
    if task.format.WhichOneof("kind") is None:
        task.format.text.SetInParent()
    check_size(task)
    return task, named


def check_size(task: Task) -> None:
    """Poison (TOO_LARGE) when the task or its input exceeds what a router accepts by default."""
    _check("the input", task.input.ByteSize(), INPUT_BYTES_MAX, "shorten it or ask about its parts")
    _check("the task", task.ByteSize(), TASK_BYTES_MAX, "shorten its options' texts or its schema")


def _check(what: str, size: int, size_max: int, advice: str) -> None:
    if size > size_max:
        raise Poison(
            f"{what} has {size:,} bytes, at most {size_max:,} ({size_max // 1024} KiB) are "
            f"accepted: {advice}",
            "TOO_LARGE",
        )


def input_text(source: Input) -> str:
    """What a task is about, as one line for a person."""
    kind = source.WhichOneof("kind")
    if kind == "text":
        return " ".join(source.text.split())
    if kind == "chat":
        last = source.chat.messages[-1] if source.chat.messages else None
        return " ".join(last.content.split()) if last else ""
    return source.reference.uri
