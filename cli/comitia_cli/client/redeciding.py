"""Recorded tasks decided anew and held against what was decided: the reading behind `redecide`.

In: the topics panel-events, decisions, feedback and weights since a time, and a change of the
policy. Out: a Comparison, and each task that came out otherwise. Nothing is written.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from comitia.errors import ConfigError, Poison
from comitia.ports import Record, TopicPartition
from comitia.v1.decision_pb2 import Decision, DecisionStatus
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.weights_pb2 import Weights
from comitia.weights_table import skill_weights
from comitia_aggregator.state import Rules
from comitia_cli.client.comparing import Comparison, Limits
from comitia_cli.client.policies import Change
from comitia_cli.client.records import decode, offsets_since, partitions_of, scan
from comitia_cli.client.refolding import Folded, Refold
from comitia_cli.shell import Session

# After every deadline.
_FOREVER_MS = 2**63
# What a vote can end as.
_VOTED = {
    DecisionStatus.DECISION_STATUS_DECIDED,
    DecisionStatus.DECISION_STATUS_NO_QUORUM,
    DecisionStatus.DECISION_STATUS_EXPIRED,
    DecisionStatus.DECISION_STATUS_ESCALATED,
}


@dataclass(frozen=True)
class Wanted:
    """`since_ms`: append time, epoch milliseconds. `skill` "": all. `version` 0: each skill's
    newest weights.
    """

    change: Change
    since_ms: int
    skill: str = ""
    version: int = 0


@dataclass
class Said:
    """Feedback on a task: the one that was appended last, and where all of it stands (partition and
    offset): what was said twice has taught the weights once its first copy was folded.
    """

    feedback: Feedback
    append_ms: int
    places: list[tuple[int, int]]


@dataclass(frozen=True)
class Pair:
    """A task's two decisions. `limits`: see Comparison. `said`: feedback on it."""

    recorded: Decision
    redecided: Decision
    limits: Limits
    said: Said | None


async def weights_of(session: Session, version: int, skill: str = "") -> dict[str, Weights]:
    """Weights by skill: the newest, or those of one version. ConfigError where no skill has it, or
    `skill` has not.
    """
    topic = await session.topic("weights")
    found: dict[str, Weights] = {}
    async for record in scan(session.log, partitions_of([topic])):
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            # A version that is no longer kept.
            found = {skill: kept for skill, kept in found.items() if _key(kept, version) != key}
            continue
        weights = decode(Weights, record)
        # Version 0 is the learner's memory alone.
        if key == _key(weights, version) and weights.version and version in (0, weights.version):
            weights.ClearField("memory")
            found[weights.skill] = weights
    if version and (not found or skill not in ("", *found)):
        whose = f"skill {skill!r} has no" if skill else "no skill has"
        raise ConfigError(
            f"{whose} weights of version {version}: the topic keeps the newest of each skill,"
            " as many as COMITIA_WEIGHTS_VERSIONS_MAX says"
        )
    return found


def _key(weights: Weights, version: int) -> str:
    return f"{weights.skill}@{version}" if version else weights.skill


async def pairs(
    session: Session, wanted: Wanted, weights: Mapping[str, Weights], into: Comparison
) -> AsyncIterator[Pair]:
    """Every task that has a recorded vote and a panel since then, one partition after the other;
    what has only one of them is counted.
    """
    said = await _feedback(session, wanted.since_ms)
    tables = {skill: skill_weights(record) for skill, record in weights.items() if record.agents}
    rules = Rules(session.names.topic("decisions"), weights=tables)
    events, decisions = await session.topic("panel-events"), await session.topic("decisions")
    for number in range(decisions.partitions):
        recorded = await _decisions(session, TopicPartition(decisions.name, number), wanted)
        fold = Refold(wanted.change, rules)
        async for folded in _folded(session, TopicPartition(events.name, number), wanted, fold):
            decision = folded.decision
            if wanted.skill not in ("", decision.skill):
                continue
            if decision.task_id not in recorded:
                into.without_decision += 1
                continue
            former, at_ms = recorded.pop(decision.task_id)
            if former.status in _VOTED and decision.status in _VOTED:
                limits = _limits(folded, at_ms, former, (wanted, tables))
                yield Pair(former, decision, limits, said.get(decision.task_id))
        rest = {one.task_id for one, _ in recorded.values() if one.status in _VOTED}
        staged = {name for name, (one, _) in recorded.items() if one.stages or name in fold.staged}
        into.staged += len(staged)
        into.unsuited += len(rest & fold.unsuited)
        into.without_panel += len(rest - fold.unsuited - staged)
        into.unread += fold.unread


def _limits(
    folded: Folded, at_ms: int, former: Decision, by: tuple[Wanted, Mapping[str, object]]
) -> Limits:
    """`at_ms`: when it was decided, epoch milliseconds. `by`: what is asked, and the weights."""
    wanted, tables = by
    decision, change = folded.decision, wanted.change
    simpler = "method" in change.names and decision.method not in (0, change.policy.method)
    weighed = simpler or bool(former.weights_version)
    unversioned = bool(wanted.version) and decision.skill not in tables and weighed
    return Limits(
        cut_short=folded.at_deadline and at_ms < folded.deadline_ms and not folded.unheld,
        unheld=folded.unheld,
        unversioned=unversioned,
        unweighed=simpler and not unversioned,
    )


def fitted(weights: Mapping[str, Weights], pair: Pair) -> bool:
    """Whether the decision anew was made by weights that its feedback has helped to fit."""
    if pair.said is None or not pair.redecided.weights_version:
        return False
    folded = weights[pair.redecided.skill].feedback_offsets
    return any(offset < folded.get(partition, 0) for partition, offset in pair.said.places)


async def _since(
    session: Session, partitions: frozenset[TopicPartition], since_ms: int
) -> AsyncIterator[Record]:
    start = await offsets_since(session.log, partitions, since_ms)
    async for record in scan(session.log, partitions, start):
        yield record


async def _feedback(session: Session, since_ms: int) -> dict[str, Said]:
    """By task."""
    found: dict[str, Said] = {}
    async for record in _since(session, partitions_of([await session.topic("feedback")]), since_ms):
        try:
            feedback = decode(Feedback, record)
        except Poison:
            # Anybody may write there; the learner keeps it in the dead letters.
            continue
        said = found.setdefault(feedback.task_id, Said(feedback, record.timestamp_ms, []))
        said.places.append((record.partition, record.offset))
        if said.append_ms <= record.timestamp_ms:
            said.feedback, said.append_ms = feedback, record.timestamp_ms
    return found


async def _decisions(
    session: Session, partition: TopicPartition, wanted: Wanted
) -> dict[str, tuple[Decision, int]]:
    """What the panels decided, and when; not what people made of it later."""
    found: dict[str, tuple[Decision, int]] = {}
    async for record in _since(session, frozenset({partition}), wanted.since_ms):
        decision = decode(Decision, record)
        if decision.revision == 0 and wanted.skill in ("", decision.skill):
            for ballot in decision.ballots:
                # Of the ballots only their number is looked at.
                shadow = ballot.shadow
                ballot.Clear()
                ballot.shadow = shadow
            found[decision.task_id] = (decision, record.timestamp_ms)
    return found


async def _folded(
    session: Session, partition: TopicPartition, wanted: Wanted, fold: Refold
) -> AsyncIterator[Folded]:
    async for record in _since(session, frozenset({partition}), wanted.since_ms):
        for one in fold.add(record):
            yield one
    for one in fold.close(_FOREVER_MS):
        yield one
