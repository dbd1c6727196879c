"""Attention over agents: what lies nearer to the question weighs more, whoever cannot be compared
makes it a plurality, and projections are learned only where judged answers show something.
"""

import math
from itertools import permutations
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus import attention, plurality
from comitia.consensus.attention_fit import TASKS_MIN, Judged, fit, scores
from comitia.consensus.ballots import Ballot

near = st.floats(-1.0, 1.0)
cast = st.builds(
    lambda choice, one: Ballot(choice, embedder="e", similarity=one),
    st.sampled_from(("a", "b", "c", None)),
    near,
)


def ballot(choice: str | None, similarity: float | None, embedder: str = "e") -> Ballot:
    return Ballot(choice, embedder=embedder, similarity=similarity)


def test_a_similarity_is_the_cosine() -> None:
    assert attention.similarity([3.0, 4.0], [0.0, 2.0]) == pytest.approx(0.8)
    assert attention.similarity([1.0, 0.0], [-2.0, 0.0]) == -1.0


@pytest.mark.parametrize(
    "unusable", [[], [0.0, 0.0], [1.0], [math.nan, 1.0], [math.inf, 1.0], [1.5e308, 1.5e308]]
)
def test_vectors_that_do_not_compare_have_none(unusable: list[float]) -> None:
    assert attention.similarity([1.0, -1.0], unusable) is None
    assert attention.similarity(unusable, [1.0, -1.0]) is None


def test_weights_are_the_softmax_of_the_cosines() -> None:
    given = [ballot("a", 0.5), ballot(None, 0.9), ballot("b", 0.4)]
    assert attention.weights(given) == pytest.approx([math.e / (1 + math.e), 0.0, 1 / (1 + math.e)])
    assert attention.weights(given, 0.2)[0] == pytest.approx(1 / (1 + math.exp(-0.5)))


def test_who_lies_nearer_may_outweigh_more_ballots() -> None:
    given = [ballot("a", 0.6), ballot("b", 0.4), ballot("b", 0.4)]
    outcome = attention.decide(given)
    assert outcome.winner == "a"
    assert outcome.shares == pytest.approx(
        {"a": math.e**2 / (math.e**2 + 2), "b": 2 / (math.e**2 + 2)}
    )
    assert plurality.decide(given).winner == "b"


@pytest.mark.parametrize("odd", [ballot("b", None), ballot("b", 0.4, "other")])
def test_where_one_cannot_be_compared_all_weigh_the_same(odd: Ballot) -> None:
    given = [ballot("a", 0.9), ballot("b", 0.1), odd]
    assert attention.weights(given) == pytest.approx([1 / 3] * 3)
    assert attention.decide(given).winner == "b"


@given(st.lists(cast, max_size=5))
def test_shares_are_a_distribution_whatever_the_order(given: list[Ballot]) -> None:
    outcome = attention.decide(given)
    assert outcome.cast + outcome.abstained == len(given)
    assert all(attention.decide(list(other)) == outcome for other in permutations(given))
    assert math.fsum(outcome.shares.values()) == pytest.approx(1.0 if outcome.cast else 0.0)
    for one, weight in zip(given, attention.weights(given), strict=True):
        assert 0.0 <= weight <= 1.0 and (weight == 0.0) == (one.choice is None)


@given(st.lists(cast, max_size=4), cast)
def test_what_is_settled_stays(given: list[Ballot], last: Ballot) -> None:
    before = attention.decide(given)
    for open_count in (0, 1):
        if attention.settled(given, open_count):
            after = attention.decide([*given, last] if open_count else given)
            assert after.winner == before.winner is not None


def judged(chance: Random, useful: bool) -> Judged:
    """Answers in eight directions, of which the first tells what is right, or nothing does."""
    made = np.random.default_rng(chance.randrange(10**9)).normal(size=(5, 8))
    query = np.full(8, 8**-0.5)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    right = made[:, 0] > 0.0 if useful else np.asarray([chance.random() < 0.5 for _ in range(5)])
    return Judged(query, made, right)


def hits(theta: np.ndarray, tasks: list[Judged]) -> float:
    """Share of tasks whose highest score is a right answer."""
    found = [bool(t.right[np.argmax(scores(theta, t.query, t.keys))]) for t in tasks]
    return sum(found) / len(found)


def test_projections_find_the_direction_that_tells() -> None:
    chance = Random(1)
    theta = fit([judged(chance, useful=True) for _ in range(200)])
    assert theta is not None
    unseen = [one for one in (judged(chance, useful=True) for _ in range(300)) if one.right.any()]
    assert theta[0] > 5 * np.abs(theta[1:]).max()
    assert hits(theta, unseen) > 0.97 > 0.75 > hits(np.ones(8), unseen)


def test_little_feedback_and_answers_all_alike_teach_nothing() -> None:
    chance = Random(2)
    few = [judged(chance, useful=True) for _ in range(TASKS_MIN - 1)]
    assert fit(few) is None
    all_right = [Judged(one.query, one.keys, np.ones(5, dtype=bool)) for one in few * 3]
    assert fit(all_right) is None


def test_noise_moves_projections_little() -> None:
    chance = Random(3)
    theta = fit([judged(chance, useful=False) for _ in range(200)])
    assert theta is not None
    spread = [scores(theta, one.query, one.keys).std() for one in [judged(chance, False)] * 3]
    assert max(spread) < 0.5
