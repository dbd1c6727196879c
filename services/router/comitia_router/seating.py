"""Who sits in a panel: a valid task and the agents in; the seats, or why there are none, out. Pure:
the lot is the task's own.

Candidates are the live agents whose card lists the task's skill and accepts its input and format; a
card that lists no inputs accepts text and chat (references only where it says so), one that lists
no formats accepts all. Of more candidates than seats a lot decides (see `drawing`). Shadows are no
candidates: they sit beside every panel that they fit, as far as seats and the task's budget go.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from comitia.consensus.weights import SkillWeights
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.decision_pb2 import (
    DECISION_STATUS_NO_AGENT,
    DECISION_STATUS_OVER_BUDGET,
    DecisionStatus,
)
from comitia.v1.format_pb2 import (
    FORMAT_KIND_CHOICE,
    FORMAT_KIND_JSON,
    FORMAT_KIND_NUMBER,
    FORMAT_KIND_RANKING,
    FORMAT_KIND_TEXT,
    FORMAT_KIND_UNSPECIFIED,
    FormatKind,
)
from comitia.v1.input_pb2 import (
    INPUT_KIND_CHAT,
    INPUT_KIND_REFERENCE,
    INPUT_KIND_TEXT,
    INPUT_KIND_UNSPECIFIED,
    InputKind,
)
from comitia.v1.panel_event_pb2 import Seat
from comitia.v1.policy_pb2 import SELECTION_BROADCAST, SELECTION_WEIGHTED
from comitia.v1.task_pb2 import Task
from comitia_router.agents import AgentTable
from comitia_router.drawing import ROLE_DEFAULT, accuracy, by_role, by_weight, lot
from comitia_router.judges import is_judge, judge_seats
from comitia_router.limits import Limits
from comitia_router.validate import shown

NAMES_MAX = 10
_INPUT_KINDS: dict[str | None, InputKind] = {
    None: INPUT_KIND_UNSPECIFIED,
    "text": INPUT_KIND_TEXT,
    "chat": INPUT_KIND_CHAT,
    "reference": INPUT_KIND_REFERENCE,
}
_FORMAT_KINDS: dict[str | None, FormatKind] = {
    None: FORMAT_KIND_UNSPECIFIED,
    "choice": FORMAT_KIND_CHOICE,
    "text": FORMAT_KIND_TEXT,
    "number": FORMAT_KIND_NUMBER,
    "ranking": FORMAT_KIND_RANKING,
    "json": FORMAT_KIND_JSON,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody is seated: the status that the task ends with, and a sentence that says what to
    change.
    """

    status: DecisionStatus
    reason: str


def seat(
    task: Task,
    agents: AgentTable,
    limits: Limits,
    now_ms: int,
    weights: SkillWeights | None = None,
) -> tuple[Seat, ...] | Refusal:
    """Choose the panel. `now_ms`: broker's clock, epoch milliseconds. `weights`: of the task's
    skill, None where it has none.
    """
    kinds = (_input_kind(task), _format_kind(task))
    able = [c for c in agents.cards() if accepts(c, *kinds) and agents.alive(c, now_ms)]
    fitting = [card for card in able if task.skill in card.skills and not is_judge(card)]
    candidates = [card for card in fitting if not card.shadow]
    if not candidates:
        return Refusal(DECISION_STATUS_NO_AGENT, _nobody(task, agents, now_ms))
    broadcast = task.policy.selection == SELECTION_BROADCAST
    if broadcast and len(candidates) > limits.seats_max:
        reason = (
            f"policy.selection: SELECTION_BROADCAST would seat {len(candidates)} agents, at most "
            f"{limits.seats_max} can sit; use SELECTION_SKILL with policy.seats_max"
        )
        return Refusal(DECISION_STATUS_OVER_BUDGET, reason)
    asked = task.policy.seats_max or limits.seats_default
    seats_max = limits.seats_max if broadcast else min(asked, limits.seats_max)
    seats = _members(task, candidates, seats_max, weights)
    samples = task.policy.samples or 1
    refused = _within(task, len(seats) * samples)
    if refused:
        return refused
    room = limits.seats_max - len(seats)
    if task.budget.assignments_max:
        room = min(room, task.budget.assignments_max // samples - len(seats))
    shadows = [card for card in fitting if card.shadow]
    beside = _shadows(task, shadows, room, len(seats))
    return (*seats, *beside, *judge_seats(task, able, len(seats) + len(beside)))


def accepts(card: AgentCard, input_kind: InputKind, format_kind: FormatKind) -> bool:
    """Whether the agent takes these kinds of input and format."""
    inputs = card.inputs or (INPUT_KIND_TEXT, INPUT_KIND_CHAT)
    return input_kind in inputs and (not card.formats or format_kind in card.formats)


def _members(
    task: Task, candidates: Sequence[AgentCard], seats_max: int, weights: SkillWeights | None
) -> list[Seat]:
    """The seats that count."""
    drawn: Mapping[str, float]
    everybody = len(candidates) <= seats_max
    roles = not everybody and bool(task.policy.roles)
    weighted = task.policy.selection == SELECTION_WEIGHTED and not everybody and not roles
    if roles:
        drawn = by_role(candidates, task, seats_max)
    elif weighted and weights is not None:
        drawn = by_weight(candidates, task, seats_max, weights)
    else:
        count = min(seats_max, len(candidates))
        drawn = {card.name: count / len(candidates) for card in lot(candidates, task, count)}
    how = (
        f"all {len(candidates)} candidates sit"
        if everybody
        else f"drawn by lot, {len(drawn)} of {len(candidates)}" + (" by role" if roles else "")
    )
    if weighted and weights is None:
        how += " (the skill has no weights yet)"
    seats = []
    for number, card in enumerate(card for card in candidates if card.name in drawn):
        if weighted and weights is not None:
            right = f"accuracy {accuracy(card, weights):.2f}, weights version {weights.version}"
            how = f"drawn by the odds of being right ({right})"
        seats.append(_seat(task, card, number, how, drawn[card.name]))
    return seats


def _shadows(task: Task, cards: Sequence[AgentCard], room: int, first: int) -> list[Seat]:
    """Seats beside the panel, for at most `room` of these agents, numbered from `first`."""
    chosen = lot(cards, task, room)
    share = len(chosen) / len(cards) if cards else 0.0
    return [
        _seat(task, card, number, "shadow: asked beside the panel, not counted", share)
        for number, card in enumerate(chosen, first)
    ]


def _seat(task: Task, card: AgentCard, number: int, how: str, probability: float) -> Seat:
    return Seat(
        seat=number,
        agent=card.name,
        agent_version=card.version,
        role=card.role or ROLE_DEFAULT,
        reason=f"has the skill {shown(task.skill)}; {how}",
        probability=probability,
        shadow=card.shadow,
        model_digest=card.model.digest,
        priority_lane=card.priority_lane,
    )


def _within(task: Task, assignments: int) -> Refusal | None:
    """What is wrong with a panel of that many assignments, in view of the task's budget and
    quorum.
    """
    budget = task.budget.assignments_max
    if budget and assignments > budget:
        reason = (
            f"budget.assignments_max: the panel needs {assignments} assignments, the budget allows "
            f"{budget}; raise it, or lower policy.seats_max or policy.samples"
        )
        return Refusal(DECISION_STATUS_OVER_BUDGET, reason)
    if task.policy.quorum > assignments:
        reason = (
            f"policy.quorum: {task.policy.quorum} ballots are needed, the panel that can be seated "
            f"now casts at most {assignments}; lower it, raise policy.seats_max, or start agents"
        )
        return Refusal(DECISION_STATUS_NO_AGENT, reason)
    return None


def _nobody(task: Task, agents: AgentTable, now_ms: int) -> str:
    """Says which of skill, kinds and life was missing, and what there is."""
    cards = list(agents.cards())
    skilled = [card for card in cards if task.skill in card.skills and not is_judge(card)]
    fitting = [card for card in skilled if accepts(card, _input_kind(task), _format_kind(task))]
    live = [card for card in cards if agents.alive(card, now_ms)]
    if any(card in live for card in fitting):
        names = _few(card.name for card in fitting if card in live)
        return (
            f"skill: the agents that have {shown(task.skill)} are shadows, which are not counted "
            f"({names}); start one whose card does not say shadow"
        )
    if fitting:
        names = _few(card.name for card in fitting)
        return (
            f"skill: the agents that have {shown(task.skill)} do not answer ({names}); start them"
        )
    if skilled:
        kinds = f"{InputKind.Name(_input_kind(task))} with {FormatKind.Name(_format_kind(task))}"
        return (
            f"skill: no agent that has {shown(task.skill)} accepts {kinds}; change the input or "
            f"the format (there are {_few(card.name for card in skilled)})"
        )
    skills = sorted({skill for card in live for skill in card.skills})
    there = f"there are {_few(skills)}" if skills else "no agent is running"
    return f"skill: no agent has {shown(task.skill)}; {there}"


def _few(names: Iterable[str]) -> str:
    every = [name[:64] for name in names]
    more = len(every) - NAMES_MAX
    return ", ".join(every[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")


def _input_kind(task: Task) -> InputKind:
    return _INPUT_KINDS[task.input.WhichOneof("kind")]


def _format_kind(task: Task) -> FormatKind:
    return _FORMAT_KINDS[task.format.WhichOneof("kind")]
