"""Which of several texts is closest to all, by chrF or by vectors, whatever is said and in whatever
order.
"""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus import minimum_bayes_risk, plurality
from comitia.consensus.ballots import Ballot
from comitia.consensus.keys import text_key
from comitia.consensus.minimum_bayes_risk import (
    CHARACTERS_MAX,
    PAIRED_CHARACTERS_MAX,
    TEXTS_MAX,
    by_vectors,
    chrf,
    decide,
    settled,
)

CAT = "the cat sat on the mat"
texts = st.text("ab c\N{LATIN SMALL LETTER E WITH ACUTE}", max_size=8)
ballots = st.lists(st.builds(Ballot, st.none() | texts), max_size=9)


def said(*choices: str | None) -> list[Ballot]:
    return [Ballot(choice) for choice in choices]


def test_the_text_closest_to_all_wins_though_each_was_said_once() -> None:
    panel = said(CAT, "the cat sits on the mat", "the cat sat on a mat", "no idea")
    outcome = decide(panel)
    assert (outcome.winner, outcome.tied) == (CAT, ())
    assert (outcome.cast, outcome.abstained) == (4, 0)
    assert plurality.decide(panel).winner is None
    # What was said is counted as it was; the lead is one of expected utility.
    assert set(outcome.shares.values()) == {0.25}
    assert 0.0 < outcome.margin < 0.25


def test_expected_utility_counts_every_ballot_and_the_margin_is_its_lead() -> None:
    table = {("a", "a"): 1.0, ("a", "b"): 0.2, ("b", "a"): 0.6, ("b", "b"): 1.0}

    def utility(candidates: object, references: object) -> list[list[float]]:
        assert candidates == references == ["a", "b"]
        return [[table["a", "a"], table["a", "b"]], [table["b", "a"], table["b", "b"]]]

    # U(a) = (1 + 1 + .2) / 3, U(b) = (.6 + .6 + 1) / 3: equal. With a third "a", a leads.
    tie = decide(said("a", "b", "a"), utility)
    assert (tie.winner, tie.tied, tie.margin) == (None, ("a", "b"), 0.0)
    led = decide(said("a", "b", None, "a", "a"), utility)
    assert (led.winner, led.cast, led.abstained) == ("a", 4, 1)
    assert led.margin == pytest.approx((3 + 0.2) / 4 - (3 * 0.6 + 1) / 4)
    assert led.shares == {"a": 0.75, "b": 0.25}


def test_chrf_is_that_of_its_paper_and_one_for_the_same_text() -> None:
    # By hand, for runs of one and two characters: fastchrf itself is tested where it is made.
    ((same, none),) = chrf(["abc"], ["abc", "xyz"])
    assert (same, none) == (1.0, 0.0)
    # "abcdef" in "abcdefabcdef": precision 1 everywhere, recall 6/12, 5/11, ..., 1/7 (F2).
    recalls = [(6 - order) / (12 - order) for order in range(6)]
    recall = sum(recalls) / 6
    ((found,),) = chrf(["abcdef"], ["abcdefabcdef"])
    assert found == pytest.approx(5 * recall / (4 + recall))
    ((more,),) = chrf(["abcdefabcdef"], ["abcdef"])
    assert more > found


def test_nothing_is_compared_with_nothing() -> None:
    assert (chrf([], ["a"]), chrf(["a"], [])) == ([], [[]])


def test_nobody_said_anything_and_everybody_the_same() -> None:
    empty = decide(said(None, None))
    assert (empty.winner, empty.tied, empty.shares, empty.abstained) == (None, (), {}, 2)
    assert decide([]).cast == 0
    for text in (CAT, "?", " "):
        outcome = decide(said(text, text))
        assert (outcome.winner, outcome.margin, outcome.shares) == (text, 1.0, {text: 1.0})


def test_texts_that_have_nothing_in_common_tie() -> None:
    assert decide(said("abc", "xyz")).tied == ("abc", "xyz")


def test_what_is_no_text_is_compared_all_the_same() -> None:
    outcome = decide(said("\ud800", "", "", "\ud800\udc00"))
    assert outcome.winner == ""


def test_many_long_texts_are_compared_by_their_beginnings() -> None:
    # Where they differ is not read, so they are alike; yet each remains what it is.
    for count, same in ((3, CHARACTERS_MAX), (20, PAIRED_CHARACTERS_MAX // 21**2)):
        long = ["a" * same + "c" * number for number in range(count)]
        assert decide(said(*long, "b")).tied == tuple(sorted(long))
    assert decide(said(*("a" * 2000 + one for one in ("b", "b", "c", "bbb")))).winner is not None


def test_of_very_many_texts_those_that_are_said_most_are_compared() -> None:
    many = [f"{number:04}" for number in range(3 * TEXTS_MAX)]
    compared: list[str] = []

    def same(candidates: Sequence[str], references: Sequence[str]) -> list[list[float]]:
        compared.extend(candidates)
        return [[float(one == other) for other in references] for one in candidates]

    outcome = decide(said(*many, *many[-2:], many[-1]), same)
    assert sorted(compared) == [*many[: TEXTS_MAX - 2], *many[-2:]]
    assert outcome.winner == many[-1]
    assert (outcome.cast, len(outcome.shares)) == (len(many) + 3, len(many))


def test_vectors_say_which_texts_mean_the_same() -> None:
    vectors = {"car": (1.0, 0.1), "automobile": (1.0, 0.0), "vehicle": (0.9, -0.1), "pear": (-1, 0)}
    panel = said("car", "automobile", "vehicle", "pear")
    assert decide(panel, by_vectors(vectors)).winner == "automobile"
    ((same, close, opposite),) = by_vectors(vectors)(["car"], ["car", "automobile", "pear"])
    assert same == 1.0
    assert opposite == pytest.approx(0.0, abs=0.01)
    assert close == pytest.approx(0.5 + 0.5 / 1.01**0.5)


def test_a_text_without_a_usable_vector_is_far_from_all_others() -> None:
    vectors = {"a": (1.0, 0.0), "nan": (float("nan"), 1.0), "zero": (0, 0), "wide": (1.0, 0.0, 0.0)}
    vectors["huge"] = (1.5e308, 1.5e308)
    ((*others, itself),) = by_vectors(vectors)(["nan"], ["a", "zero", "none", "nan"])
    assert (others, itself) == ([0.0, 0.0, 0.0], 1.0)
    assert by_vectors(vectors)(["a"], ["nan", "zero", "wide", "huge"]) == [[0.0] * 4]
    assert decide(said("a", "none", "a"), by_vectors(vectors)).winner == "a"


@given(ballots, st.randoms(use_true_random=False))
def test_no_order_changes_anything(panel: list[Ballot], chance: random.Random) -> None:
    shuffled = list(panel)
    chance.shuffle(shuffled)
    assert decide(shuffled) == decide(panel)


@given(ballots)
def test_saying_all_twice_changes_no_winner(panel: list[Ballot]) -> None:
    once, twice = decide(panel), decide(panel + panel)
    assert (twice.winner, twice.tied) == (once.winner, once.tied)
    assert twice.margin == pytest.approx(once.margin)
    assert 0.0 <= once.margin <= 1.0
    assert sum(once.shares.values()) == pytest.approx(1.0 if once.cast else 0.0)


def test_nothing_is_settled_while_a_ballot_is_out() -> None:
    panel = said(*[CAT] * 9, "a dog")
    assert not settled(panel, 1)
    assert settled(panel, 0)
    assert not settled(said("abc", "xyz"), 0)


def test_self_consistency_is_normalised_plurality() -> None:
    """Wang et al.: many samples, written in one way, and the most frequent answer."""
    samples = ["  The answer is 42\n", "the ANSWER is 42", "The answer is 41"]
    outcome = plurality.decide(said(*map(text_key, samples)))
    assert outcome.winner == "the answer is 42"
    assert minimum_bayes_risk.decide(said(*map(text_key, samples))).winner == "the answer is 42"
