"""Who judges: seats for the judge steps of a policy, beside the panel. A task and the agents in,
seats out; pure.

A judge has no assignment of the first vote; the aggregator asks it when its step is taken. Where
nobody can judge the seat is missing, and the step says so then.
"""

from collections.abc import Sequence

from comitia.consensus.weights import JUDGE
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.panel_event_pb2 import Seat
from comitia.v1.step_pb2 import Judge, Step
from comitia.v1.task_pb2 import Task
from comitia_router.drawing import lot

JUDGES_DEFAULT = 1


def judge_seats(task: Task, cards: Sequence[AgentCard], first: int) -> list[Seat]:
    """Seats numbered from `first`. `cards`: of live agents that take the task's kinds of input and
    format, whatever their skills.
    """
    seats: list[Seat] = []
    for step in task.policy.steps:
        if step.WhichOneof("kind") == "judge":
            chosen = lot(_able(task, step.judge, cards), task, step.judge.judges or JUDGES_DEFAULT)
            seats += [
                _seat(task, step, card, number)
                for number, card in enumerate(chosen, first + len(seats))
            ]
    return seats


def is_judge(card: AgentCard) -> bool:
    """Whether the agent judges and does not sit among those who answer."""
    return bool(card.role == JUDGE)


def _able(task: Task, judge: Judge, cards: Sequence[AgentCard]) -> list[AgentCard]:
    skill = judge.skill or task.skill
    return [
        card
        for card in cards
        if skill in card.skills
        and not card.shadow
        and (card.name in judge.agents if judge.agents else is_judge(card))
    ]


def _seat(task: Task, step: Step, card: AgentCard, number: int) -> Seat:
    name = step.name or JUDGE
    skill = step.judge.skill or task.skill
    how = "named by the policy" if step.judge.agents else "has the role"
    return Seat(
        seat=number,
        agent=card.name,
        agent_version=card.version,
        role=JUDGE,
        reason=f"judges in step {name!r}: has the skill {skill!r}, {how}",
        probability=1.0,
        model_digest=card.model.digest,
        step=name,
        priority_lane=card.priority_lane,
    )
