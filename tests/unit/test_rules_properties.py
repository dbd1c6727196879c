"""What the table of rules promises for any ballots and any table: it never raises, it says the same
of the same, whatever the order of ballots, and where no rule applies the result is untouched.
"""

import json
import math
import random
from dataclasses import replace

import pytest

from comitia.v1.decision_pb2 import Ballot
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.rule_pb2 import Rule, Rules, RuleVoter
from comitia.v1.value_pb2 import Ranking, Tier, Value
from comitia_aggregator.result import Result
from comitia_aggregator.rules import apply
from comitia_aggregator.values import key_of

ODD = (math.nan, math.inf, -math.inf, -1.0, 0.0, 5e-324, 0.5, 1.0, 7.0, 1e308)
TEXTS = ("", " ", "kill", "Kill it", "fine", "\u200b", "\x00", "é" * 300, "爆弹", "\U0010ffff")
DOCUMENTS = (
    *('{"a": 1}', '{"a": {"b": [2, "kill"]}}', '{"a": NaN}', '{"a": "x", "a": 3}', "[" * 5000),
    *("", "7", '"\\ud800"', "1" + "0" * 5000, "[[[1e999]]]", "{", "true"),
)
POINTERS = ("", "/", "/a", "/a/b/0", "/a/b/-", "a", "/~", "/~2", "/a/b/" + "9" * 40)
AGENTS, ROLES = ("", "alice", "bob", "zoe"), ("", "expert", "judge")
KINDS = ("choice", "text", "number", "ranking", "json", None)
ROUNDS = 1500


class Chance(random.Random):
    """Draws what can come, and what cannot."""

    def value(self) -> Value:
        kind = self.choice((*KINDS, "choice"))
        if kind == "choice":
            return Value(option_id=self.choice(("A", "B", "C", "D", "")))
        if kind == "text":
            return Value(text=self.choice(TEXTS))
        if kind == "number":
            return Value(number=self.choice(ODD))
        if kind == "json":
            return Value(json=self.choice(DOCUMENTS))
        tiers = [Tier(option_ids=self.choices("ABC", k=self.randrange(3))) for _ in range(2)]
        return Value(ranking=Ranking(tiers=tiers)) if kind == "ranking" else Value()

    def format(self) -> AnswerFormat:
        made, kind = AnswerFormat(), self.choice(KINDS)
        if kind in ("choice", "ranking"):
            for option in "ABC":
                getattr(made, kind).options.add(id=option)
        elif kind is not None:
            getattr(made, kind).SetInParent()
        return made

    def ballot(self, number: int) -> Ballot:
        made = Ballot(seat=self.randrange(4), agent=self.choice(AGENTS), round=self.randrange(3))
        made.role, made.sample = self.choice(ROLES), self.randrange(2)
        # No two answers are to the same assignment.
        made.assignment_id = f"p.{number}"
        made.shadow = self.random() < 0.1
        if self.random() < 0.5:
            made.confidence = self.choice(ODD)
        if self.random() < 0.8:
            made.value.CopyFrom(self.value())
        elif self.random() < 0.5:
            made.abstention.SetInParent()
        return made

    def voter(self) -> RuleVoter:
        return RuleVoter(agent=self.choice(AGENTS), role=self.choice(ROLES))

    def rule(self) -> Rule:
        made = Rule(name="r", because=self.choice(TEXTS))
        made.effect = self.choice((0, 1, 2, 2, 3, 77))  # type: ignore[assignment]
        kind = self.choice(("veto", "required", "owner", "guard_words", "bounds", None))
        if kind is None:
            return made
        table = getattr(made, kind)
        table.SetInParent()
        if kind in ("veto", "required", "owner"):
            table.voter.CopyFrom(self.voter())
        if kind in ("veto", "owner"):
            table.confidence_min = self.choice(ODD)
        if kind == "owner":
            table.option_ids.extend(self.sample("ABCZ", k=self.randrange(3)))
        if kind == "guard_words":
            table.words.extend(self.choices(TEXTS, k=self.randrange(4)))
        if kind == "bounds":
            table.field = self.choice(POINTERS)
            for end in self.sample(("min", "max"), k=self.randrange(3)):
                setattr(table, end, self.choice(ODD))
        return made

    def result(self, ballots: list[Ballot], answer_format: AnswerFormat) -> Result:
        values = {"foreign": self.value()}
        for ballot in ballots:
            if ballot.HasField("value"):
                key = _key(ballot.value, answer_format)
                values.setdefault(key, ballot.value)
        shares = {key: self.choice((*ODD, self.random())) for key in values}
        if self.random() < 0.2:
            shares["unknown"] = 0.9
        winner = self.choice((None, *shares))
        return Result(winner, shares, values, 0.1, 0.7, self.random() < 0.8, "vote")


def _key(value: Value, answer_format: AnswerFormat) -> str:
    try:
        return key_of(value, answer_format)
    except ValueError:
        return "unusable"


def _applies_never(rule: Rule) -> Rule:
    """A rule of the same kind that nothing can meet."""
    kind = rule.WhichOneof("kind")
    voter = RuleVoter(agent="nobody at all")
    if kind == "veto":
        return Rule(name="r", veto={"voter": voter})
    if kind == "owner":
        return Rule(name="r", owner={"voter": voter})
    if kind == "guard_words":
        return Rule(name="r", guard_words={"words": ["never said"]})
    return Rule(name="r")


@pytest.mark.parametrize("seed", range(4))
def test_any_table_over_any_ballots_is_total_and_deterministic(seed: int) -> None:
    chance = Chance(seed)
    applied = 0
    for _ in range(ROUNDS):
        answer_format = chance.format()
        ballots = [chance.ballot(number) for number in range(chance.randrange(7))]
        before = chance.result(ballots, answer_format)
        rules = Rules(rules=[chance.rule() for _ in range(chance.randrange(5))])
        case = (rules, ballots, before, answer_format)
        frozen = [message.SerializeToString() for message in (rules, *ballots, answer_format)]
        kept = replace(before, shares=dict(before.shares), values=dict(before.values))
        left, said = apply(rules, ballots, before, answer_format, "table")
        applied += bool(said)

        shuffled = chance.sample(ballots, len(ballots))
        assert _same(apply(rules, shuffled, before, answer_format, "table"), (left, said)), case
        assert [m.SerializeToString() for m in (rules, *ballots, answer_format)] == frozen
        assert _same((before, ()), (kept, ())), "what came in is not changed"
        if not said:
            assert left is before, case
        if left.winner is not None:
            assert left.winner == before.winner or left.winner in left.values, case
            assert left.by == ("vote" if left.winner == before.winner else "table") or said
        assert left.margin >= 0.0 and left.quorate == before.quorate
        assert all(sentence.startswith("Rule r: ") for sentence in said)
    assert applied > ROUNDS // 4, "the draw asks for something"


@pytest.mark.parametrize("seed", range(2))
def test_rules_that_do_not_apply_leave_the_result_as_it_came(seed: int) -> None:
    chance = Chance(seed)
    for _ in range(ROUNDS // 4):
        answer_format = chance.format()
        ballots = [chance.ballot(number) for number in range(chance.randrange(7))]
        before = chance.result(ballots, answer_format)
        rules = Rules(rules=[_applies_never(chance.rule()) for _ in range(5)])
        left, said = apply(rules, ballots, before, answer_format, "table")
        assert left is before and said == ()


def _same(one: tuple[Result, tuple[str, ...]], other: tuple[Result, tuple[str, ...]]) -> bool:
    """Equal, NaN being itself."""
    return repr(one) == repr(other) and json.dumps(one[1]) == json.dumps(other[1])
