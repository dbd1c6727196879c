"""A task that was left to a person, and the words of people about it."""

from comitia.effects import DeadLetter, Effect, Publish, Timer
from comitia.v1.decision_pb2 import Decision
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.verdict_pb2 import Verdict
from comitia_aggregator.state import TaskState
from comitia_aggregator.step import step
from tests.sim.events import recorded
from tests.unit.ladder_world import RULES, Story, ladder, says

EXPIRES_MS = 3_600_000
OFFSET = 42


def escalated(expiry: str = "EXPIRY_EXPIRE", **person: object) -> tuple[Decision, PanelEvent]:
    """The decision of a panel that could not agree (a leads, b, and c), and its conflict."""
    settled_by = {"expiresMs": str(EXPIRES_MS), "expiry": expiry, **person}
    policy = ladder({"name": "ask", "person": settled_by, "when": {"always": True}})
    story = Story(policy, [says("a"), says("a"), says("b"), says("c")]).run()
    (opened,) = (one.message for one in story.log if one.message.HasField("conflict_opened"))
    return story.decision, opened


def verdict(option: str = "b", because: str = "I looked", **more: object) -> PanelEvent:
    """Of the decision that `escalated` gives, where it stands at OFFSET."""
    said = {"task_id": "t1", "decision_offset": OFFSET, "by": "ann", **more}
    event = PanelEvent(task_id="t1", verdict=Verdict(because=because, **said))  # type: ignore[arg-type]
    event.verdict.value.option_id = option
    return event


class Conflict:
    """The conflict of `opened`, folded by hand; `opened_ms`: when the log said that it is open."""

    def __init__(self, opened: PanelEvent, offset: int = OFFSET, opened_ms: int = 0) -> None:
        self.expires_ms = opened.conflict_opened.decision.escalation.expires_ms
        self.now_ms = opened_ms or self.expires_ms - EXPIRES_MS
        self.state: TaskState | None = None
        self.effects: list[Effect] = []
        told = PanelEvent()
        told.CopyFrom(opened)
        told.conflict_opened.decision_offset = offset
        self.say(told)

    def say(self, event: PanelEvent, at_ms: int = 0) -> tuple[Effect, ...]:
        self.now_ms = max(self.now_ms + 1, at_ms)
        self.state, effects = step(self.state, recorded(event, self.now_ms), self.now_ms, RULES)
        self.effects += effects
        return effects

    def tick(self, now_ms: int) -> tuple[Effect, ...]:
        self.now_ms = now_ms
        self.state, effects = step(self.state, Timer("t1", now_ms), now_ms, RULES)
        self.effects += effects
        return effects

    @property
    def published(self) -> list[Publish]:
        return [effect for effect in self.effects if isinstance(effect, Publish)]

    @property
    def decisions(self) -> list[Decision]:
        return [one.message for one in self.published if isinstance(one.message, Decision)]

    @property
    def feedback(self) -> list[Feedback]:
        return [one.message for one in self.published if isinstance(one.message, Feedback)]

    @property
    def refusals(self) -> list[str]:
        letters = [effect for effect in self.effects if isinstance(effect, DeadLetter)]
        assert {letter.reason for letter in letters} <= {"VERDICT_REFUSED"}
        return [letter.error for letter in letters]
