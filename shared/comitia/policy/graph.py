"""Is a graph of stages one that ends? A policy and the task's format in, the sentences about what
to change out.

Every stage must be reached, every branch must lead to a stage, and every way back must be bounded:
a stage that stands on a cycle says how often it is entered at most.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

from comitia.policy.check import ladder_problems, value_problem
from comitia.policy.names import duplicates, name_problem
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.policy_pb2 import Policy, Stage

STAGES_MAX = 16
NAME_CHARACTERS_MAX = 32
ENTRIES_MAX = 8
# Beside `stages` a policy of stages has none of these.
ALONE = ("quorum", "method", "samples", "selection", "seats_max", "wait_for_all",
         "probability_target", "steps", "vote_timeout_ms", "roles")  # fmt: skip
F = TypeVar("F", bound=AnswerFormat | None)
_PLACE = re.compile(r"\{([a-z0-9-]+)\}")


def stages_problems(
    policy: Policy, given: AnswerFormat | None, where: str = "policy"
) -> Iterator[str]:
    """What is wrong with the stages; the policy of each stage included."""
    stages = policy.stages
    if not stages:
        return
    if len(stages) > STAGES_MAX:
        yield f"{where}.stages: {len(stages)} are too many; use at most {STAGES_MAX}"
    for name in ALONE:
        if getattr(policy, name):
            yield (
                f"{where}.{name}: a policy of stages has panels of its own; set it in "
                f"{where}.stages[].policy"
            )
    names = [stage.name for stage in stages]
    yield from duplicates(f"{where}.stages", names, "stages", "give each a name of its own")
    for number, stage in enumerate(stages):
        yield from _stage(stage, names, given, f"{where}.stages[{number}]")
    if len(set(names)) == len(names):
        yield from _reached(stages, where)
        yield from _bounded(stages, where)


def _stage(
    stage: Stage, names: Sequence[str], task_format: AnswerFormat | None, where: str
) -> Iterator[str]:
    yield from name_problem(f"{where}.name", stage.name, NAME_CHARACTERS_MAX)
    if stage.name == "input":
        yield f"{where}.name: {{input}} stands for the task's input; choose another name"
    for place in dict.fromkeys(_PLACE.findall(stage.input)):
        if place != "input" and place not in names:
            yield (
                f"{where}.input: there is no stage {place!r}; use {{input}} or the name of a stage"
            )
    given = format_of(stage, task_format)
    if stage.policy.stages:
        yield f"{where}.policy.stages: a stage is one panel; list its stages beside it"
    yield from ladder_problems(stage.policy, given, f"{where}.policy", stage=True)
    if stage.HasField("timeout_ms") and stage.timeout_ms == 0:
        yield f"{where}.timeout_ms: in 0 ms nobody answers; give it some, or leave it out"
    if stage.HasField("entries_max") and not 1 <= stage.entries_max <= ENTRIES_MAX:
        yield f"{where}.entries_max: {stage.entries_max} is not possible; give 1 to {ENTRIES_MAX}"
    for number, branch in enumerate(stage.next):
        at = f"{where}.next[{number}]"
        if branch.stage and branch.stage not in names:
            yield f"{at}.stage: there is no stage {branch.stage!r}; use one of {', '.join(names)}"
        for place, value in enumerate(branch.values):
            if given is not None:
                yield from value_problem(f"{at}.values[{place}]", value, given)


def format_of(stage: Stage, task_format: F) -> AnswerFormat | F:
    """What an answer of the stage looks like; that of the task where it does not say."""
    return stage.format if stage.HasField("format") else task_format


def _after(stages: Sequence[Stage]) -> dict[str, list[str]]:
    """Name -> where the task may go from there."""
    found: dict[str, list[str]] = {}
    for number, stage in enumerate(stages):
        following = stages[number + 1].name if number + 1 < len(stages) else ""
        going = [branch.stage for branch in stage.next] if stage.next else [following]
        found[stage.name] = [name for name in going if name]
    return found


def _reached(stages: Sequence[Stage], where: str) -> Iterator[str]:
    after, met, ahead = _after(stages), set(), [stages[0].name]
    while ahead:
        name = ahead.pop()
        if name not in met:
            met.add(name)
            ahead += [one for one in after.get(name, ()) if one in after]
    for number, stage in enumerate(stages):
        if stage.name not in met:
            yield (
                f"{where}.stages[{number}]: no stage leads to {stage.name!r}; name it in a branch, "
                "or leave it out"
            )


def _bounded(stages: Sequence[Stage], where: str) -> Iterator[str]:
    """Cycles on which no bound stands: walk over the stages that have none."""
    after = _after(stages)
    free = {stage.name for stage in stages if not stage.HasField("entries_max")}
    for number, stage in enumerate(stages):
        # A branch that leads back here needs this stage to say how often.
        if stage.name in free and stage.name in _from(stage.name, after):
            yield (
                f"{where}.stages[{number}].entries_max: {stage.name!r} stands on a cycle; say how "
                f"often it is entered at most, 1 to {ENTRIES_MAX}"
            )


def _from(name: str, after: dict[str, list[str]]) -> set[str]:
    """Everything that can come after a stage."""
    met: set[str] = set()
    ahead = list(after.get(name, ()))
    while ahead:
        one = ahead.pop()
        if one not in met:
            met.add(one)
            ahead += after.get(one, ())
    return met
