"""JSON field by field: the document that the fields' votes make, its ties, and when no further
document can change it.
"""

import json
import random
from itertools import combinations_with_replacement, product

from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus import fields
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.fields import MEMBERS_MAX, TIED_MAX, decide, settled
from comitia.consensus.keys import json_key

leaves = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(("x", "{", "", 0.5))
trees = st.recursive(
    leaves,
    lambda inside: (
        st.lists(inside, max_size=2)
        | st.dictionaries(
            st.sampled_from(("a", "b", "\N{LATIN SMALL LETTER E WITH ACUTE}")), inside
        )
    ),
    max_leaves=5,
)
panels = st.lists(st.builds(lambda tree: Ballot(json_key(json.dumps(tree))), trees), max_size=7)


def said(*documents: object) -> list[Ballot]:
    return [Ballot(json_key(json.dumps(one))) for one in documents]


def won(outcome: Outcome) -> object:
    assert outcome.winner is not None
    return json.loads(outcome.winner)


def test_the_result_may_be_a_document_that_nobody_has_said() -> None:
    panel = said(
        {"city": "Graz", "people": {"adults": 2, "children": 1}},
        {"city": "Graz", "people": {"adults": 3, "children": 0}},
        {"city": "Linz", "people": {"adults": 2, "children": 0}},
    )
    outcome = decide(panel)
    assert won(outcome) == {"city": "Graz", "people": {"adults": 2, "children": 0}}
    assert outcome.winner is not None
    assert (outcome.shares[outcome.winner], outcome.tied, outcome.cast) == (0.0, (), 3)
    assert outcome.margin == 2 / 3 - 1 / 3


def test_a_member_stands_where_more_name_it_than_leave_it_out() -> None:
    assert won(decide(said({"a": 1, "b": 1}, {"a": 1, "b": 1}, {"a": 1}))) == {"a": 1, "b": 1}
    assert won(decide(said({"a": 1, "b": 1}, {"a": 1}, {"a": 1}))) == {"a": 1}
    # Two say that there is a b, yet not which: more than either say that there is none.
    apart = said({"b": 1}, {"b": 2}, {}, {}, {"b": 3})
    assert won(decide(apart)) == {}


def test_what_is_no_object_is_compared_as_a_whole_and_votes_on_no_member() -> None:
    assert won(decide(said([1, 2], [1, 3], [1, 2]))) == [1, 2]
    assert won(decide(said({"a": 1}, {"a": 1}, "none", "none", {"a": 2}))) == {"a": 1}
    assert won(decide(said({"a": {"b": 1}}, {"a": {"b": 1}}, {"a": 7}))) == {"a": {"b": 1}}
    assert won(decide(said(0.1 + 0.2, 0.3, 4))) == 0.3


def test_a_tie_in_a_field_names_the_documents_with_each_of_its_leaders() -> None:
    outcome = decide(said({"a": 1, "b": 1}, {"a": 1, "b": 2}))
    assert (outcome.winner, outcome.margin) == (None, 0.0)
    assert outcome.tied == ('{"a":1,"b":1}', '{"a":1,"b":2}')
    both = decide(said({"a": 1, "b": 1}, {"a": 2}))
    assert [json.loads(one) for one in both.tied] == [
        {"a": 1, "b": 1},
        {"a": 1},
        {"a": 2, "b": 1},
        {"a": 2},
    ]
    assert set(both.shares) == {'{"a":1,"b":1}', '{"a":2}'}
    assert decide(said({"a": 1}, 5)).tied == ("5", '{"a":1}')


def test_of_very_many_ties_some_are_named() -> None:
    names = [f"m{number}" for number in range(60)]
    panel = said(dict.fromkeys(names, 1), dict.fromkeys(names, 2))
    tied = decide(panel).tied
    assert len(tied) == len(set(tied)) == TIED_MAX
    assert decide(panel[::-1]).tied == tied


def test_nothing_said_and_nothing_readable() -> None:
    odd = [None, "", "{", "NaN", "[" * 9**5, '{"a":1e999}', "\ud800"]
    panel = [Ballot(choice) for choice in odd]
    assert decide(panel) == Outcome(None, (), {}, 0.0, 0, len(odd))
    assert not settled(panel, 0)
    outcome = decide([*panel, *said({"a": "\ud800"})])
    assert (won(outcome), outcome.cast, outcome.margin) == ({"a": "\ud800"}, 1, 1.0)


def test_a_document_of_very_many_members_is_compared_as_a_whole() -> None:
    large = {f"m{number}": number for number in range(MEMBERS_MAX + 1)}
    assert won(decide(said(large, large, {"a": 1}))) == large
    assert len(decide(said(large, large | {"m0": 9})).tied) == 2
    large.popitem()
    merged = decide(said(large | {"m0": 1}, large | {"m1": 0}, large))
    assert won(merged) == large


@given(panels)
def test_the_result_is_a_key_and_whole_documents_are_unanimous(panel: list[Ballot]) -> None:
    outcome = decide(panel)
    for key in (outcome.winner, *outcome.tied):
        assert key is None or json_key(key) == key
    if len({ballot.choice for ballot in panel}) == 1:
        assert (outcome.winner, outcome.margin) == (panel[0].choice, 1.0)


@given(panels, st.randoms(use_true_random=False))
def test_order_and_copies_do_not_matter(panel: list[Ballot], chance: random.Random) -> None:
    shuffled = list(panel)
    chance.shuffle(shuffled)
    assert decide(shuffled) == decide(panel)
    twice = decide(panel + panel)
    assert (twice.winner, twice.tied) == (decide(panel).winner, decide(panel).tied)


def test_settled_exactly_when_no_further_document_changes_it() -> None:
    documents: tuple[object, ...] = (
        0,
        {},
        {"a": 0},
        {"a": 1},
        {"a": {"b": 0}},
        {"a": {"b": 1}},
        {"c": 1},
    )
    seen = {True: 0, False: 0}
    for size, open_max in product(range(5), range(3)):
        for cast in combinations_with_replacement(documents[:-1], size):
            now = said(*cast)
            winners = {
                decide(now + said(*(one for one in more if one is not None))).winner
                for more in combinations_with_replacement((None, *documents), open_max)
            }
            certain = len(winners) == 1 and None not in winners
            assert settled(now, open_max) == certain, (cast, open_max, winners)
            seen[certain] += 1
    assert min(seen.values()) > 50


def test_what_marks_an_object_is_no_json() -> None:
    for mark in (fields.OBJECT, fields.ABSENT):
        assert decide([Ballot(mark)]).cast == 0
    assert won(decide(said(fields.OBJECT, fields.OBJECT, {}))) == "{"
