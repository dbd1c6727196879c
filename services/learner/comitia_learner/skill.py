"""What the learner remembers of one skill, and the weights that follow from it. Pure.

In come decisions and verdicts, each once; out come weights. The memory is a function of what was
folded and not of the order in which it came: counts, and the newest judged tasks by their place in
the log. A learner that reads its topics in another order, because it was restarted in the middle,
comes to the same weights. Everything is bounded (see Bounds).
"""

import hashlib
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from comitia.consensus import learning, one_coin
from comitia.consensus.weights import SkillWeights, is_judge
from comitia_learner.example import Judged, Place, example_of
from comitia_learner.judging import Panel

# Judged tasks of one skill together, as they stand in its record.
EXAMPLES_BYTES_MAX = 512 * 1024
# Ids of feedback that are remembered, for each judged task that may be kept, and how long a name
# they have: by chance two of 20,000 are alike once in 90 billion times.
IDS_PER_EXAMPLE = 10
IDS_MAX = 20_000
ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept of each skill; the settings of the same names."""

    examples_max: int = 2_000
    voters_max: int = 200

    @property
    def ids_max(self) -> int:
        return min(IDS_MAX, IDS_PER_EXAMPLE * self.examples_max)


@dataclass(slots=True)
class Skill:
    """`examples`: judged tasks by id. `ids`: of feedback that counted, shortened, oldest first.
    `seen`: where each voter was heard last. `compared`: in how many panels each voter stood beside
    others. `options`: how many tasks had so many options. `feedback` and `decisions`: how many were
    folded.
    """

    bounds: Bounds
    agreement: one_coin.Agreement = field(default_factory=one_coin.Agreement)
    examples: dict[str, Judged] = field(default_factory=dict)
    ids: dict[bytes, None] = field(default_factory=dict)
    seen: dict[str, Place] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)
    options: dict[int, int] = field(default_factory=dict)
    feedback: int = 0
    decisions: int = 0
    # Places of `examples`, oldest first, and how much those take.
    _order: list[tuple[Place, str]] = field(default_factory=list)
    _bytes: int = 0

    def compare(self, panel: Panel, place: Place) -> bool:
        """Learn from a decision who agrees with whom. False where fewer than two voters voted."""
        if panel.cast < 2:
            return False
        cast = [ballot for ballot in panel.votes.values() if ballot.choice is not None]
        one_coin.observe(self.agreement, cast, panel.options_count)
        for ballot in cast:
            self.compared[ballot.voter] = self.compared.get(ballot.voter, 0) + 1
        count = panel.options_count if panel.options else 2
        self.options[count] = self.options.get(count, 0) + 1
        self.decisions += 1
        self._hear((ballot.voter for ballot in cast), place)
        return True

    def counted(self, feedback_id: str) -> bool:
        """Whether feedback of this id was folded before."""
        return _short(feedback_id) in self.ids

    def note(self, feedback_id: str) -> None:
        """Remember that feedback of this id was folded."""
        self.feedback += 1
        self.ids[_short(feedback_id)] = None
        while len(self.ids) > self.bounds.ids_max:
            del self.ids[next(iter(self.ids))]

    def learn(self, judged: Judged) -> bool:
        """Keep a judged task. False where later feedback on the same task is known already."""
        former = self.examples.get(judged.task_id)
        if former is not None:
            if former.place >= judged.place:
                return False
            self._forget(former)
        self.put(judged)
        self._hear(judged.voters, judged.place)
        return True

    def put(self, judged: Judged) -> None:
        """Add a task that is not there; the oldest go where there are too many."""
        self.examples[judged.task_id] = judged
        insort(self._order, (judged.place, judged.task_id))
        self._bytes += judged.size_bytes
        while len(self.examples) > self.bounds.examples_max or self._bytes > EXAMPLES_BYTES_MAX:
            self._forget(self.examples[self._order[0][1]])

    def oldest_first(self) -> list[Judged]:
        """The judged tasks by their place in the log."""
        return [self.examples[task_id] for _, task_id in self._order]

    def forget_oldest(self, count: int) -> None:
        """Give up that many judged tasks."""
        for _, task_id in self._order[:count]:
            self._forget(self.examples[task_id])

    def fit(self) -> SkillWeights:
        """The weights that all of it makes likely; their version is 0. Fitted together with judges,
        who are asked about unsure votes, all others are less sure than alone: votes before a judge
        have a fit of their own.
        """
        examples = [example_of(judged, self.seen) for judged in self.oldest_first()]
        accuracies = one_coin.accuracies(self.agreement)
        usual = self._usual_options()
        whole = learning.fit(examples, accuracies, usual)
        if not any(is_judge(voter) for voter in whole.voters):
            return whole
        alone = [learning.without_judges(example) for example in examples]
        others = {voter: one for voter, one in accuracies.items() if not is_judge(voter)}
        return replace(whole, without_judges=learning.fit(alone, others, usual))

    def judged(self) -> dict[str, int]:
        """In how many of the judged tasks each voter voted."""
        counts: dict[str, int] = {}
        for judged in self.examples.values():
            for voter in judged.voters:
                if voter not in self.seen:
                    continue
                counts[voter] = counts.get(voter, 0) + 1
        return counts

    def _usual_options(self) -> float:
        """The mean; 2 where no task is known."""
        tasks = sum(self.options.values())
        return sum(count * n for count, n in self.options.items()) / tasks if tasks else 2.0

    def _forget(self, judged: Judged) -> None:
        self._order.remove((judged.place, judged.task_id))
        self._bytes -= judged.size_bytes
        del self.examples[judged.task_id]

    def _hear(self, voters: Iterable[str], place: Place) -> None:
        for voter in voters:
            self.seen[voter] = max(place, self.seen.get(voter, place))
        while len(self.seen) > self.bounds.voters_max:
            silent = min(self.seen, key=lambda voter: (self.seen[voter], voter))
            del self.seen[silent]
            self.compared.pop(silent, None)
            one_coin.forget(self.agreement, silent)


def _short(feedback_id: str) -> bytes:
    return hashlib.blake2b(feedback_id.encode(), digest_size=ID_BYTES).digest()
