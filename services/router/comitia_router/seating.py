"""Who sits in a panel: a valid task and the agents in; the seats, or why there are none, out. Pure:
the lot is the task's own.

Candidates are the live agents whose card lists the task's skill and accepts its input and format; a
card that lists no inputs accepts text and chat (references only where it says so), one that lists
no formats accepts all. Of more candidates than seats a lot decides: those with the lowest SHA-256
of seed, task id and name, so that every agent has the same probability, the same task seats the
same panel, and an agent that comes or goes changes one seat at most.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
from comitia.v1.policy_pb2 import SELECTION_BROADCAST
from comitia.v1.task_pb2 import Task
from comitia_router.agents import AgentTable
from comitia_router.validate import Limits, shown

NAMES_MAX = 10
ROLE_DEFAULT = "solver"
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


def seat(task: Task, agents: AgentTable, limits: Limits, now_ms: int) -> tuple[Seat, ...] | Refusal:
    """Choose the panel. `now_ms`: broker's clock, epoch milliseconds."""
    skill, kinds = task.skill, (_input_kind(task), _format_kind(task))
    candidates = [
        card
        for card in agents.cards()
        if skill in card.skills and accepts(card, *kinds) and agents.alive(card, now_ms)
    ]
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
    chosen = lot(candidates, task, seats_max)
    samples = task.policy.samples or 1
    return _within(task, len(chosen) * samples) or tuple(
        _seats(task.skill, chosen, len(candidates))
    )


def accepts(card: AgentCard, input_kind: InputKind, format_kind: FormatKind) -> bool:
    """Whether the agent takes these kinds of input and format."""
    inputs = card.inputs or (INPUT_KIND_TEXT, INPUT_KIND_CHAT)
    return input_kind in inputs and (not card.formats or format_kind in card.formats)


def lot(candidates: Sequence[AgentCard], task: Task, seats_max: int) -> list[AgentCard]:
    """Up to `seats_max` of the candidates, by name."""
    if len(candidates) <= seats_max:
        return list(candidates)

    def draw(card: AgentCard) -> bytes:
        return hashlib.sha256(f"{task.seed}/{task.id}/{card.name}".encode()).digest()

    return sorted(sorted(candidates, key=draw)[:seats_max], key=lambda card: card.name)


def _seats(skill: str, chosen: Sequence[AgentCard], candidates: int) -> list[Seat]:
    how = (
        f"all {candidates} candidates sit"
        if len(chosen) == candidates
        else f"drawn by lot, {len(chosen)} of {candidates}"
    )
    return [
        Seat(
            seat=number,
            agent=card.name,
            agent_version=card.version,
            role=card.role or ROLE_DEFAULT,
            reason=f"has the skill {shown(skill)}; {how}",
            probability=len(chosen) / candidates,
        )
        for number, card in enumerate(chosen)
    ]


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
    skilled = [card for card in cards if task.skill in card.skills]
    fitting = [card for card in skilled if accepts(card, _input_kind(task), _format_kind(task))]
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
    live = [card for card in cards if agents.alive(card, now_ms)]
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
