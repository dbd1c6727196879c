"""A stage as a task of its own: the parent, the stage and what was decided so far in; the child
Task out, or why there can be none. Pure: the same log gives the same child, under the same id.

The stage's template is filled in: {input} is what the parent asks, {NAME} what the stage NAME
decided last, nothing where it has not; an option is given by its id and its text. What was put in
is not read as a template again.
"""

import re
from collections.abc import Mapping, Sequence

from comitia.policy.graph import format_of
from comitia.v1.decision_pb2 import StageRecord
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.input_pb2 import Input
from comitia.v1.panel_event_pb2 import PanelOpened
from comitia.v1.policy_pb2 import Stage
from comitia.v1.task_pb2 import Budget, Task
from comitia.v1.value_pb2 import Value
from comitia_aggregator.stage_graph import stage_of
from comitia_aggregator.state import KIB
from comitia_aggregator.values import options_of

# What the contract lets an input have.
INPUT_BYTES_MAX = 256 * KIB
# What `child_id` makes.
CHILD_ID = re.compile(r".+:[a-z0-9-]{1,32}:[1-8]", re.DOTALL)
_PLACE = re.compile(r"\{([a-z0-9-]{1,32})\}")
# Of a task's time, the part that its last stage leaves to the decision of the whole; at most so
# many milliseconds.
RESERVE_PART = 20
RESERVE_MS_MAX = 1_000


class CannotEnter(Exception):
    """Says why a stage cannot begin."""


class OverBudget(CannotEnter):
    """What the task may cost is spent."""


class OutOfTime(CannotEnter):
    """The task's time is over."""


def child_id(parent_id: str, stage: str, attempt: int) -> str:
    """Id of a stage's task. `attempt`: from 1."""
    return f"{parent_id}:{stage}:{attempt}"


def child_of(
    panel: PanelOpened, stage: Stage, attempt: int, records: Sequence[StageRecord], at_ms: int
) -> Task:
    """The task of a stage that is entered at `at_ms` (broker's clock, epoch milliseconds).
    `records`: the stages that have ended. Raises CannotEnter.
    """
    parent = panel.task
    whole_ms = max(0, panel.deadline_ms - panel.task_appended_ms)
    deadline_ms = panel.deadline_ms - min(RESERVE_MS_MAX, whole_ms // RESERVE_PART)
    left_ms = deadline_ms - at_ms
    if left_ms <= 0:
        raise OutOfTime(f"no time was left for stage {stage.name}")
    child = Task(
        id=child_id(parent.id, stage.name, attempt),
        root_id=parent.root_id or parent.id,
        parent_id=parent.id,
        stage=stage.name,
        skill=stage.skill or parent.skill,
        input=_input(parent, stage, records),
        format=format_of(stage, parent.format),
        timeout_ms=min(stage.timeout_ms, left_ms) if stage.HasField("timeout_ms") else left_ms,
        priority=parent.priority,
        budget=_budget(parent.budget, records),
        # Another one for each panel: a stage that is entered again is to be thought through again.
        seed=(parent.seed + len(records)) % 2**64,
        tenant=parent.tenant,
        session=parent.session,
        deadline_ms=deadline_ms,
    )
    if stage.HasField("policy"):
        child.policy.CopyFrom(stage.policy)
    return child


def _budget(whole: Budget, records: Sequence[StageRecord]) -> Budget:
    """What is left of it."""
    left = Budget()
    if whole.tokens_max:
        used = sum(one.cost.prompt_tokens + one.cost.completion_tokens for one in records)
        if used >= whole.tokens_max:
            raise OverBudget(f"{used} tokens are spent, budget.tokens_max is {whole.tokens_max}")
        left.tokens_max = whole.tokens_max - used
    if whole.assignments_max:
        handed = sum(one.cost.assignments for one in records)
        if handed >= whole.assignments_max:
            most = whole.assignments_max
            raise OverBudget(f"{handed} assignments are spent, budget.assignments_max is {most}")
        left.assignments_max = whole.assignments_max - handed
    return left


def _input(parent: Task, stage: Stage, records: Sequence[StageRecord]) -> Input:
    decided = {one.stage: _text(one, parent) for one in records}
    if stage.input:
        nothing = dict.fromkeys((one.name for one in parent.policy.stages), "")
        texts = {**nothing, **decided, "input": _asked(parent.input)}
        given = Input(text=_filled(stage.input, texts))
    elif decided:
        given = _followed(parent.input, decided)
    else:
        given = parent.input
    size = given.ByteSize()
    if size > INPUT_BYTES_MAX:
        raise CannotEnter(
            f"stage {stage.name} would be given {size} bytes, at most {INPUT_BYTES_MAX} are an "
            "input: name fewer stages in its input, or ask them for less"
        )
    return given


def _filled(template: str, texts: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: texts.get(place.group(1), place.group(0)), template)


def _followed(given: Input, decided: Mapping[str, str]) -> Input:
    """The task's input, followed by what each stage before has decided."""
    said = "\n".join(f"{name}: {text}" for name, text in decided.items())
    if given.WhichOneof("kind") != "chat":
        return Input(text=f"{_asked(given)}\n\n{said}")
    longer = Input()
    longer.CopyFrom(given)
    longer.chat.messages.add(role="user", content=said)
    return longer


def _asked(given: Input) -> str:
    kind = given.WhichOneof("kind")
    if kind == "chat":
        return "\n".join(f"{turn.role}: {turn.content}" for turn in given.chat.messages)
    return given.reference.uri if kind == "reference" else given.text


def _text(record: StageRecord, parent: Task) -> str:
    stage = stage_of(parent, record.stage)
    return text_of(record.value, format_of(stage, parent.format) if stage else parent.format)


def text_of(value: Value, answer_format: AnswerFormat) -> str:
    """A decision as the next stage reads it."""
    kind = value.WhichOneof("kind")
    texts = {option.id: option.text for option in options_of(answer_format)}
    if kind == "option_id":
        return _option(value.option_id, texts)
    if kind == "number":
        return " ".join((f"{value.number:.12g}", answer_format.number.unit)).strip()
    if kind == "ranking":
        tiers = (
            " = ".join(_option(name, texts) for name in tier.option_ids)
            for tier in value.ranking.tiers
        )
        return " > ".join(tiers)
    return str(getattr(value, kind)) if kind else ""


def _option(name: str, texts: Mapping[str, str]) -> str:
    text = texts.get(name, "")
    return f"{name} ({text})" if text and text != name else name
