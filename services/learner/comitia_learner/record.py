"""The Weights records of a skill: what is published under its key, and under SKILL@VERSION.

In come a Skill and the weights that follow from it; out come records for the router and the
aggregator, and the same with the learner's memory. A record fits the topic: should the memory be
too large, the oldest judged tasks are given up.
"""

import logging
from collections.abc import MutableMapping

from comitia.consensus.weights import SkillWeights, VoterWeight
from comitia.topics import TOPICS
from comitia.v1.weights_pb2 import (
    WEIGHTS_BASIS_AGREEMENT,
    WEIGHTS_BASIS_FEEDBACK,
    AgentWeight,
    Weights,
)
from comitia_learner import memory
from comitia_learner.memory import Offsets
from comitia_learner.skill import Skill

_LOG = logging.getLogger("comitia.learner")
# Room for a record's headers and its batch.
RECORD_BYTES_MAX = TOPICS["weights"].bytes_max - 16 * 1024


def version_key(skill: str, version: int) -> str:
    """Under which a version stays when there are newer ones."""
    return f"{skill}@{version}"


def version_of(name: str, number: int, skill: Skill, weights: SkillWeights) -> Weights:
    """A version without the learner's memory and offsets."""
    judged = skill.judged()
    record = Weights(
        skill=name,
        version=number,
        basis=WEIGHTS_BASIS_FEEDBACK if weights.learned else WEIGHTS_BASIS_AGREEMENT,
        temperature=weights.temperature,
        feedback_count=skill.feedback,
        decision_count=skill.decisions,
    )
    record.agents.append(_agent("", weights.prior))
    for voter in sorted(weights.voters):
        agent = record.agents.add()
        agent.CopyFrom(_agent(voter, weights.voters[voter]))
        agent.judged = judged.get(voter, 0)
        agent.compared = skill.compared.get(voter, 0)
    alone = weights.without_judges
    if alone is not None:
        told = record.without_judges
        told.temperature = alone.temperature
        told.agents.append(_agent("", alone.prior))
        told.agents.extend(_agent(voter, alone.voters[voter]) for voter in sorted(alone.voters))
    return record


def kept_of(version: Weights, folded: Offsets) -> Weights:
    """What stays under SKILL@VERSION: whoever judges by the feedback that it knows, or does not,
    has to see how much that is. `folded`: up to where.
    """
    record = Weights()
    record.CopyFrom(version)
    for (entity, partition), offset in folded.items():
        _offsets(record, entity)[partition] = offset
    return record


def snapshot_of(version: Weights, skill: Skill, folded: Offsets, restart: Offsets) -> Weights:
    """The newest version with all that the learner needs to go on. `folded`: up to where;
    `restart`: from where on something is not in any record yet.
    """
    record = kept_of(version, folded)
    record.memory = memory.dump(skill, restart)
    while record.ByteSize() > RECORD_BYTES_MAX and skill.examples:
        given_up = max(1, len(skill.examples) // 8)
        told = {"event": "memory_full", "skill": record.skill, "given_up": given_up}
        _LOG.warning(
            "the memory of %r is full: %d of %d judged tasks are given up, the oldest",
            *(record.skill, given_up, len(skill.examples)),
            extra=told,
        )
        skill.forget_oldest(given_up)
        record.memory = memory.dump(skill, restart)
    return record


def folded_by(record: Weights) -> Offsets:
    """Up to where a snapshot has folded."""
    return {
        (entity, partition): offset
        for entity in ("feedback", "decisions")
        for partition, offset in _offsets(record, entity).items()
    }


def _offsets(record: Weights, entity: str) -> MutableMapping[int, int]:
    return record.feedback_offsets if entity == "feedback" else record.decision_offsets


def _agent(voter: str, weight: VoterWeight) -> AgentWeight:
    name, _, digest = voter.partition("@")
    return AgentWeight(
        agent=name,
        model_digest=digest,
        weight=weight.weight,
        probability_weight=weight.probability_weight,
        accuracy=weight.accuracy,
    )
