"""Similarity to labelled examples: only the nearest count, however many there are."""

import numpy as np
import pytest

from comitia_agent import similarity

VECTOR = np.array([1.0, 0.0], dtype=np.float32)
LABELLED = {
    "a": np.array([[0.8, 0.6], [0.6, 0.8], [-1.0, 0.0]], dtype=np.float32),
    "b": np.array([[0.0, 1.0]], dtype=np.float32),
}


def test_only_the_nearest_neighbours_of_each_label_are_averaged() -> None:
    found = similarity.scores(VECTOR, LABELLED, ["b", "a"], neighbours=2, temperature=0.5)
    assert found == pytest.approx([0.0, 1.4])


def test_a_label_with_fewer_examples_is_averaged_over_those_it_has() -> None:
    found = similarity.scores(VECTOR, LABELLED, ["a", "b"], neighbours=9, temperature=1.0)
    assert found == pytest.approx([0.4 / 3, 0.0])
