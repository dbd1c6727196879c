"""The router's behaviour: a Task in, from a user or, as a stage of one, from the aggregator;
assignments and the panel's opening, or the refusal, out. A Command goes into the log.

Pure but for the tables of agents and weights and a counter: no I/O, no clock. Assignments of a task
of high priority go to the second inbox of agents that have one. All come before the event that
lists them, so a panel in the log has its assignments in the inboxes. Routing one task twice opens a
second panel under ids of its own, which loses; the ids are the task's id, a name of this process
and a number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from comitia.effects import Effect, Publish, Recorded
from comitia.errors import Poison
from comitia.policy.times import first_deadline_ms
from comitia.topics import Names
from comitia.v1.agent_card_pb2 import AgentCard
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.command_pb2 import Command
from comitia.v1.decision_pb2 import DECISION_STATUS_REJECTED, DecisionStatus
from comitia.v1.panel_event_pb2 import (
    PanelEvent,
    PanelOpened,
    TaskCancelled,
    TaskRefused,
)
from comitia.v1.policy_pb2 import Policy
from comitia.v1.task_pb2 import PRIORITY_HIGH, Task
from comitia.weights_table import WeightsTable
from comitia_router import stages
from comitia_router.agents import AgentTable
from comitia_router.limits import Limits
from comitia_router.seating import Refusal, seat
from comitia_router.validate import is_task_id, oversize, problems, sentence, shown

FIRST_ROUND = 1


@dataclass(slots=True)
class Router:
    """What the router knows. `partition_of`: id -> partition of panel-events. `nonce`: no other
    process has it. `policies`: skill -> the policy of tasks that name none.
    """

    names: Names
    limits: Limits
    partition_of: Callable[[str], int]
    nonce: str
    agents: AgentTable = field(init=False)
    weights: WeightsTable = field(default_factory=WeightsTable)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    panels: int = 0

    def __post_init__(self) -> None:
        self.agents = AgentTable(self.limits)

    def on_task(self, recorded: Recorded[Task], now_ms: int) -> tuple[Effect, ...]:
        """Seat a panel, or say why not; a task of stages is opened without one. Raises Poison when
        the task has no usable id, or is too large for anything to be said about it but that.
        """
        task = recorded.message
        self._check(task)
        asked = self._with_policy(task)
        found = [*problems(asked, self.limits), *stages.id_problems(asked, asked.policy)]
        if found:
            return self._refuse(recorded, DECISION_STATUS_REJECTED, self._sentence(task, found))
        if asked.policy.stages:
            self.panels += 1
            event = PanelEvent(panel_opened=self._opened(recorded, asked))
            return (self._say(task.id, event),)
        return self._seat(recorded, asked, now_ms)

    def on_stage(self, recorded: Recorded[Task], now_ms: int) -> tuple[Effect, ...]:
        """Seat the panel of a stage, in the log of the task that it is a part of."""
        task = recorded.message
        for field_name in ("root_id", "parent_id"):
            _check_id(field_name, getattr(task, field_name))
        self._check(task)
        asked = self._with_policy(task)
        found = [
            *problems(asked, self.limits, stage=True),
            *stages.child_problems(asked, asked.policy),
        ]
        if found:
            return self._refuse(recorded, DECISION_STATUS_REJECTED, self._sentence(task, found))
        return self._seat(recorded, asked, now_ms)

    def _with_policy(self, task: Task) -> Task:
        """The task with the policy that counts: its own, else that of its skill."""
        if task.HasField("policy") or task.skill not in self.policies:
            return task
        asked = Task()
        asked.CopyFrom(task)
        asked.policy.CopyFrom(self.policies[task.skill])
        return asked

    def _sentence(self, task: Task, found: Sequence[str]) -> str:
        said = sentence(found)
        if task.HasField("policy") or task.skill not in self.policies:
            return said
        return f"{said} (policy: that of skill {shown(task.skill)}, for the task names none)"

    def _check(self, task: Task) -> None:
        _check_id("id", task.id)
        too_large = oversize(task, self.limits)
        if too_large:
            raise Poison(too_large, "TOO_LARGE")

    def _seat(self, recorded: Recorded[Task], task: Task, now_ms: int) -> tuple[Effect, ...]:
        """`task`: with the policy that counts."""
        weights = self.weights.skills.get(task.skill)
        seated = seat(task, self.agents, self.limits, now_ms, weights)
        if isinstance(seated, Refusal):
            return self._refuse(recorded, seated.status, seated.reason)
        self.panels += 1
        event = PanelEvent(panel_opened=self._opened(recorded, task))
        opened = event.panel_opened
        opened.seats.extend(seated)
        if task.policy.steps:
            opened.round_deadline_ms = first_deadline_ms(
                task.policy, recorded.append_ms, opened.deadline_ms
            )
        for chair in seated:
            if chair.step:
                continue
            number = chair.seat
            for sample in range(task.policy.samples or 1):
                name = f"{opened.panel_id}.{number}.{sample}.{FIRST_ROUND}"
                opened.assignments.add(id=name, seat=number, sample=sample, round=FIRST_ROUND)
        # Agents are told the policy that counts, as in later rounds.
        return (*self._assign(opened, task), self._say(task.id, event, task.root_id, order=1))

    def _opened(self, recorded: Recorded[Task], asked: Task) -> PanelOpened:
        """A panel of nobody yet. A stage ends with its parent at the latest. `asked`: with the
        policy that counts.
        """
        task = recorded.message
        opened = PanelOpened(panel_id=f"{task.id}@{self.nonce}-{self.panels}", task=task)
        opened.deadline_ms = recorded.append_ms + task.timeout_ms
        if task.deadline_ms:
            opened.deadline_ms = min(opened.deadline_ms, task.deadline_ms)
        opened.task_appended_ms = recorded.append_ms
        if asked is not task:
            opened.policy.CopyFrom(asked.policy)
        return opened

    def on_command(self, recorded: Recorded[Command], now_ms: int) -> tuple[Effect, ...]:
        """Put a user's word into the log of its task. Raises Poison when it names no task."""
        command = recorded.message
        size, size_max = command.ByteSize(), self.limits.command_bytes_max
        if size > size_max:
            raise Poison(f"the command has {size} bytes; shorten it to {size_max}", "TOO_LARGE")
        kind = command.WhichOneof("command")
        if kind == "cancel":
            cancel = command.cancel
            said = PanelEvent(task_cancelled=TaskCancelled(reason=cancel.reason, by=cancel.by))
            return (self._say(cancel.task_id, said, root_id=cancel.root_id),)
        if kind == "verdict":
            verdict = command.verdict
            said = PanelEvent(verdict=verdict)
            return (self._say(verdict.task_id, said, root_id=verdict.root_id),)
        raise Poison("the command is empty: set cancel or verdict", "UNREADABLE")

    def on_card(self, recorded: Recorded[AgentCard], now_ms: int) -> tuple[Effect, ...]:
        """A card as it is published: Poison sends the one that cannot be used to the dead
        letters.
        """
        self.agents.learn(recorded.message)
        return ()

    def _assign(self, opened: PanelOpened, task: Task) -> list[Publish]:
        panel_id = opened.panel_id
        deadline_ms = opened.round_deadline_ms or opened.deadline_ms
        tokens_max = task.budget.tokens_max // max(1, len(opened.assignments))
        agents = {chair.seat: chair for chair in opened.seats}
        reply_topic = self.names.topic("panel-events")
        reply_partition = self.partition_of(task.root_id or task.id)
        urgent = task.priority == PRIORITY_HIGH
        effects = []
        for listed in opened.assignments:
            chair = agents[listed.seat]
            assignment = Assignment(
                id=listed.id,
                panel_id=panel_id,
                seat=listed.seat,
                sample=listed.sample,
                round=listed.round,
                role=chair.role,
                task=task,
                deadline_ms=deadline_ms,
                reply_topic=reply_topic,
                reply_partition=reply_partition,
                agent=chair.agent,
                tokens_max=tokens_max,
            )
            high = urgent and self.agents.has_priority_lane(chair.agent)
            inbox = self.names.inbox(chair.agent, high=high)
            effects.append(Publish(inbox, task.id, assignment))
        return effects

    def _refuse(
        self, recorded: Recorded[Task], status: DecisionStatus, reason: str
    ) -> tuple[Effect, ...]:
        refused = TaskRefused(status=status, reason=reason, task=recorded.message)
        refused.task_appended_ms = recorded.append_ms
        task = refused.task
        if recorded.topic != self.names.topic("stages"):
            # Whatever a user calls its parent, it is refused in its own log, and nobody is told.
            for field_name in ("root_id", "parent_id", "stage"):
                task.ClearField(field_name)
        return (self._say(task.id, PanelEvent(task_refused=refused), task.root_id),)

    def _say(self, task_id: str, event: PanelEvent, root_id: str = "", order: int = 0) -> Publish:
        """The event in the log of its task: key and partition are the root's, else the task's
        own.
        """
        _check_id("task_id", task_id)
        if root_id:
            _check_id("root_id", root_id)
        event.task_id = task_id
        key = root_id or task_id
        topic = self.names.topic("panel-events")
        return Publish(topic, key, event, partition=self.partition_of(key), order=order)


def _check_id(field_name: str, task_id: str) -> None:
    if not is_task_id(task_id):
        message = f"{field_name}: {shown(task_id)}; use 1 to 128 characters of A-Z a-z 0-9 . _ : -"
        raise Poison(message, "INVALID_ID")
