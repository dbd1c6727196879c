"""A recorded question through the aggregator's own step, in one process: its panel is opened, its
answers are said, and the round that its judge's step opens is answered, event by event.

In: a question with the votes of all models, who sits and who judges, the step's condition and the
weights. Out: the Decision that the aggregator publishes. It checks that the replay, which reads the
same votes through the pure algorithms alone, is what the ladder does.
"""

from collections import deque

from bench.conflict_judge import Court
from bench.consensus_questions import Question
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.weights import JUDGE, SkillWeights
from comitia.effects import Publish, Recorded
from comitia.v1.answer_pb2 import Answer
from comitia.v1.assignment_pb2 import Assignment
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent, PanelOpened
from comitia.v1.policy_pb2 import METHOD_LEARNED, Policy
from comitia.v1.step_pb2 import Condition, Step
from comitia.v1.task_pb2 import Task
from comitia_aggregator.state import Rules, TaskState
from comitia_aggregator.step import step

_SKILL, _TOPIC = "replayed", "comitia.panel-events.v1"
_BEGAN_MS, _TIMEOUT_MS = 1_000_000, 60_000
_CLOSE = 1e-9


def decide(question: Question, court: Court, judge: Step, weights: SkillWeights) -> Decision:
    """The task's decision, by this one step after the vote. `judge`: its condition and what it may
    do.
    """
    rules = Rules("comitia.decisions.v1", weights={_SKILL: weights})
    panel = _opened(question, court, judge)
    events = deque([PanelEvent(task_id=question.name, panel_opened=panel)])
    for listed in panel.assignments:
        agent = panel.seats[listed.seat].agent
        events.append(_answer(question.name, listed.id, question.votes[agent]))
    state: TaskState | None = None
    offset = 0
    while events:
        event = events.popleft()
        offset += 1
        now_ms = _BEGAN_MS + offset
        state, effects = step(state, Recorded(event, _TOPIC, 0, offset, now_ms), now_ms, rules)
        asked = []
        for effect in effects:
            message = effect.message if isinstance(effect, Publish) else None
            if isinstance(message, Decision):
                return message
            if isinstance(message, PanelEvent):
                events.append(message)
            elif isinstance(message, Assignment):
                asked.append(message)
        # The round is in the log before its answers are.
        for one in asked:
            events.append(_answer(question.name, one.id, question.votes[one.agent]))
    raise RuntimeError(f"question {question.name} ended without a decision")


def condition(when: Condition, *, may_write: bool) -> Step:
    """A judge's step of this condition."""
    made = Step(when=when)
    made.judge.may_write = may_write
    return made


def same(decision: Decision, outcome: Outcome, *, asked: bool) -> bool:
    """Whether the ladder came to what the replay says: who was asked, who won and how surely."""
    winner = decision.value.option_id if decision.HasField("value") else None
    calibrated = decision.HasField("calibrated_probability")
    probability = decision.calibrated_probability if calibrated else None
    if (decision.steps[0].taken, winner) != (asked, outcome.winner):
        return False
    if probability is None or outcome.probability is None:
        return probability is outcome.probability
    apart = abs(probability - outcome.probability)
    return max(apart, abs(decision.margin - outcome.margin)) <= _CLOSE


def _opened(question: Question, court: Court, judge: Step) -> PanelOpened:
    """One ballot makes a quorum: the replay asks what votes are worth, not whether they suffice."""
    task = Task(id=question.name, skill=_SKILL, timeout_ms=_TIMEOUT_MS)
    task.policy.CopyFrom(Policy(method=METHOD_LEARNED, quorum=1, steps=[judge]))
    for option in question.options:
        task.format.choice.options.add(id=option)
    deadline_ms = _BEGAN_MS + _TIMEOUT_MS
    panel = PanelOpened(panel_id="p", task=task, deadline_ms=deadline_ms)
    panel.task_appended_ms, panel.round_deadline_ms = _BEGAN_MS, deadline_ms
    for model in court.panel:
        if model in question.votes:
            seat = len(panel.seats)
            panel.seats.add(seat=seat, agent=model)
            panel.assignments.add(id=f"p.{seat}.0.1", seat=seat, round=1)
    if court.judge in question.votes:
        panel.seats.add(seat=len(panel.seats), agent=court.judge, role=JUDGE, step=JUDGE)
    return panel


def _answer(task_id: str, assignment_id: str, ballot: Ballot) -> PanelEvent:
    answer = Answer(assignment_id=assignment_id)
    if ballot.choice is None:
        answer.abstention.detail = "it cannot be read"
    else:
        answer.value.option_id = ballot.choice
    return PanelEvent(task_id=task_id, answer=answer)
