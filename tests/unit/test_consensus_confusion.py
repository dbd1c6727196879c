"""Classes from labels alone, of voters whose confusion is known."""

import random

import numpy as np
import pytest

from comitia.consensus.confusion import Stream, estimate

CLASSES = 3
# Voter -> of each class, how likely it says 0, 1, 2.
TRUE = {
    "careful": [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]],
    "no one": [[0.9, 0.05, 0.05], [0.6, 0.1, 0.3], [0.05, 0.05, 0.9]],
    "swaps": [[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]],
    "fair": [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.2, 0.1, 0.7]],
    "able": [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]],
}
VOTERS = tuple(TRUE)
Vote = tuple[int, int, int]


def labelled(items: int, seed: int = 0) -> tuple[list[Vote], list[int]]:
    """(item, voter, label), and the class of each item."""
    chance = random.Random(seed)
    classes = [chance.choices(range(CLASSES), (5, 3, 2))[0] for _ in range(items)]
    votes = [
        (item, voter, chance.choices(range(CLASSES), TRUE[name][right])[0])
        for item, right in enumerate(classes)
        for voter, name in enumerate(VOTERS)
    ]
    return votes, classes


def columns(votes: list[Vote]) -> tuple[list[int], list[int], list[int]]:
    items, voters, labels = zip(*votes, strict=True)
    return list(items), list(voters), list(labels)


def accuracy(found: list[int], classes: list[int]) -> float:
    return float(np.mean(np.equal(found, classes)))


def majority(votes: list[Vote], items: int) -> list[int]:
    counts = np.zeros((items, CLASSES))
    for item, _, label in votes:
        counts[item, label] += 1
    return [int(place) for place in counts.argmax(axis=1)]


def test_confusion_comes_out_of_agreement_alone_and_beats_the_majority() -> None:
    votes, classes = labelled(4_000)
    found = estimate(*columns(votes), CLASSES)
    assert found.confusion == pytest.approx(np.array(list(TRUE.values())), abs=0.06)
    assert found.shares == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    better = accuracy(found.posteriors.argmax(axis=1).tolist(), classes)
    assert better > accuracy(majority(votes, 4_000), classes) + 0.05
    # Who says that it is sure of nine in ten is right in nine of ten.
    sure = found.posteriors.max(axis=1) > 0.9
    right = np.equal(found.posteriors.argmax(axis=1), classes)
    assert right[sure].mean() == pytest.approx(found.posteriors.max(axis=1)[sure].mean(), abs=0.03)


def test_the_order_of_votes_does_not_matter_to_the_last_bit() -> None:
    votes, _ = labelled(200)
    found = estimate(*columns(votes), CLASSES)
    again = estimate(*columns(random.Random(1).sample(votes, len(votes))), CLASSES)
    assert np.array_equal(found.posteriors, again.posteriors)
    assert np.array_equal(found.confusion, again.confusion)


def test_a_voter_of_one_label_is_held_to_be_like_the_others() -> None:
    votes, _ = labelled(500)
    stranger = len(VOTERS)
    found = estimate(*columns([*votes, (0, stranger, 0)]), CLASSES)
    usual = np.mean([np.trace(matrix) for matrix in found.confusion[:stranger]]) / CLASSES
    assert np.trace(found.confusion[stranger]) / CLASSES == pytest.approx(usual, abs=0.2)


def test_everybody_agreeing_is_certain_and_finite() -> None:
    found = estimate([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0], 2)
    assert found.posteriors.argmax(axis=1).tolist() == [1, 0]
    assert np.isfinite(found.confusion).all() and (found.confusion > 0).all()


def test_an_item_without_labels_has_the_shares_of_the_classes() -> None:
    found = estimate([0, 2], [0, 0], [1, 1], 2)
    assert found.posteriors[1] == pytest.approx(found.shares)
    nothing = estimate([], [], [], 2)
    assert nothing.posteriors.shape == (0, 2)
    assert nothing.shares.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("items", "voters", "labels"),
    [([0], [0, 1], [0]), ([0], [0], [2]), ([-1], [0], [0]), ([[0]], [[0]], [[0]])],
)
def test_votes_that_cannot_be_read_are_refused(
    items: list[int], voters: list[int], labels: list[int]
) -> None:
    with pytest.raises(ValueError, match=r"same length|start at 0"):
        estimate(items, voters, labels, 2)


def test_a_stream_learns_who_confuses_what() -> None:
    votes, classes = labelled(2_000)
    stream = Stream(CLASSES)
    found = []
    for item in range(len(classes)):
        cast = {VOTERS[voter]: label for of, voter, label in votes[5 * item : 5 * item + 5]}
        found.append(int(stream.observe(cast).argmax()))
    late = slice(1_000, None)
    assert (
        accuracy(found[late], classes[late])
        > accuracy(majority(votes, 2_000)[late], classes[late]) + 0.05
    )
    assert set(stream.counts) == set(VOTERS)


def test_a_stream_starts_as_a_majority_and_refuses_what_is_no_class() -> None:
    assert Stream(2).observe({}).tolist() == [0.5, 0.5]
    assert Stream(3).observe({"a": 2, "b": 2, "c": 1}).argmax() == 2
    stream = Stream(2)
    with pytest.raises(ValueError, match="from 0 to 1"):
        stream.observe({"a": 2})
    assert not stream.counts
