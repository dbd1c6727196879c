"""Builders of the messages that tests of router and aggregator say over and over, with defaults."""

from collections.abc import Mapping

from comitia.consensus.weights import SkillWeights, VoterWeight, voter_of
from comitia.effects import Recorded
from comitia.v1.answer_pb2 import Answer
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened, TaskCancelled
from comitia.v1.policy_pb2 import Method, Policy
from comitia.v1.task_pb2 import Task

SKILL = "sentiment"
TIMEOUT_MS = 1_000
APPENDED_MS = 1_000_000
DEADLINE_MS = APPENDED_MS + TIMEOUT_MS
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


def make_task(
    task_id: str = "t1", options: str = "ab", policy: Policy | None = None, text: str = "Which?"
) -> Task:
    """A choice task; every character of `options` is one."""
    task = Task(id=task_id, skill=SKILL, timeout_ms=TIMEOUT_MS, tenant="acme", session="s1")
    task.input.text = text
    for option in options:
        task.format.choice.options.add(id=option)
    task.policy.CopyFrom(policy or Policy(wait_for_all=True))
    return task


def with_format(task: Task, answer_format: AnswerFormat) -> Task:
    task.format.CopyFrom(answer_format)
    return task


def make_panel(task: Task, panel_id: str = "p1", seats: int = 3, shadows: int = 0) -> PanelOpened:
    """A panel of agents a0, a1, ..., the last of them shadows; ids are
    <panel>.<seat>.<sample>.<round>.
    """
    panel = PanelOpened(
        panel_id=panel_id, task=task, deadline_ms=DEADLINE_MS, task_appended_ms=APPENDED_MS
    )
    for seat in range(seats):
        panel.seats.add(seat=seat, agent=f"a{seat}", agent_version=1, probability=1.0)
        panel.seats[seat].shadow = seat >= seats - shadows
        for sample in range(task.policy.samples or 1):
            panel.assignments.add(
                id=f"{panel_id}.{seat}.{sample}.1", seat=seat, sample=sample, round=1
            )
    return panel


def make_answer(assignment_id: str, option: str | None, confidence: float | None = None) -> Answer:
    """An answer for `option`, or an abstention where it is None."""
    answer = Answer(assignment_id=assignment_id, agent="someone", deadline_ms=DEADLINE_MS)
    if option is None:
        answer.abstention.detail = "cannot tell"
    else:
        answer.value.option_id = option
    if confidence is not None:
        answer.confidence = confidence
    answer.usage.prompt_tokens = 10
    answer.usage.completion_tokens = 1
    answer.timings.worked_ms = 5
    return answer


def make_weights(
    agents: Mapping[str, tuple[float, float, float]],
    learned: bool = True,
    temperature: float = 1.0,
) -> SkillWeights:
    """Version 7. `agents`: weight, probability weight and accuracy of those who name no model."""
    voters = {voter_of(agent, ""): VoterWeight(*given) for agent, given in agents.items()}
    return SkillWeights(7, voters, VoterWeight(0.5, 0.0, 0.6), temperature, learned)


def opened(panel: PanelOpened) -> PanelEvent:
    return PanelEvent(task_id=panel.task.id, panel_opened=panel)


def answered(answer: Answer, task_id: str = "t1") -> PanelEvent:
    return PanelEvent(task_id=task_id, answer=answer)


def cancelled(task_id: str = "t1", reason: str = "no longer needed") -> PanelEvent:
    return PanelEvent(task_id=task_id, task_cancelled=TaskCancelled(reason=reason, by="ann"))


def recorded(
    event: PanelEvent, append_ms: int = APPENDED_MS + 1, offset: int = 0
) -> Recorded[PanelEvent]:
    return Recorded(event, "comitia.panel-events.v1", 0, offset, append_ms, TRACEPARENT)


def policy(
    quorum: int = 0,
    method: Method = Method.METHOD_PLURALITY,
    samples: int = 0,
    wait_for_all: bool = True,
) -> Policy:
    return Policy(quorum=quorum, method=method, samples=samples, wait_for_all=wait_for_all)
