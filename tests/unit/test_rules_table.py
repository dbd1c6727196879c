"""The table of rules: whose word counts for what, what each effect leaves, that rules follow each
other, and that every sentence says why.
"""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from google.protobuf import json_format

from comitia.v1.decision_pb2 import Ballot
from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.rule_pb2 import Rules
from comitia.v1.value_pb2 import Value
from comitia_aggregator.result import Result
from comitia_aggregator.rules import apply

CHOICE = json_format.ParseDict({"choice": {"options": [{"id": x} for x in "ABC"]}}, AnswerFormat())
NEXT, PERSON, NONE = (f"RULE_EFFECT_{one}" for one in ("NEXT_VALUE", "PERSON", "UNDECIDED"))
ALICE = {"voter": {"agent": "alice"}}
EXPERT = {"voter": {"role": "expert"}}


def table(*written: Mapping[str, object]) -> Rules:
    return json_format.ParseDict(
        {"rules": [{"name": f"r{n}", **one} for n, one in enumerate(written)]}, Rules()
    )


def ballot(seat: int, agent: str, option: str | None, **more: object) -> Ballot:
    cast = Ballot(seat=seat, agent=agent, round=1)
    if option is None:
        cast.abstention.detail = "cannot tell"
    else:
        cast.value.option_id = option
    return json_format.ParseDict(dict(more), cast)


def result(winner: str | None = "A", **shares: float) -> Result:
    shares = shares or {"A": 0.5, "B": 0.3, "C": 0.2}
    values = {key: Value(option_id=key) for key in shares}
    return Result(winner, shares, values, 0.2 if winner else 0.0, 0.8, True, "vote")


BALLOTS = (
    ballot(0, "alice", "C", confidence=0.6),
    ballot(1, "bob", "A"),
    ballot(2, "carol", "B", role="expert"),
    ballot(3, "dave", None),
)


def test_a_veto_leaves_no_winner_and_says_who_and_why() -> None:
    rules = table({"veto": ALICE, "because": "Alice answers for refunds."})
    left, said = apply(rules, BALLOTS, result(), CHOICE, "policy")
    assert left == Result(None, result().shares, result().values, 0.0, None, True, "policy")
    (sentence,) = said
    assert sentence == (
        'Rule r0: alice is for "C" and against "A"; no value wins. Alice answers for refunds.'
    )


@pytest.mark.parametrize(
    ("rule", "winner"),
    [
        ({"veto": ALICE, "effect": NEXT}, "B"),
        ({"veto": ALICE, "effect": NONE}, None),
        ({"veto": ALICE | {"confidenceMin": 0.6}}, None),
        ({"veto": ALICE | {"confidenceMin": 0.7}}, "A"),
        ({"veto": EXPERT | {"confidenceMin": 0.1}}, "A"),
        ({"veto": {"voter": {"agent": "bob"}}}, "A"),
        ({"veto": {"voter": {"agent": "dave"}}}, "A"),
        ({"veto": {"voter": {"agent": "nobody"}}}, "A"),
        ({"veto": EXPERT}, None),
        ({"required": ALICE}, "A"),
        ({"required": {"voter": {"agent": "dave"}}}, None),
        ({"required": {"voter": {"role": "critic"}}, "effect": NEXT}, "B"),
        ({"owner": ALICE}, "C"),
        ({"owner": ALICE | {"confidenceMin": 0.7}}, "A"),
        ({"owner": ALICE | {"optionIds": ["B"]}}, "A"),
        ({"owner": ALICE | {"optionIds": ["B", "C"]}}, "C"),
        ({"owner": {"voter": {"agent": "dave"}}}, "A"),
        ({"owner": EXPERT}, "B"),
        ({"required": {}}, None),
        ({}, "A"),
    ],
)
def test_each_rule_applies_as_its_contract_says(
    rule: Mapping[str, object], winner: str | None
) -> None:
    before = result()
    left, said = apply(table(rule), BALLOTS, before, CHOICE, "policy")
    assert left.winner == winner
    if winner == "A":
        assert left is before and not said
    else:
        assert len(said) == 1 and left.by == "policy"
        assert left.shares == before.shares, "who said what stays on record"
        assert left.probability is None, "it was that of another value"


def test_a_person_is_asked_with_the_reason_and_what_leads_stays() -> None:
    rules = table({"veto": ALICE, "effect": PERSON}, {"required": EXPERT, "effect": PERSON})
    left, said = apply(rules, BALLOTS, result(), CHOICE, "policy")
    assert left == replace(result(), to_person=said[0])
    assert "alice" in left.to_person


def test_the_next_value_wins_by_its_lead_over_the_rest_and_never_a_struck_one() -> None:
    strike = {"veto": {"voter": {"agent": "zoe"}}, "effect": NEXT}
    ballots = (*BALLOTS, ballot(4, "zoe", "C"))
    once, _ = apply(table(strike), ballots, result(), CHOICE, "p")
    assert once.winner == "B" and once.margin == pytest.approx(0.1)
    twice, _ = apply(table(strike, strike), ballots, result(), CHOICE, "p")
    assert twice.winner == "C" and twice.margin == pytest.approx(0.2)
    owner = {"owner": {"voter": {"agent": "carol"}}}
    struck, said = apply(table(strike, owner, strike), ballots, result(), CHOICE, "p")
    assert struck.winner == "C" and len(said) == 3


@pytest.mark.parametrize("shares", [{"A": 0.5, "B": 0.25, "C": 0.25}, {"A": 1.0}])
def test_no_value_wins_where_several_are_next_or_none_is(shares: dict[str, float]) -> None:
    rules = table({"veto": ALICE, "effect": NEXT})
    left, said = apply(rules, BALLOTS, result("A", **shares), CHOICE, "policy")
    assert (left.winner, left.margin, left.by) == (None, 0.0, "policy")
    assert ("share the lead" if len(shares) > 1 else "no other value") in said[0]


def test_a_word_is_the_last_one_and_an_unusable_one_is_none() -> None:
    later = ballot(0, "alice", "A", round=2)
    astray = ballot(0, "alice", "Z", round=3)
    rules = table({"veto": ALICE})
    assert apply(rules, (later, *BALLOTS, astray), result(), CHOICE, "p")[0].winner == "A"
    assert apply(rules, BALLOTS, result(), CHOICE, "p")[0].winner is None


def test_a_shadow_has_no_say() -> None:
    shadow = ballot(4, "zoe", "C", shadow=True)
    rules = table({"veto": {"voter": {"agent": "zoe"}}}, {"owner": {"voter": {"agent": "zoe"}}})
    assert apply(rules, (*BALLOTS, shadow), result(), CHOICE, "p") == (result(), ())


def test_owners_who_differ_settle_nothing_and_most_of_them_do() -> None:
    other = ballot(4, "zoe", "C", role="expert")
    rules = table({"owner": EXPERT})
    left, said = apply(rules, (*BALLOTS, other), result(), CHOICE, "p")
    assert left == result()
    assert said == ("Rule r0: carol, zoe differ; the result stands.",)
    third = ballot(5, "yan", "C", role="expert")
    assert apply(rules, (*BALLOTS, other, third), result(), CHOICE, "p")[0].winner == "C"


def test_who_is_missing_is_said() -> None:
    rules = table(
        {"required": {"voter": {"agent": "dave"}}}, {"required": {"voter": {"role": "critic"}}}
    )
    _, said = apply(rules, BALLOTS, result(), CHOICE, "p")
    assert said == (
        "Rule r0: dave has cast no ballot; no value wins.",
        "Rule r1: nobody in the role critic has cast a ballot; no value had won.",
    )


def test_an_owner_settles_what_no_value_had_won_but_makes_no_quorum() -> None:
    left, said = apply(table({"owner": ALICE}), BALLOTS, result(None), CHOICE, "p")
    assert (left.winner, left.by, left.decided) == ("C", "p", True)
    few = replace(result(None), quorate=False)
    left, said = apply(table({"owner": ALICE}), BALLOTS, few, CHOICE, "p")
    assert left.winner == "C" and not left.decided
    assert "too few voted" in said[0]


def test_rules_follow_each_other() -> None:
    first_owner = table({"owner": EXPERT}, {"veto": ALICE})
    assert apply(first_owner, BALLOTS, result(), CHOICE, "p")[0].winner is None
    first_veto = table({"veto": ALICE}, {"owner": EXPERT})
    assert apply(first_veto, BALLOTS, result(), CHOICE, "p")[0].winner == "B"


def test_texts_that_differ_in_case_are_told_apart_where_the_result_does() -> None:
    texts = AnswerFormat()
    texts.text.tokens_max = 0
    said = [Ballot(seat=0, agent="alice", value=Value(text="Yes"))]
    rules = table({"veto": ALICE})
    folded = Result("yes", {"yes": 1.0}, {"yes": Value(text="YES")}, 1.0, None, True, "vote")
    assert apply(rules, said, folded, texts, "p")[0].winner == "yes"
    values = {"YES": Value(text="YES"), "Yes": Value(text="Yes")}
    written = Result("YES", {"YES": 0.6, "Yes": 0.4}, values, 0.2, None, True, "vote")
    assert apply(rules, said, written, texts, "p")[0].winner is None
    said[0].value.text = "YES"
    assert apply(rules, said, written, texts, "p")[0].winner == "YES"
