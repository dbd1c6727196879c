"""A task that goes up its ladder, on the aggregator's pure step alone: assignments that it hands
out are answered by scripts, rounds that it opens come back as events, and time stands still until
nobody has anything to say.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from google.protobuf import json_format

from comitia.consensus.weights import SkillWeights
from comitia.effects import Effect, Publish, Recorded, Timer
from comitia.policy.times import first_deadline_ms
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened
from comitia.v1.policy_pb2 import Policy
from comitia.v1.task_pb2 import Task
from comitia_aggregator.state import Rules, TaskState
from comitia_aggregator.step import step
from tests.sim.events import APPENDED_MS, SKILL, make_answer, make_task, recorded

# What an agent says to an assignment; None: nothing.
Script = Callable[[Assignment], Answer | None]
RULES = Rules("comitia.decisions.v1")
PARTITION = 3


def ladder(*steps: Mapping[str, object], **more: object) -> Policy:
    """A policy as it is written in a file."""
    return json_format.ParseDict({"steps": list(steps), **more}, Policy())


def says(*options: str | None, why: str = "because") -> Script:
    """An agent that answers its rounds with these options, the last one again and again."""

    def answer(assignment: Assignment) -> Answer:
        option = options[min(assignment.round, len(options)) - 1]
        answer = make_answer(assignment.id, option)
        answer.agent = assignment.agent
        answer.rationale = why if assignment.round > 1 else "first thought"
        return answer

    return answer


def silent_from(number: int, script: Script) -> Script:
    return lambda assignment: script(assignment) if assignment.round < number else None


class Story:
    """`agents`: the scripts of the panel, a0, a1, ...; `judges`: step -> scripts of its judges."""

    def __init__(
        self,
        policy: Policy,
        agents: list[Script],
        judges: Mapping[str, list[Script]] | None = None,
        task: Task | None = None,
        weights: SkillWeights | None = None,
    ) -> None:
        self.rules = replace(RULES, weights={} if weights is None else {SKILL: weights})
        self.task = task or make_task(options="abc")
        self.task.policy.CopyFrom(policy)
        self.scripts: dict[int, Script] = dict(enumerate(agents))
        deadline_ms = APPENDED_MS + self.task.timeout_ms
        self.panel = PanelOpened(panel_id="p1", task=self.task, deadline_ms=deadline_ms)
        self.panel.task_appended_ms = APPENDED_MS
        self.panel.round_deadline_ms = first_deadline_ms(policy, APPENDED_MS, deadline_ms)
        for seat in range(len(agents)):
            self.panel.seats.add(seat=seat, agent=f"a{seat}", role="solver")
            for sample in range(policy.samples or 1):
                listed = f"p1.{seat}.{sample}.1"
                self.panel.assignments.add(id=listed, seat=seat, sample=sample, round=1)
        for name, scripts in (judges or {}).items():
            for script in scripts:
                seat = len(self.panel.seats)
                self.panel.seats.add(seat=seat, agent=f"j{seat}", role="judge", step=name)
                self.scripts[seat] = script
        self.state: TaskState | None = None
        self.now_ms = APPENDED_MS + 1
        self.log: list[Recorded[PanelEvent]] = []
        self.asked: list[Assignment] = []
        self.decisions: list[Decision] = []
        self.others: list[Effect] = []

    def run(self) -> "Story":
        """From the opening of the panel to its end."""
        events = deque([PanelEvent(task_id=self.task.id, panel_opened=self.panel)])
        for listed in self.panel.assignments:
            assignment = Assignment(id=listed.id, seat=listed.seat, sample=listed.sample, round=1)
            assignment.agent = self.panel.seats[listed.seat].agent
            events += self._answer(assignment)
        while events or not self.decisions:
            if events:
                effects = self._say(events.popleft())
            else:
                assert self.state is not None and self.state.timer_ms is not None, "it stalls"
                self.now_ms = max(self.now_ms, self.state.timer_ms)
                timer = Timer(self.task.id, self.now_ms)
                self.state, effects = step(self.state, timer, self.now_ms, self.rules)
            events += self._carry_out(effects)
        return self

    @property
    def decision(self) -> Decision:
        (decision,) = self.decisions
        return decision

    def steps(self) -> dict[str, bool]:
        """Steps met -> whether they were taken."""
        return {record.name: record.taken for record in self.decision.steps}

    def _say(self, event: PanelEvent) -> tuple[Effect, ...]:
        self.now_ms += 1
        said = replace(recorded(event, self.now_ms, len(self.log)), partition=PARTITION)
        self.log.append(said)
        self.state, effects = step(self.state, said, self.now_ms, self.rules)
        return effects

    def _carry_out(self, effects: tuple[Effect, ...]) -> list[PanelEvent]:
        """What comes into the log because of these effects: openings first, then answers."""
        openings: list[PanelEvent] = []
        answers: list[PanelEvent] = []
        for effect in effects:
            message = effect.message if isinstance(effect, Publish) else None
            if isinstance(message, Assignment):
                self.asked.append(message)
                answers += self._answer(message)
            elif isinstance(message, PanelEvent):
                openings.append(message)
            elif isinstance(message, Decision):
                self.decisions.append(message)
            else:
                self.others.append(effect)
        return openings + answers

    def _answer(self, assignment: Assignment) -> list[PanelEvent]:
        answer = self.scripts[assignment.seat](assignment)
        return [] if answer is None else [PanelEvent(task_id=self.task.id, answer=answer)]
