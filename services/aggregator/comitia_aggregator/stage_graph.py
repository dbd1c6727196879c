"""Where a staged task goes from the decision of a stage: its policy's stages, how often each was
entered and what was decided in; the name of the next stage, or that the task ends, out. Pure.

No stage is entered more often than its policy says, so every walk ends.
"""

from collections.abc import Mapping

from comitia.policy.graph import ENTRIES_MAX, format_of
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.policy_pb2 import Branch, Stage
from comitia.v1.task_pb2 import Task
from comitia.v1.value_pb2 import Value
from comitia_aggregator.values import key_of


def stage_of(task: Task, name: str) -> Stage | None:
    """The stage of that name; None where the task has no such."""
    return next((stage for stage in task.policy.stages if stage.name == name), None)


def onward(
    task: Task, stage: Stage, value: Value, entered: Mapping[str, int]
) -> tuple[str, tuple[str, ...]]:
    """Where to go once `stage` has decided `value`: the next stage's name, "" for the end; and the
    stages that would have come but were entered as often as they may be. `entered`: how often each
    was.
    """
    full: list[str] = []
    for branch in stage.next:
        if not _fits(branch, value, format_of(stage, task.format)):
            continue
        if not branch.stage or _has_room(task, branch.stage, entered):
            return branch.stage, tuple(full)
        full.append(branch.stage)
    if stage.next:
        return "", tuple(full)
    names = [one.name for one in task.policy.stages]
    following = names[names.index(stage.name) + 1 :][:1]
    if following and _has_room(task, following[0], entered):
        return following[0], ()
    return "", tuple(following)


def _has_room(task: Task, name: str, entered: Mapping[str, int]) -> bool:
    stage = stage_of(task, name)
    if stage is None:
        return False
    most = min(stage.entries_max, ENTRIES_MAX) if stage.HasField("entries_max") else 1
    return entered.get(name, 0) < most


def _fits(branch: Branch, value: Value, answer_format: AnswerFormat) -> bool:
    return not branch.values or any(_same(one, value, answer_format) for one in branch.values)


def _same(one: Value, other: Value, answer_format: AnswerFormat) -> bool:
    """As ballots are compared; as they are written, where one of them is no answer."""
    try:
        return key_of(one, answer_format) == key_of(other, answer_format)
    except ValueError:
        return one == other
