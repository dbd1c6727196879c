"""The learner's behaviour: decisions and feedback in, versions of weights out; no I/O, no clock.

`restore` takes what the topic `weights` holds, `decision` and `feedback` fold one record each,
`due` says when there is something to publish and `publish` what. Everything that one `publish`
returns belongs into one transaction: with it the offsets move on, so each record counts once,
whatever happens between two of them.

A record of one skill tells how far that skill has folded, and also from where on anything is
missing in the records of any skill; a learner that takes over reads from there, and each skill
passes over what it has. So only skills that have something new are written.
"""

import math
import re
from dataclasses import dataclass, field

from comitia.effects import Publish, Recorded
from comitia.errors import Poison
from comitia.v1.decision_pb2 import Decision
from comitia.v1.feedback_pb2 import Feedback
from comitia.v1.weights_pb2 import Weights
from comitia_learner import memory
from comitia_learner.claims import decision_of
from comitia_learner.example import Place, keep
from comitia_learner.judging import judge, panel_of
from comitia_learner.memory import Offsets
from comitia_learner.record import folded_by, kept_of, snapshot_of, version_key, version_of
from comitia_learner.skill import Bounds, Skill

# What became of feedback that was not refused.
FOLDED, REPLACED, DUPLICATE, SUPERSEDED, NOTHING, KNOWN = (
    "folded", "replaced", "duplicate", "superseded", "nothing_to_judge", "known",
)  # fmt: skip
# Agreement alone is worth a version after so many decisions, and after a quarter as many as before.
_DECISIONS_MIN = 64
_DECISIONS_SHARE = 4
# A skill of such a name would share its key with a version of another one.
_VERSION = re.compile(r"(.*)@([0-9]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rules:
    """Where weights go, and the settings of the same names."""

    topic: str
    bounds: Bounds
    skills_max: int = 1_000
    weights_versions_max: int = 100
    publish_interval_ms: int = 1_000
    snapshot_interval_ms: int = 60_000


@dataclass(slots=True)
class Publication:
    """One transaction: records, keys to be removed, and, for telling, the versions that are new."""

    records: list[Publish] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    versions: list[Weights] = field(default_factory=list)


@dataclass(slots=True)
class _Known:
    """One skill: its memory and how much of it is published.

    `newest`: its last version, without memory; version 0 before any. `folded`: up to where its
    record had folded when it was restored. `since`: entity and partition -> the first offset folded
    since its last record. `judged`: feedback came since its last version, which knew `versioned`
    decisions.
    """

    skill: Skill
    newest: Weights
    folded: Offsets = field(default_factory=dict)
    since: dict[tuple[str, int], int] = field(default_factory=dict)
    judged: bool = False
    versioned: int = 0

    @property
    def due(self) -> bool:
        """Whether what came since the last version is worth one."""
        decisions = self.skill.decisions
        enough = max(_DECISIONS_MIN, decisions // _DECISIONS_SHARE)
        return self.judged or decisions - self.versioned >= enough


class Learner:
    """Everything that one learner knows. `unreadable`: skills whose memory could not be read, and
    why; they begin anew.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._known: dict[str, _Known] = {}
        self._kept: dict[str, set[int]] = {}
        self._restarts: dict[str, Offsets] = {}
        self._next: dict[tuple[str, int], int] = {}
        self._refused = False
        self._published_ms = -math.inf
        self._snapshot_ms: float | None = None
        self.unreadable: dict[str, str] = {}

    def restore(self, key: str, recorded: Recorded[Weights] | None) -> None:
        """A record of `weights`, in the order of the log; None removes the key."""
        named = _VERSION.fullmatch(key)
        if named is not None:
            kept = self._kept.setdefault(named[1], set())
            (kept.discard if recorded is None else kept.add)(int(named[2]))
            return
        for table in (self._known, self._restarts, self.unreadable):
            table.pop(key, None)
        if recorded is not None:
            self._restore(key, recorded.message)

    def begin(self) -> Offsets:
        """Everything is restored: where to go on reading, by entity and partition; what is not
        named is to be read from its beginning.
        """
        if not self.unreadable:
            for restart in self._restarts.values():
                for where, offset in restart.items():
                    self._next[where] = max(offset, self._next.get(where, 0))
        return dict(self._next)

    def refuse(self, entity: str, partition: int, offset: int) -> None:
        """A record that was given up: it counts for nothing, and is not to be read again."""
        self._next[entity, partition] = offset + 1
        self._refused = True

    def decision(self, recorded: Recorded[Decision]) -> bool:
        """Fold how the agents agree in a decision; whether there was anything to compare."""
        decision, place = recorded.message, _place(recorded)
        where = ("decisions", recorded.partition)
        self._next[where] = recorded.offset + 1
        panel = panel_of(decision)
        # A later revision holds the ballots of the first.
        if panel is None or decision.revision or panel.cast < 2:
            return False
        known = self._skill(decision.skill)
        if known is None or recorded.offset < known.folded.get(where, 0):
            return False
        known.skill.compare(panel, place)
        known.since.setdefault(where, recorded.offset)
        return True

    def feedback(self, recorded: Recorded[Feedback], decision: Recorded[Decision] | None) -> str:
        """Fold feedback, given the decision that it names, None where none is there. Returns what
        became of it.

        Poison: INVALID_FEEDBACK, NO_DECISION, OTHER_TASK, WRONG_VALUE, NO_ROOM.
        """
        feedback, where = recorded.message, ("feedback", recorded.partition)
        self._next[where] = recorded.offset + 1
        decided = decision_of(feedback, decision)
        panel = panel_of(decided)
        if panel is None:
            return NOTHING
        try:
            verdict = judge(panel, feedback.correct)
        except ValueError as error:
            raise Poison(
                f"{error}: give the value as it should have been", "WRONG_VALUE"
            ) from error
        known = self._skill(decided.skill)
        if known is None:
            raise Poison(f"skill {decided.skill[:128]!r}: {self._why_not()}", "NO_ROOM")
        skill = known.skill
        if recorded.offset < known.folded.get(where, 0):
            return KNOWN
        if skill.counted(feedback.id):
            return DUPLICATE
        skill.note(feedback.id)
        known.judged = True
        known.since.setdefault(where, recorded.offset)
        judged = keep(feedback.task_id, _place(recorded), verdict)
        if judged is None:
            return NOTHING
        again = judged.task_id in skill.examples
        if not skill.learn(judged):
            return SUPERSEDED
        return REPLACED if again else FOLDED

    def due(self, now_ms: float) -> bool:
        """Whether to publish; `now_ms` is monotonic."""
        if self._snapshot_ms is None:
            self._snapshot_ms = now_ms
        if self._snapshot_due(now_ms):
            return True
        rested = now_ms - self._published_ms >= self._rules.publish_interval_ms
        return rested and self.waiting

    @property
    def waiting(self) -> bool:
        """Whether there is anything that should not be lost when this learner stops."""
        return self._refused or any(known.due for known in self._known.values())

    def publish(self, now_ms: float) -> Publication:
        """What is due, taken to be published: who cannot publish it has to begin anew. Takes as
        long as a fit of every skill that gets a version.
        """
        snapshot = self._snapshot_due(now_ms)
        chosen = [n for n, k in sorted(self._known.items()) if k.due or (snapshot and k.since)]
        if self._refused and not chosen:
            # One record moves the offsets beyond what was refused.
            chosen = sorted(self._known)[:1]
        for name in chosen:
            self._known[name].since = {}
        restart = self._restart()
        publication = Publication()
        for name in chosen:
            self._publish(name, restart, publication)
        self._refused = False
        self._published_ms = now_ms
        if snapshot:
            self._snapshot_ms = now_ms
        return publication

    def _publish(self, name: str, restart: Offsets, publication: Publication) -> None:
        known, topic = self._known[name], self._rules.topic
        if known.due:
            number = known.newest.version + 1
            known.newest = version_of(name, number, known.skill, known.skill.fit())
            known.judged, known.versioned = False, known.skill.decisions
            kept = self._kept.setdefault(name, set())
            old = {one for one in kept if one <= number - self._rules.weights_versions_max}
            kept ^= old | {number}
            publication.removed += [version_key(name, one) for one in sorted(old)]
            publication.versions.append(known.newest)
            stays = kept_of(known.newest, self._next)
            publication.records.append(Publish(topic, version_key(name, number), stays))
        snapshot = snapshot_of(known.newest, known.skill, self._next, restart)
        publication.records.append(Publish(topic, name, snapshot))

    def _restart(self) -> Offsets:
        """From where on something is in no record yet."""
        restart = dict(self._next)
        for known in self._known.values():
            for where, offset in known.since.items():
                restart[where] = min(offset, restart[where])
        return restart

    def _snapshot_due(self, now_ms: float) -> bool:
        began_ms = self._snapshot_ms
        if began_ms is None or now_ms - began_ms < self._rules.snapshot_interval_ms:
            return False
        return any(known.since for known in self._known.values())

    def _restore(self, name: str, record: Weights) -> None:
        newest = Weights()
        newest.CopyFrom(record)
        for part in ("memory", "feedback_offsets", "decision_offsets"):
            newest.ClearField(part)
        try:
            skill, self._restarts[name] = memory.restore(record.memory, self._rules.bounds)
        except ValueError as error:
            self.unreadable[name] = str(error)
            self._known[name] = _Known(Skill(self._rules.bounds), newest)
            return
        folded = folded_by(record)
        self._known[name] = _Known(skill, newest, folded, versioned=newest.decision_count)

    def _skill(self, name: str) -> _Known | None:
        """None where there is no room for it."""
        known = self._known.get(name)
        if known is None and name and not _VERSION.fullmatch(name):
            if len(self._known) >= self._rules.skills_max:
                return None
            known = self._known[name] = _Known(Skill(self._rules.bounds), Weights(skill=name))
        return known

    def _why_not(self) -> str:
        return (
            f"the learner has room for {self._rules.skills_max} skills (COMITIA_SKILLS_MAX), and"
            " for none whose name ends in @ and a number"
        )


def _place(recorded: Recorded[Feedback] | Recorded[Decision]) -> Place:
    return recorded.append_ms, recorded.partition, recorded.offset
