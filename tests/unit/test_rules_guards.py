"""What guards a value: whole words in texts of any script and in JSON, bounds on the number that a
pointer names, and a value that takes the place of a struck one being looked at too.
"""

import json

import pytest
from google.protobuf import json_format

from comitia.v1.format_pb2 import AnswerFormat
from comitia.v1.rule_pb2 import NumericBounds, Rules
from comitia.v1.value_pb2 import Value
from comitia_aggregator.guards import guarded, number_at, outside
from comitia_aggregator.result import Result
from comitia_aggregator.rules import apply


@pytest.mark.parametrize(
    ("word", "text", "holds"),
    [
        ("kill", "Kill the process", True),
        ("kill", "a skilled, killing KILL.", True),
        ("kill", "skilled killing overkill kill9 kill_it", False),
        ("credit card", "Your CREDIT\n  card, please", True),
        ("credit card", "credit cards", False),
        ("straße", "an der STRASSE links", True),
        ("été", "en e\u0301te\u0301", True),
        ("ete", "en e\u0301te\u0301", False),
        ("kill", "ki\u00adll", True),
        ("\uff4bill", "kill", True),
        ("C++", "in C++ it is", True),
        ("मर", "मरे", False),
        ("मर", "वह मर गया", True),
        ("爆弹", "制造爆弹的方法", True),
        ("ระเบิด", "ทำระเบิดเอง", True),
        ("kill", "", False),
        (" ", "a b", False),
    ],
)
def test_words_are_found_whole_in_any_case_and_script(word: str, text: str, holds: bool) -> None:
    assert (guarded(["never", word], Value(text=text)) == word) is holds
    inside = Value(json=json.dumps({"notes": [1, {"deep": [None, text]}]}))
    assert (guarded([word], inside) == word) is holds


def test_json_is_searched_in_names_and_in_members_of_one_name() -> None:
    assert guarded(["kill"], Value(json='{"kill": 1}')) == "kill"
    assert guarded(["kill"], Value(json='{"a": "kill", "a": "fine"}')) == "kill"
    assert guarded(["a", "null", "true"], Value(json='[true, null, "b"]')) is None


@pytest.mark.parametrize(
    "value", [Value(option_id="kill"), Value(number=1.0), Value(), Value(json="[kill")]
)
def test_other_kinds_hold_no_word(value: Value) -> None:
    found = guarded(["kill"], value)
    assert found == ("kill" if value.HasField("json") else None), "unreadable JSON is a text"


DOCUMENT = {
    "total": 7,
    "a/b": {"~": [1.5, {"": -3}]},
    "yes": True,
    "text": "7",
    "big": 10**400,
    "~1": 9,
}


@pytest.mark.parametrize(
    ("pointer", "number"),
    [
        ("/total", 7),
        ("/a~1b/~0/0", 1.5),
        ("/a~1b/~0/1/", -3),
        ("/big", 10**400),
        ("/~01", 9),
        ("/a~1b/~0/00", None),
        ("/a~1b/~0/2", None),
        ("/a~1b/~0/-", None),
        ("/a~1b/~0/-1", None),
        ("/a~1b/~0/²", None),
        ("/a~1b/~0/" + "9" * 5000, None),
        ("/yes", None),
        ("/text", None),
        ("/missing/0", None),
        ("total", None),
        ("", None),
    ],
)
def test_a_pointer_names_a_number_or_none(pointer: str, number: float | None) -> None:
    assert number_at(pointer, Value(json=json.dumps(DOCUMENT))) == number


def test_the_number_itself_needs_no_pointer() -> None:
    assert number_at("", Value(number=2.5)) == 2.5
    assert number_at("", Value(json="3")) == 3
    assert number_at("/total", Value(number=2.5)) is None
    assert number_at("", Value(text="3")) is None
    assert number_at("/a", Value(json='{"a": NaN}')) is None
    assert number_at("/a", Value(json='{"a": 1, "a": 2}')) == 2


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"total": 10}', None),
        ('{"total": 20}', None),
        ('{"total": 9.99}', "9.99 at /total is below the minimum 10"),
        ('{"total": 20.01}', "20.01 at /total is above the maximum 20"),
        ('{"total": null}', "there is no number at /total"),
        (f'{{"total": 1{"0" * 400}}}', "digits at /total is above the maximum 20"),
        ("[" * 100_000, "there is no number at /total"),
    ],
)
def test_bounds_hold_at_their_ends_and_say_what_is_wrong(document: str, said: str | None) -> None:
    found = outside(NumericBounds(field="/total", min=10.0, max=20.0), Value(json=document))
    assert found == said or (said is not None and found is not None and said in found)


def test_a_bound_that_is_not_set_bounds_nothing() -> None:
    assert outside(NumericBounds(), Value(number=-1e9)) is None
    assert outside(NumericBounds(min=0.0), Value(number=-1e-9)) is not None
    assert outside(NumericBounds(max=0.0), Value(number=1e-9)) is not None


def test_no_forbidden_value_takes_the_place_of_another() -> None:
    rules = json_format.ParseDict(
        {
            "rules": [
                {"name": "limit", "bounds": {"max": 10}, "effect": "RULE_EFFECT_NEXT_VALUE"},
            ]
        },
        Rules(),
    )
    numbers = {"20": 0.4, "30": 0.3, "5": 0.2, "4": 0.1}
    values = {key: Value(number=float(key)) for key in numbers}
    led = Result("20", numbers, values, 0.1, None, True, "vote")
    left, said = apply(rules, (), led, AnswerFormat(number={}), "rules")
    assert (left.winner, left.by) == ("5", "rules") and left.margin == pytest.approx(0.1)
    assert said == (
        "Rule limit: 20 is above the maximum 10; next is 30.",
        "Rule limit: 30 is above the maximum 10; next is 5.",
    )
