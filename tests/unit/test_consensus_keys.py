"""Values that a person calls equal have equal keys, and what cannot be read is refused with a
sentence.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus.keys import json_key, number_key, passage_key, ranking_key, text_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Yes", "  yes\n"),
        ("two  words", "Two\twords"),
        ("ﬁne", "FINE"),
        ("Straße", "STRASSE"),
        ("①", "1"),
    ],
)
def test_texts_compare_after_folding(one: str, other: str) -> None:
    assert text_key(one) == text_key(other)


def test_texts_that_differ_stay_different() -> None:
    assert text_key("yes") != text_key("no")
    with pytest.raises(ValueError, match="empty"):
        text_key(" \n")


def test_passages_differ_by_all_but_white_space_and_composition() -> None:
    assert passage_key(" Caf\u00e9\n au lait") == passage_key("Cafe\u0301 au  lait ")
    assert passage_key("Sie") != passage_key("sie")
    with pytest.raises(ValueError, match="the text is empty"):
        passage_key("\t")


def test_numbers_compare_at_twelve_digits() -> None:
    assert number_key(0.1 + 0.2) == number_key(0.3)
    assert number_key(-0.0) == number_key(0.0)
    assert number_key(1e15) != number_key(2e15)
    assert number_key(1.00000000001) != number_key(1.0)
    with pytest.raises(ValueError, match="finite"):
        number_key(float("nan"))


def test_json_compares_by_content() -> None:
    assert json_key('{"b": 1.0, "a": [true, null]}') == json_key('{"a":[true,null],"b":1}')
    assert json_key('"\\u00e9"') == json_key('"é"')
    assert json_key("[1, 2]") != json_key("[2, 1]")
    assert json_key("true") != json_key("1")
    # Whole numbers are exact: an identifier of 17 digits is not rounded into its neighbour.
    assert json_key("12345678901234567") != json_key("12345678901234568")
    # Milliseconds since 1970, as writers of floats give them.
    assert json_key("[1700000000123.0, 1.7e12]") == "[1700000000123,1700000000000]"


@pytest.mark.parametrize(
    "document", ["", "{", "NaN", "[1e999]", "[" * 100 + "]" * 100, "[" * 100_000, "9" * 5_000]
)
def test_json_that_cannot_be_read_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        json_key(document)


def test_tiers_of_a_ranking_are_sets() -> None:
    assert ranking_key([["a"], ["c", "b"]]) == ranking_key([["a"], ["b", "c"]])
    assert ranking_key([["a"], ["b"]]) != ranking_key([["b"], ["a"]])
    assert ranking_key([["a", "b"]]) != ranking_key([["a"], ["b"]])
    bad: list[list[list[str]]] = [[], [[]], [["a"], ["a"]]]
    for tiers in bad:
        with pytest.raises(ValueError, match="ranking"):
            ranking_key(tiers)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_canonical_json_is_its_own_canonical_form(value: object) -> None:
    key = json_key(json.dumps(value))
    assert json_key(key) == key
