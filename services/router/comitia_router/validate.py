"""Is a task something that a panel can answer? A task in, the sentences about what to change out;
none when it is valid.

Every limit that the contracts name in proto/comitia/v1 is checked here. Each sentence begins with
the field, says what is wrong with it and what to change. Content that a user sent is shown
shortened, so that a sentence has a bounded length.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from comitia.v1.format_pb2 import AnswerFormat, NumberFormat, Option
from comitia.v1.input_pb2 import Chat, Input, Reference
from comitia.v1.task_pb2 import Priority, Task
from comitia_router.json_schema import problem_of
from comitia_router.limits import Limits
from comitia_router.policies import known, policy_problems

TASK_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
MEDIA_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
MEDIA_TYPE = re.compile(rf"{MEDIA_NAME}/{MEDIA_NAME}(?:\s*;.{{0,256}})?")
ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,63}:[^\s]+")
CHAT_ROLES = ("system", "user", "assistant")
SHOWN_CHARACTERS_MAX = 40
PROBLEMS_SHOWN_MAX = 5
# Number -> name.
_PRIORITIES: Mapping[int, str] = {number: name for name, number in Priority.items()}


def is_task_id(text: str) -> bool:
    return TASK_ID.fullmatch(text) is not None


def problems(task: Task, limits: Limits, *, stage: bool = False) -> tuple[str, ...]:
    """What is wrong with a task from the public topic, or with a stage of one; its id has been
    checked before.
    """
    found = [
        *(() if stage else _origin(task)),
        *_text("skill", task.skill, limits.skill_characters_max),
        *_input(task.input),
        *_format(task.format, limits),
        *_timeout(task.timeout_ms, limits),
        *known("priority", task.priority, _PRIORITIES),
        *policy_problems(task.policy, task.format, limits),
        *_vote_time(task),
        *_stages(task, limits),
        *_text("tenant", task.tenant, limits.tenant_characters_max, required=False),
        *_text("session", task.session, limits.session_characters_max, required=False),
    ]
    return tuple(found)


def oversize(task: Task, limits: Limits) -> str:
    """What is too large about a task; "" when nothing is. It is asked first: what is too large goes
    no further, not even into the log of its task.
    """
    size, own = task.input.ByteSize(), task.ByteSize()
    if size > limits.input_bytes_max:
        return (
            f"input: it has {size} bytes; shorten it to {limits.input_bytes_max}, or keep the "
            "content elsewhere and send a reference"
        )
    if own > limits.task_bytes_max:
        return (
            f"the task has {own} bytes; shorten its options' texts or its schema until it has "
            f"{limits.task_bytes_max}"
        )
    return ""


def sentence(found: Sequence[str]) -> str:
    """The problems as one text, the first few of many."""
    more = len(found) - PROBLEMS_SHOWN_MAX
    return "; ".join(found[:PROBLEMS_SHOWN_MAX]) + (f"; and {more} more" if more > 0 else "")


def shown(text: str) -> str:
    """Text of a user in quotes, shortened."""
    if len(text) > SHOWN_CHARACTERS_MAX:
        text = text[: SHOWN_CHARACTERS_MAX - 3] + "..."
    return repr(text)


def _origin(task: Task) -> Iterator[str]:
    for field in ("root_id", "parent_id", "stage"):
        if getattr(task, field):
            yield f"{field}: only stages of a task have it, none is published here; leave it empty"
    if task.deadline_ms:
        yield "deadline_ms: only stages of a task have it; say timeout_ms and leave it 0"


def _text(field: str, text: str, characters_max: int, required: bool = True) -> Iterator[str]:
    if required and not text.strip():
        yield f"{field}: it is empty; name 1 to {characters_max} characters"
    elif len(text) > characters_max:
        yield f"{field}: it has {len(text)} characters; use at most {characters_max}"
    elif not text.isprintable():
        yield f"{field}: {shown(text)} holds control characters; leave them out"


def _timeout(timeout_ms: int, limits: Limits) -> Iterator[str]:
    if not 1 <= timeout_ms <= limits.timeout_ms_max:
        yield (
            f"timeout_ms: {timeout_ms} is not possible; "
            f"give the panel 1 to {limits.timeout_ms_max} milliseconds"
        )


def _stages(task: Task, limits: Limits) -> Iterator[str]:
    """What a stage has of its own: seen before the first of them has cost anything."""
    for number, stage in enumerate(task.policy.stages):
        found = _text("skill", stage.skill, limits.skill_characters_max, required=False)
        for said in (*found, *(_format(stage.format, limits) if stage.HasField("format") else ())):
            yield f"policy.stages[{number}].{said}"


def _vote_time(task: Task) -> Iterator[str]:
    vote_ms = task.policy.vote_timeout_ms
    if vote_ms > task.timeout_ms:
        yield (
            f"policy.vote_timeout_ms: {vote_ms} is more than the task has (timeout_ms "
            f"{task.timeout_ms}); lower it, or raise timeout_ms"
        )


def _input(given: Input) -> Iterator[str]:
    kind = given.WhichOneof("kind")
    if kind is None:
        yield "input: it is empty; set one of text, chat, reference"
    elif kind == "text" and not given.text.strip():
        yield "input.text: it is empty; write what the panel shall answer"
    elif kind == "chat":
        yield from _chat(given.chat)
    elif kind == "reference":
        yield from _reference(given.reference)


def _chat(chat: Chat) -> Iterator[str]:
    if not chat.messages:
        yield "input.chat: it has no message; add at least one"
    for number, message in enumerate(chat.messages):
        field = f"input.chat.messages[{number}]"
        if message.role not in CHAT_ROLES:
            yield f"{field}.role: {shown(message.role)} is unknown; use system, user or assistant"
        if not message.content.strip():
            yield f"{field}.content: it is empty; write something or leave the message out"


def _reference(reference: Reference) -> Iterator[str]:
    if not ABSOLUTE_URI.fullmatch(reference.uri):
        yield f"input.reference.uri: {shown(reference.uri)} is no absolute URI; write scheme:..."
    if len(reference.sha256) != 32:
        yield (
            f"input.reference.sha256: it has {len(reference.sha256)} bytes; "
            "give the 32 bytes of the content's SHA-256"
        )
    if not MEDIA_TYPE.fullmatch(reference.media_type):
        yield (
            f"input.reference.media_type: {shown(reference.media_type)} is no media type; "
            "write type/subtype, for example text/plain"
        )


def _format(given: AnswerFormat, limits: Limits) -> Iterator[str]:
    kind = given.WhichOneof("kind")
    if kind is None:
        yield "format: it is empty; set one of choice, text, number, ranking, json"
    elif kind == "choice":
        yield from _options("format.choice.options", given.choice.options, limits)
    elif kind == "ranking":
        yield from _options("format.ranking.options", given.ranking.options, limits)
    elif kind == "number":
        yield from _number(given.number)
    elif kind == "json":
        problem = problem_of(given.json.schema)
        if problem:
            yield f"format.json.schema: {problem}"


def _options(field: str, options: Sequence[Option], limits: Limits) -> Iterator[str]:
    if not 2 <= len(options) <= limits.options_max:
        there = "there is one" if len(options) == 1 else f"there are {len(options)}"
        yield f"{field}: {there}; give 2 to {limits.options_max}"
    seen: set[str] = set()
    for number, option in enumerate(options[: limits.options_max + 1]):
        size = len(option.id.encode())
        if not 1 <= size <= limits.option_id_bytes_max:
            most = limits.option_id_bytes_max
            yield f"{field}[{number}].id: it has {size} bytes; use 1 to {most}"
        elif option.id in seen:
            yield f"{field}[{number}].id: {shown(option.id)} stands twice; give each its own"
        seen.add(option.id)


def _number(bounds: NumberFormat) -> Iterator[str]:
    for field in ("min", "max"):
        if bounds.HasField(field) and not math.isfinite(getattr(bounds, field)):
            yield f"format.number.{field}: it is not finite; give a number or leave it out"
    if bounds.HasField("min") and bounds.HasField("max") and bounds.min > bounds.max:
        yield f"format.number: min {bounds.min:g} is above max {bounds.max:g}; swap them"
