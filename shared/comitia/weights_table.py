"""The weights of every skill as router and aggregator hold them: records of the topic `weights` in,
a skill's newest weights out.

A record whose key is its skill is that skill's newest version; those under SKILL@VERSION are kept
for people who decide anew. A record without a version, or without any weight, is the learner's
memory alone: the skill has no weights yet. What the learner wrote is believed but for numbers that
cannot be: the votes themselves count nothing that is not finite.
"""

from collections.abc import Iterable
from dataclasses import replace

from comitia.consensus.weights import SkillWeights, VoterWeight, voter_of
from comitia.effects import Recorded
from comitia.v1.weights_pb2 import WEIGHTS_BASIS_FEEDBACK, AgentWeight, Weights

# Of whoever is not listed, where the record has no prior: counts for nothing.
_NOBODY = VoterWeight(weight=0.0, probability_weight=0.0, accuracy=0.5)


class WeightsTable:
    """`skills`: skill -> its newest weights; always the same mapping, changed by `on_weights`."""

    def __init__(self) -> None:
        self.skills: dict[str, SkillWeights] = {}

    def on_weights(self, key: str, recorded: Recorded[Weights] | None) -> None:
        """A record of the topic; None is a tombstone."""
        if recorded is None:
            self.skills.pop(key, None)
            return
        record = recorded.message
        if key != record.skill:
            return
        if record.version and record.agents:
            self.skills[key] = skill_weights(record)
        else:
            self.skills.pop(key, None)


def skill_weights(record: Weights) -> SkillWeights:
    """What votes need of a record."""
    learned = record.basis == WEIGHTS_BASIS_FEEDBACK

    def made(listed: Iterable[AgentWeight], temperature: float) -> SkillWeights:
        voters = {voter_of(one.agent, one.model_digest): _weight(one) for one in listed}
        prior = voters.pop(voter_of("", ""), _NOBODY)
        return SkillWeights(record.version, voters, prior, temperature, learned)

    whole = made(record.agents, record.temperature)
    if not record.HasField("without_judges"):
        return whole
    alone = record.without_judges
    return replace(whole, without_judges=made(alone.agents, alone.temperature))


def _weight(one: AgentWeight) -> VoterWeight:
    return VoterWeight(one.weight, one.probability_weight, one.accuracy)
