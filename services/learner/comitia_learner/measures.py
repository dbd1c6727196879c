"""What is told of each version of weights that was published: a line for a person, and gauges."""

import logging
from collections.abc import Mapping, Sequence

from comitia.telemetry.learning_metrics import SKILLS_MAX, WEIGHTS_FEEDBACK, WEIGHTS_VERSION
from comitia.telemetry.names import Attribute
from comitia.telemetry.setup import Telemetry
from comitia.v1.weights_pb2 import WEIGHTS_BASIS_FEEDBACK, AgentWeight, Weights

_LOG = logging.getLogger("comitia.learner")


class Measures:
    """Of one process. Gauges tell of the newest version of each skill that it published itself."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._newest: dict[str, tuple[int, int]] = {}
        telemetry.observe(WEIGHTS_VERSION, lambda: self._points(0))
        telemetry.observe(WEIGHTS_FEEDBACK, lambda: self._points(1))

    def published(self, versions: Sequence[Weights]) -> None:
        """These stand in the log."""
        for weights in versions:
            if weights.skill in self._newest or len(self._newest) < SKILLS_MAX:
                self._newest[weights.skill] = (weights.version, weights.feedback_count)
            _LOG.info(
                *("%s", in_words(weights)),
                extra={
                    "event": "weights",
                    "skill": weights.skill,
                    "version": weights.version,
                    "basis": "feedback" if _learned(weights) else "agreement",
                    "feedback": weights.feedback_count,
                    "decisions": weights.decision_count,
                },
            )

    def _points(self, which: int) -> list[tuple[float, Mapping[str, str]]]:
        # Exporters collect in a thread of their own.
        return [
            (told[which], {Attribute.COMITIA_SKILL: skill})
            for skill, told in tuple(self._newest.items())
        ]


def in_words(weights: Weights) -> str:
    """One line: `weights of 'sentiment', version 12: fitted to 340 pieces of feedback; of 6
    agents anna is right in 91%, eve is right in 55% of the votes (estimates)`.
    """
    basis = (
        f"fitted to {weights.feedback_count} pieces of feedback"
        if _learned(weights)
        else f"from how agents agree in {weights.decision_count} decisions, with "
        f"{weights.feedback_count} pieces of feedback so far"
    )
    agents = sorted(
        (agent for agent in weights.agents if agent.agent),
        key=lambda agent: (-agent.accuracy, agent.agent),
    )
    return f"weights of {weights.skill!r}, version {weights.version}: {basis}; {_range(agents)}"


def _range(agents: Sequence[AgentWeight]) -> str:
    if not agents:
        return "no agent is known"
    told = [f"{one.agent} is right in {one.accuracy:.0%}" for one in (agents[0], agents[-1])]
    if len(agents) == 1:
        return f"{told[0]} of its votes"
    return f"of {len(agents)} agents {told[0]}, {told[1]} of the votes (estimates)"


def _learned(weights: Weights) -> bool:
    return weights.basis == WEIGHTS_BASIS_FEEDBACK
