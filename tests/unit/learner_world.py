"""Short ways to make decisions and feedback for the learner's tests, and a learner to fold them."""

from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from comitia.effects import Recorded
from comitia.v1.decision_pb2 import DECISION_STATUS_DECIDED, Decision
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.value_pb2 import Value
from comitia.v1.weights_pb2 import Weights
from comitia_learner.handler import Learner, Publication, Rules
from comitia_learner.skill import Bounds

WEIGHTS = "comitia.weights.v1"
OPTIONS = ("yes", "no")


def choice(option: str) -> Value:
    return Value(option_id=option)


def decision_on(
    task_id: str,
    votes: dict[str, Any],
    options: tuple[str, ...] = OPTIONS,
    skill: str = "s",
) -> Decision:
    """`votes`: agent, or agent@digest -> an option, a Value, or None for an abstention."""
    decision = Decision(
        task_id=task_id, status=DECISION_STATUS_DECIDED, skill=skill, option_ids=options
    )
    for seat, (voter, vote) in enumerate(votes.items()):
        name, _, digest = voter.partition("@")
        ballot = decision.ballots.add(seat=seat, agent=name)
        ballot.model.digest = digest
        if vote is None:
            ballot.abstention.SetInParent()
        else:
            ballot.value.CopyFrom(vote if isinstance(vote, Value) else choice(vote))
    return decision


def feedback_on(
    task_id: str, correct: Value | str, offset: int, name: str = "", partition: int = 0
) -> Feedback:
    value = choice(correct) if isinstance(correct, str) else correct
    return Feedback(
        id=name or f"f-{task_id}",
        task_id=task_id,
        decision_partition=partition,
        decision_offset=offset,
        correct=value,
        by="ann",
    )


def at(message: Any, offset: int, partition: int = 0, ms: int | None = None) -> Recorded[Any]:
    """`message` as it stands in some topic, appended at `ms`, else in the order of offsets."""
    return Recorded(message, "t", partition, offset, 1_000 + offset if ms is None else ms)


@dataclass
class Life:
    """One learner and the topic that it writes, which outlives it."""

    rules: Rules = field(default_factory=lambda: Rules(WEIGHTS, Bounds()))
    topic: dict[str, bytes] = field(default_factory=dict)
    learner: Learner = field(init=False)
    now_ms: float = 0.0

    def __post_init__(self) -> None:
        self.learner = Learner(self.rules)
        self.learner.begin()

    def restart(self) -> dict[tuple[str, int], int]:
        """A new learner in the place of the old one; where it goes on reading."""
        self.learner = Learner(self.rules)
        for offset, (key, value) in enumerate(self.topic.items()):
            self.learner.restore(key, at(Weights.FromString(value), offset))
        return dict(self.learner.begin())

    def tell(self, task_id: str, votes: dict[str, Any], correct: Any, offset: int) -> str:
        """A decision and feedback on it, folded; what became of the feedback."""
        decided = at(decision_on(task_id, votes), offset)
        self.learner.decision(decided)
        return self.learner.feedback(at(feedback_on(task_id, correct, offset), offset), decided)

    def publish(self) -> Publication | None:
        """What is due a while later, if anything is; it stands in the topic then."""
        self.now_ms += 2_000
        if not self.learner.due(self.now_ms):
            return None
        publication = self.learner.publish(self.now_ms)
        for publish in publication.records:
            self.topic[publish.key] = serialized(publish.message)
        for key in publication.removed:
            del self.topic[key]
        return publication

    def newest(self, skill: str = "s") -> Weights:
        return Weights.FromString(self.topic[skill])


def serialized(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def agents_of(weights: Weights) -> list[bytes]:
    """What readers use of a record, byte by byte."""
    return [serialized(agent) for agent in weights.agents]
