"""One task's fold, driven by hand: events and timers in, everything that it asked for kept."""

from dataclasses import replace
from typing import Any

from comitia.consensus.weights import SkillWeights
from comitia.effects import Effect, Publish, Timer
from comitia.v1.decision_pb2 import Decision
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia_aggregator.state import Rules, TaskState
from comitia_aggregator.step import step
from tests.sim.events import APPENDED_MS, SKILL, answered, make_answer, recorded

RULES = Rules("comitia.decisions.v1")


class Fold:
    """One task's fold, with everything that it asked for."""

    def __init__(self, weights: SkillWeights | None = None) -> None:
        """`weights`: of the skill of `make_task`."""
        known = {} if weights is None else {SKILL: weights}
        self.rules = replace(RULES, weights=known)
        self.state: TaskState | None = None
        self.effects: list[Effect] = []

    def say(
        self, *events: PanelEvent, at_ms: int = APPENDED_MS + 7, overloaded: bool = False
    ) -> "Fold":
        for event in events:
            self.state, due = step(
                self.state, recorded(event, at_ms), at_ms, self.rules, overloaded
            )
            self.effects += due
        return self

    def tick(self, now_ms: int) -> "Fold":
        self.state, due = step(self.state, Timer("t1", now_ms), now_ms, self.rules)
        self.effects += due
        return self

    def of(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def decision(self) -> Decision:
        (publish,) = self.of(Publish)
        assert publish.topic == RULES.decisions_topic
        assert isinstance(publish.message, Decision)
        return publish.message


def three(*options: str | None) -> list[PanelEvent]:
    return [answered(make_answer(f"p1.{seat}.0.1", option)) for seat, option in enumerate(options)]
