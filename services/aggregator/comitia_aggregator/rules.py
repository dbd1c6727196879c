"""The table of rules: ballots and the result so far in, the result that the table leaves and a
sentence for each rule that applied out. Pure and total: whatever the ballots, values and rules,
nothing is raised, and where no rule applies the result is returned as it came.

Rules are asked in their order, each of the result that the one before has left, so a later rule has
the last word. A voter's word is its last ballot that names a usable value, by round and sample; a
role speaks with the last ballot of each of its seats. What guards a value (words, bounds) is asked
again of each value that takes the place of one it has struck; a veto strikes one. A struck value is
not put forward again within the table. Rules choose among values: that too few voted they cannot
change.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from comitia.consensus.ballots import lead
from comitia.v1.decision_pb2 import Ballot
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.rule_pb2 import (
    RULE_EFFECT_NEXT_VALUE,
    RULE_EFFECT_PERSON,
    OwnerWins,
    Rule,
    Rules,
    RuleVoter,
    Veto,
)
from comitia.v1.value_pb2 import Value
from comitia.values import value
from comitia_aggregator import guards
from comitia_aggregator.explain import shown
from comitia_aggregator.result import Result
from comitia_aggregator.values import key_of


def apply(
    rules: Rules, ballots: Sequence[Ballot], result: Result, answer_format: AnswerFormat, step: str
) -> tuple[Result, tuple[str, ...]]:
    """`ballots`: of all rounds, in any order; those of shadows have no say. `step`: name of the
    ladder's step, which is what settles the result where a rule changes the winner. A rule that
    leaves it to a person keeps the winner: it is what leads when nobody settles it.
    """
    table = _Table(ballots, result, answer_format, step)
    for rule in rules.rules:
        table.ask(rule)
    return table.result, tuple(table.said)


@value
class _Word:
    """What a voter's ballot says, `key` for short."""

    ballot: Ballot
    key: str

    def states(self, confidence_min: float) -> bool:
        """Whether it is as confident as that. A ballot that says nothing of it is not."""
        if not confidence_min > 0.0:
            return True
        return self.ballot.HasField("confidence") and self.ballot.confidence >= confidence_min


class _Table:
    """One reading of a table: `result` and `said` change as rules apply."""

    def __init__(
        self, ballots: Sequence[Ballot], result: Result, answer_format: AnswerFormat, step: str
    ) -> None:
        self.result, self.said = result, list[str]()
        self._step = step
        self._struck: set[str] = set()
        self._words: list[_Word] = []
        for ballot in sorted(ballots, key=_place):
            key = _key(ballot, answer_format, result)
            if key is not None:
                self._words.append(_Word(ballot, key))

    def ask(self, rule: Rule) -> None:
        if rule.WhichOneof("kind") == "owner":
            self._owner(rule, rule.owner)
            return
        guards_value = rule.WhichOneof("kind") in ("guard_words", "bounds")
        while why := self._why(rule):
            self._effect(rule, why)
            again = guards_value and rule.effect == RULE_EFFECT_NEXT_VALUE
            if not again or self.result.winner is None:
                return

    def _why(self, rule: Rule) -> str:
        """Why a rule applies, "" where it does not."""
        kind = rule.WhichOneof("kind")
        if kind == "required":
            return "" if self._of(rule.required.voter) else _absent(rule.required.voter)
        winner = self.result.winner
        if winner is None:
            return ""
        if kind == "veto":
            return self._vetoed(rule.veto, winner)
        leading = self._value(winner)
        if kind == "guard_words":
            word = guards.guarded(rule.guard_words.words, leading)
            return "" if word is None else f'{shown(leading)} holds the word "{word[:60]}"'
        if kind == "bounds":
            wrong = guards.outside(rule.bounds, leading)
            where = "" if leading.HasField("number") else f"in {shown(leading)}, "
            return "" if wrong is None else f"{where}{wrong}"
        return ""

    def _vetoed(self, veto: Veto, winner: str) -> str:
        for word in self._of(veto.voter):
            if word.key != winner and word.states(veto.confidence_min):
                mine, theirs = shown(word.ballot.value), shown(self._value(winner))
                return f"{word.ballot.agent} is for {mine} and against {theirs}"
        return ""

    def _effect(self, rule: Rule, why: str) -> None:
        winner = self.result.winner
        if rule.effect == RULE_EFFECT_PERSON:
            said = self._say(rule, f"{why}; a person is asked")
            self.result = replace(self.result, to_person=self.result.to_person or said)
        elif winner is None:
            self._say(rule, f"{why}; no value had won")
        elif rule.effect == RULE_EFFECT_NEXT_VALUE:
            self._struck.add(winner)
            shares = self.result.shares.items()
            left = {k: s for k, s in shares if 0.0 < s < math.inf and self._may_win(k)}
            following = lead(left, 0, 0)
            if following.winner is None:
                self.result = self.result.undecided(self._step)
                several = "the next values share the lead" if left else "no other value is left"
                self._say(rule, f"{why}; {several}")
            else:
                self._wins(following.winner, following.margin)
                self._say(rule, f"{why}; next is {shown(self._value(following.winner))}")
        else:
            self.result = self.result.undecided(self._step)
            self._say(rule, f"{why}; no value wins")

    def _owner(self, rule: Rule, owner: OwnerWins) -> None:
        """The owner's value wins; that of most seats where a role has several."""
        words = [
            word
            for word in self._of(owner.voter)
            if word.states(owner.confidence_min)
            and (not owner.option_ids or word.ballot.value.option_id in owner.option_ids)
        ]
        keys = [word.key for word in words]
        if not keys:
            return
        following = lead({key: keys.count(key) / len(keys) for key in keys}, 0, 0)
        if following.winner is None:
            self._say(rule, f"{_names(words)} differ; the result stands")
            return
        same = [word for word in words if word.key == following.winner]
        key, own = following.winner, same[0].ballot.value
        why = f"{shown(own)} of {_names(same)} wins"
        if not self.result.quorate:
            why += ", but too few voted"
        if key != self.result.winner:
            if key not in self.result.values:
                self.result = replace(self.result, values={**self.result.values, key: own})
            shares = self.result.shares
            others = max((share for other, share in shares.items() if other != key), default=0.0)
            self._wins(key, max(0.0, shares.get(key, 0.0) - others))
        self._say(rule, why)

    def _wins(self, key: str, margin: float) -> None:
        # The probability that was calibrated is that of the value which led before.
        changed = replace(self.result, winner=key, margin=margin, probability=None)
        self.result = replace(changed, by=self._step)

    def _may_win(self, key: str) -> bool:
        return key not in self._struck and key in self.result.values

    def _value(self, key: str) -> Value:
        return self.result.values.get(key, Value())

    def _of(self, voter: RuleVoter) -> list[_Word]:
        """The last word of an agent, or of each seat of a role."""
        if voter.agent:
            return [word for word in self._words if word.ballot.agent == voter.agent][-1:]
        if not voter.role:
            return []
        words = (word for word in self._words if word.ballot.role == voter.role)
        return list({word.ballot.seat: word for word in words}.values())

    def _say(self, rule: Rule, what: str) -> str:
        because = " ".join(rule.because.split())
        said = f"Rule {rule.name}: {what}." + (f" {because}" if because else "")
        self.said.append(said)
        return said


def _key(ballot: Ballot, answer_format: AnswerFormat, result: Result) -> str | None:
    """Under which key the result knows the ballot's value; None where it casts none."""
    if ballot.shadow or ballot.WhichOneof("outcome") != "value":
        return None
    try:
        # Some methods tell texts apart that differ in case alone.
        written = key_of(ballot.value, answer_format, as_written=True)
        return written if written in result.values else key_of(ballot.value, answer_format)
    except ValueError:
        return None


def _place(ballot: Ballot) -> tuple[int, int, int, str]:
    return ballot.round, ballot.sample, ballot.seat, ballot.assignment_id


def _absent(voter: RuleVoter) -> str:
    if voter.agent:
        return f"{voter.agent} has cast no ballot"
    return f"nobody in the role {voter.role} has cast a ballot"


def _names(words: Sequence[_Word]) -> str:
    return ", ".join(sorted({word.ballot.agent for word in words}))
