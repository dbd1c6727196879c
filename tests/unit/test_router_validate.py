"""Every limit on a task, each with the sentence that its publisher reads."""

import math
from collections.abc import Callable

import pytest

from comitia.v1.format_pb2 import AnswerFormat, JsonFormat, NumberFormat, RankingFormat, TextFormat
from comitia.v1.input_pb2 import Chat, Input, Reference
from comitia.v1.policy_pb2 import (
    METHOD_LEARNED,
    METHOD_MEDIAN,
    METHOD_PLURALITY,
    METHOD_PROBABILITY_WEIGHTED,
    SELECTION_BROADCAST,
    SELECTION_WEIGHTED,
    Policy,
)
from comitia.v1.task_pb2 import Task
from comitia_router.limits import Limits
from comitia_router.validate import is_task_id, problems, sentence
from tests.sim.events import make_task

LIMITS = Limits(timeout_ms_max=60_000)


def reference(**changes: object) -> Input:
    fields: dict[str, object] = {"uri": "s3://b/k", "sha256": bytes(32), "media_type": "text/plain"}
    return Input(reference=Reference(**{**fields, **changes}))  # type: ignore[arg-type]


def options(*ids: str) -> Callable[[Task], None]:
    def change(task: Task) -> None:
        task.format.choice.ClearField("options")
        for option in ids:
            task.format.choice.options.add(id=option)

    return change


def set_input(given: Input) -> Callable[[Task], None]:
    return lambda task: task.input.CopyFrom(given)


def set_format(given: AnswerFormat) -> Callable[[Task], None]:
    return lambda task: task.format.CopyFrom(given)


def put(field: str, value: object) -> Callable[[Task], None]:
    """Set a field by its dotted name."""

    def change(task: Task) -> None:
        *path, last = field.split(".")
        message: object = task
        for part in path:
            message = getattr(message, part)
        setattr(message, last, value)

    return change


def pooled_text(task: Task) -> None:
    task.format.text.SetInParent()
    task.policy.method = METHOD_PROBABILITY_WEIGHTED


def target_of_plurality(task: Task) -> None:
    task.policy.CopyFrom(Policy(method=METHOD_PLURALITY, probability_target=0.9))


def target_of_all(task: Task) -> None:
    task.policy.CopyFrom(Policy(wait_for_all=True, probability_target=0.9))


def broadcast_of_three(task: Task) -> None:
    task.policy.selection = SELECTION_BROADCAST
    task.policy.seats_max = 3


def quorum_over_seats(task: Task) -> None:
    task.policy.seats_max, task.policy.samples, task.policy.quorum = 3, 2, 7


@pytest.mark.parametrize(
    ("change", "start", "advice"),
    [
        (put("skill", ""), "skill: it is empty", "1 to 64"),
        (put("skill", "x" * 65), "skill: it has 65 characters", "at most 64"),
        (put("skill", "a\x00b"), "skill: 'a\\x00b' holds control characters", "leave them out"),
        (set_input(Input()), "input: it is empty", "set one of text"),
        (put("input.text", " \n"), "input.text: it is empty", "write what"),
        (set_input(Input(chat=Chat())), "input.chat: it has no message", "add at least one"),
        (
            set_input(Input(chat=Chat(messages=[{"role": "boss", "content": "x"}]))),
            "input.chat.messages[0].role: 'boss' is unknown",
            "use system",
        ),
        (set_input(reference(uri="no")), "input.reference.uri: 'no' is no absolute URI", "scheme:"),
        (set_input(reference(sha256=b"x")), "input.reference.sha256: it has 1 bytes", "32 bytes"),
        (
            set_input(reference(media_type="text")),
            "input.reference.media_type: 'text'",
            "text/plain",
        ),
        (set_format(AnswerFormat()), "format: it is empty", "set one of choice"),
        (options(), "format.choice.options: there are 0", "give 2 to 100"),
        (options("a"), "format.choice.options: there is one", "give 2 to 100"),
        (options("a", "b", "a"), "format.choice.options[2].id: 'a' stands twice", "its own"),
        (options("a", ""), "format.choice.options[1].id: it has 0 bytes", "use 1 to 128"),
        (options(*map(str, range(101))), "format.choice.options: there are 101", "give 2 to 100"),
        (
            set_format(AnswerFormat(ranking=RankingFormat())),
            "format.ranking.options: there are 0",
            "2",
        ),
        (
            set_format(AnswerFormat(number=NumberFormat(min=2, max=1))),
            "format.number: min 2 is above max 1",
            "swap",
        ),
        (
            set_format(AnswerFormat(number=NumberFormat(min=float("nan")))),
            "format.number.min: it is not finite",
            "leave it out",
        ),
        (set_format(AnswerFormat(json=JsonFormat())), "format.json.schema: it is empty", "{}"),
        (
            set_format(AnswerFormat(json=JsonFormat(schema="{"))),
            "format.json.schema: it is not",
            "correct",
        ),
        (
            set_format(AnswerFormat(json=JsonFormat(schema="[]"))),
            "format.json.schema: it is no",
            "object",
        ),
        (put("timeout_ms", 0), "timeout_ms: 0 is not possible", "1 to 60000"),
        (put("timeout_ms", 60_001), "timeout_ms: 60001 is not possible", "1 to 60000"),
        (put("priority", 9), "priority: there is no 9", "2 (PRIORITY_HIGH)"),
        (put("policy.method", 77), "policy.method: there is no 77", "..., 15 (METHOD_ATTENTION"),
        (put("policy.selection", 77), "policy.selection: there is no 77", "SELECTION_BROADCAST"),
        (put("policy.rounds", 2), "policy.rounds: more than one round", "among policy.steps"),
        (put("policy.samples", 17), "policy.samples: 17 are too many", "at most 16"),
        (put("policy.seats_max", 101), "policy.seats_max: 101 are too many", "at most 100"),
        (put("policy.quorum", 101), "policy.quorum: 101 ballots are more", "lower it"),
        (
            quorum_over_seats,
            "policy.quorum: 7 ballots are more than the panel can cast (6)",
            "lower",
        ),
        (broadcast_of_three, "policy.seats_max: with SELECTION_BROADCAST", "leave it 0"),
        (pooled_text, "policy.method: METHOD_PROBABILITY_WEIGHTED takes format.choice", "METHOD_M"),
        (put("policy.method", METHOD_MEDIAN), "policy.method: METHOD_MEDIAN takes", "LEARNED"),
        (put("policy.probability_target", 1.5), "policy.probability_target: 1.5 is no", "0 to 1"),
        (put("policy.probability_target", math.nan), "policy.probability_target: nan", "0 to 1"),
        (target_of_plurality, "policy.probability_target: METHOD_PLURALITY", "use METHOD_LEARNED"),
        (target_of_all, "policy.probability_target: with policy.wait_for_all", "leave one"),
        (put("root_id", "r"), "root_id: only stages of a task have it", "leave it empty"),
        (put("parent_id", "r"), "parent_id: only stages", "leave it empty"),
        (put("stage", "solve"), "stage: only stages", "leave it empty"),
        (put("tenant", "x" * 65), "tenant: it has 65 characters", "at most 64"),
        (put("session", "x" * 129), "session: it has 129 characters", "at most 128"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_change(
    change: Callable[[Task], None], start: str, advice: str
) -> None:
    task = make_task()
    change(task)
    (problem,) = problems(task, LIMITS)
    assert problem.startswith(start)
    assert advice in problem
    assert len(problem) < 300


@pytest.mark.parametrize(
    "change",
    [
        options(*map(str, range(100))),
        set_input(reference()),
        set_input(Input(chat=Chat(messages=[{"role": "user", "content": "x"}]))),
        set_format(AnswerFormat(text=TextFormat())),
        set_format(AnswerFormat(number=NumberFormat(min=1, max=1))),
        set_format(AnswerFormat(json=JsonFormat(schema='{"type": "object"}'))),
        put("timeout_ms", 60_000),
        put("policy.rounds", 1),
        put("tenant", ""),
        put("policy.selection", SELECTION_WEIGHTED),
        lambda task: task.policy.CopyFrom(Policy(probability_target=1.0)),
        lambda task: task.policy.CopyFrom(Policy(method=METHOD_LEARNED, probability_target=0.5)),
    ],
)
def test_what_is_within_the_limits_is_accepted(change: Callable[[Task], None]) -> None:
    task = make_task()
    change(task)
    assert problems(task, LIMITS) == ()


def test_several_problems_are_told_together_and_many_are_bounded() -> None:
    found = problems(Task(id="t"), LIMITS)
    assert [problem.partition(":")[0] for problem in found] == [
        "skill",
        "input",
        "format",
        "timeout_ms",
    ]
    assert sentence(["p"] * 9).endswith("; and 4 more")


@pytest.mark.parametrize(("task_id", "usable"), [
    ("a", True), ("A-z_0.9:x", True), ("x" * 128, True),
    ("", False), ("x" * 129, False), ("a b", False), ("ä", False), ("a\n", False), ("a@b", False),
])  # fmt: skip
def test_ids(task_id: str, usable: bool) -> None:
    assert is_task_id(task_id) is usable
