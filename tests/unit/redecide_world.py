"""Recorded panels for tests of `redecide`: what router, agents and aggregator left in the log."""

import asyncio
from collections.abc import Mapping, Sequence

from comitia.ports import Outgoing
from comitia.topics import TOPICS
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.panel_event_pb2 import PanelEvent
from comitia.v1.policy_pb2 import METHOD_PLURALITY
from comitia.v1.weights_pb2 import WEIGHTS_BASIS_FEEDBACK, Weights
from tests.unit.cli_support import NAMES, Panel

SKILL = "opinions"
TIMEOUT_MS = 60_000
# A vote: an agent, and the probability that it gives the option "yes".
Votes = Sequence[tuple[str, float]]


class Recorded(Panel):
    """`tell` writes a task as it went: its panel, its answers, its decision by plurality."""

    def __init__(self) -> None:
        super().__init__(lambda task: None)

    def tell(
        self,
        task_id: str,
        votes: Votes,
        silent: Sequence[str] = (),
        *,
        wait_for_all: bool = True,
    ) -> None:
        """`silent`: agents that were seated and were not waited for."""
        agents = [*(agent for agent, _ in votes), *silent]
        opened = _opened(task_id, agents, wait_for_all, self.clock.now_ms() + TIMEOUT_MS)
        events = [opened, *(_answer(task_id, *vote) for vote in votes)]
        asyncio.run(self._put(task_id, events, _by_plurality(task_id, votes)))

    def right(self, task_id: str, value: str) -> None:
        """Feedback."""
        said = Feedback(id=f"of-{task_id}", task_id=task_id)
        said.correct.option_id = value
        asyncio.run(self.put("feedback", task_id, said))

    def spoil(self) -> None:
        """A record among the events that is none."""

        async def put() -> None:
            writer = await self.writer()
            topic = NAMES.topic("panel-events")
            await (await writer.send(Outgoing(topic, b"\xff", b"t", (), 0)))

        asyncio.run(put())

    def weigh(
        self,
        version: int,
        accurate: str,
        folded: Mapping[int, int],
        *,
        newest: bool,
        skill: str = SKILL,
    ) -> None:
        """A version of the weights that believes one agent alone. `folded`: next offset of each
        partition of `feedback` that it rests on. A compacted topic has only the `newest` under the
        skill alone.
        """
        record = Weights(skill=skill, version=version, basis=WEIGHTS_BASIS_FEEDBACK, temperature=1)
        for agent, digest in ((accurate, "sha256:1"), ("", "")):
            weight = 5.0 if agent else 0.1
            record.agents.add(agent=agent, model_digest=digest, weight=weight, accuracy=0.6)
        record.feedback_offsets.update(folded)

        async def put(key: str, record: Weights) -> None:
            writer = await self.writer()
            topic, value = NAMES.topic("weights"), record.SerializeToString()
            await (await writer.send(Outgoing(topic, value, key.encode(), (), 0)))

        asyncio.run(put(f"{skill}@{version}", record))
        if newest:
            asyncio.run(put(skill, record))

    async def _put(self, task_id: str, events: Sequence[PanelEvent], decision: Decision) -> None:
        for event in events:
            await self.put("panel-events", task_id, event)
        await self.put("decisions", task_id, decision)

    def ends(self) -> Mapping[str, int]:
        """Records of each topic."""
        return {entity: len(self.records(entity)) for entity in TOPICS}


def _opened(
    task_id: str, agents: Sequence[str], wait_for_all: bool, deadline_ms: int
) -> PanelEvent:
    event = PanelEvent(task_id=task_id)
    panel = event.panel_opened
    panel.panel_id, panel.deadline_ms = f"panel-{task_id}", deadline_ms
    panel.task.id, panel.task.skill = task_id, SKILL
    panel.task.policy.method = METHOD_PLURALITY
    panel.task.policy.wait_for_all = wait_for_all
    for option in ("yes", "no"):
        panel.task.format.choice.options.add(id=option)
    for seat, agent in enumerate(agents):
        panel.seats.add(seat=seat, agent=agent)
        panel.assignments.add(id=f"{task_id}-{agent}", seat=seat)
    return event


def _answer(task_id: str, agent: str, yes: float) -> PanelEvent:
    event = PanelEvent(task_id=task_id)
    event.answer.assignment_id, event.answer.agent = f"{task_id}-{agent}", agent
    event.answer.model.digest = "sha256:1"
    event.answer.value.option_id = "yes" if yes > 0.5 else "no"
    for option, probability in (("yes", yes), ("no", 1 - yes)):
        event.answer.probabilities.add(option_id=option, probability=probability)
    return event


def _by_plurality(task_id: str, votes: Votes) -> Decision:
    made = Decision(task_id=task_id, skill=SKILL, method=METHOD_PLURALITY)
    made.status = DecisionStatus.DECISION_STATUS_DECIDED
    made.value.option_id = "yes" if sum(yes > 0.5 for _, yes in votes) * 2 > len(votes) else "no"
    for seat, (agent, yes) in enumerate(votes):
        ballot = made.ballots.add(seat=seat, agent=agent)
        ballot.value.option_id = "yes" if yes > 0.5 else "no"
    return made
