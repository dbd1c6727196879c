"""Confusion matrices from agreement alone: what each voter says of each class, and so which class
each item has, whatever is right.

In come labels of items by voters, out come probabilities of classes. Voter v says label l of an
item of class j with probability theta[v, j, l], independently of the others: A. P. Dawid and A. M.
Skene, Applied Statistics 28 (1979), 20-28, DOI 10.2307/2346806. Their estimate gives a voter of few
labels rows of zeros and ones. Here each row shrinks to what is expected of such a voter, as if it
had said SHRINKAGE more labels of each class:

    theta[v, j, l] = (n[v, j, l] + SHRINKAGE base[v, j, l]) / (n[v, j] + SHRINKAGE)

n: expected counts. base[v] is the confusion matrix of all voters together, its diagonal moved (by
the odds) to the accuracy of this voter, which itself shrinks to that of all. The maximum a
posteriori is found by expectation and maximization from the shares of votes; partial pooling as in
A. Gelman et al., "Bayesian Data Analysis", 3rd ed. (2013), ch. 5.

Classes mean the same in every item here (spam or not, a grade); where options are named anew in
each question, use `one_coin`. Labels are whole numbers in [0, classes). `estimate` looks at all of
them together and gives the same to the last bit in any order; `Stream` sees each item once, and
keeps counts that do not grow with the items.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comitia.consensus.one_coin import PRIOR_ACCURACY
from comitia.values import value

SHRINKAGE = 4.0
# A stream starts as if everybody together had given so many labels of each class: while little is
# seen, a vote is near to a plain majority, and cannot teach itself its own mistakes.
STREAM_START = 100.0
_ROUNDS, _CONVERGED = 100, 1e-5
# Accuracies stay this far from 0 and 1, so that their odds are finite.
_EDGE = 1e-6

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@value
class Estimate:
    """`posteriors`: float64[items, classes], rows add up to 1. `confusion`: theta, float64[voters,
    classes, labels]. `shares`: float64[classes], of the items.
    """

    posteriors: Floats
    confusion: Floats
    shares: Floats


def estimate(items: ArrayLike, voters: ArrayLike, labels: ArrayLike, classes: int) -> Estimate:
    """`items`, `voters`, `labels`: int64[votes] each, numbered from 0; an item that nobody labelled
    gets the shares of the classes. ValueError where they differ in length or a number is out of
    range.
    """
    item, voter, label = _votes(items, voters, labels, classes)
    items_count, voters_count = (int(each.max(initial=-1)) + 1 for each in (item, voter))
    cell = voter * classes + label
    # Classes come first within, so that sums over votes run along memory.
    votes = [np.bincount(item[label == j], minlength=items_count) for j in range(classes)]
    posteriors = np.stack(votes) / np.maximum(np.sum(votes, axis=0), 1.0)
    for _ in range(_ROUNDS):
        cells = [np.bincount(cell, each[item], voters_count * classes) for each in posteriors]
        by_class = np.array(cells, np.float64).reshape(classes, voters_count, classes)
        counts = by_class.transpose(1, 0, 2)
        shares = _shares(posteriors.sum(axis=1))
        confusion = shrunk(counts)
        logs = np.log(confusion).transpose(1, 0, 2).reshape(classes, -1)
        said = [np.bincount(item, each[cell], items_count) for each in logs]
        renewed = _softmax(np.log(shares)[:, None] + np.stack(said))
        moved = float(np.abs(renewed - posteriors).max(initial=0.0))
        posteriors = renewed
        if moved < _CONVERGED:
            break
    return Estimate(np.ascontiguousarray(posteriors.T), confusion, shares)


def shrunk(counts: Floats, everybody: Floats | None = None) -> Floats:
    """theta: float64[voters, classes, labels], all above 0, from expected counts of that shape.
    `everybody`: float64[classes, labels], counts of all voters where `counts` holds some of them.
    """
    classes = counts.shape[-1]
    whole = counts.sum(axis=0) if everybody is None else everybody
    pooled = whole + _prior(classes)
    usual = float(np.trace(pooled) / pooled.sum())
    right = np.einsum("vjj->v", counts)
    accuracy = (right + SHRINKAGE * usual) / (counts.sum(axis=(1, 2)) + SHRINKAGE)
    pooled /= pooled.sum(axis=1, keepdims=True)
    diagonal = _inside(np.diagonal(pooled))
    odds = _odds(_inside(accuracy)) / _odds(_inside(np.array(usual)))
    moved = odds[:, None] * _odds(diagonal)
    moved = moved / (1.0 + moved)
    others = pooled / (1.0 - diagonal)[:, None]
    own = np.eye(classes, dtype=bool)
    base = np.where(own, moved[:, :, None], (1.0 - moved)[:, :, None] * others)
    theta = counts + SHRINKAGE * base
    return np.asarray(theta / theta.sum(axis=2, keepdims=True))


@dataclass(slots=True)
class Stream:
    """What was seen so far. `classes`: how many. `counts`: voter -> float64[classes, labels],
    expected; one matrix a voter, whatever the number of items. `totals`: float64[classes], items.
    `everybody`: the sum of `counts`, and STREAM_START.
    """

    classes: int
    counts: dict[str, Floats] = field(default_factory=dict)
    totals: Floats = field(init=False)
    everybody: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.totals = np.zeros(self.classes)
        self.everybody = STREAM_START * _prior(self.classes)

    def observe(self, votes: Mapping[str, int]) -> Floats:
        """The probabilities of one item's classes, float64[classes], by what was seen before; then
        count it. `votes`: voter -> label. One step of incremental expectation and maximization: R.
        M. Neal and G. E. Hinton, "A View of the EM Algorithm that Justifies Incremental, Sparse,
        and Other Variants" (1998), DOI 10.1007/978-94-011-5014-9_12. ValueError for a label that is
        no class.
        """
        if not all(0 <= label < self.classes for label in votes.values()):
            raise ValueError(f"labels are whole numbers from 0 to {self.classes - 1}")
        voters = sorted(votes)
        scores = np.log(_shares(self.totals))
        if voters:
            nothing = np.zeros((self.classes, self.classes))
            counts = np.stack([self.counts.get(voter, nothing) for voter in voters])
            labels = [votes[voter] for voter in voters]
            theta = shrunk(counts, self.everybody)
            scores = scores + np.log(theta[np.arange(len(voters)), :, labels]).sum(axis=0)
        found = _softmax(scores)
        for voter in voters:
            kept = self.counts.setdefault(voter, np.zeros((self.classes, self.classes)))
            kept[:, votes[voter]] += found
            self.everybody[:, votes[voter]] += found
        self.totals += found
        return found


def _votes(
    items: ArrayLike, voters: ArrayLike, labels: ArrayLike, classes: int
) -> tuple[Whole, Whole, Whole]:
    """The votes sorted by item, voter and label."""
    item, voter, label = (np.asarray(each, np.int64) for each in (items, voters, labels))
    if not item.shape == voter.shape == label.shape or item.ndim != 1:
        raise ValueError("items, voters and labels must be three lists of the same length")
    if len(item) and (min(item.min(), voter.min(), label.min()) < 0 or label.max() >= classes):
        raise ValueError(f"numbers start at 0, and labels end at {classes - 1}")
    order = np.lexsort((label, voter, item))
    return item[order], voter[order], label[order]


def _prior(classes: int) -> Floats:
    """One label of each class by a voter of whom nothing is known."""
    right = max(PRIOR_ACCURACY, 1.0 / classes)
    wrong = (1.0 - right) / max(1, classes - 1)
    return np.where(np.eye(classes, dtype=bool), right, wrong)


def _shares(totals: Floats) -> Floats:
    """Shares of classes, none 0: one item more of each."""
    return np.asarray((totals + 1.0) / (totals.sum() + len(totals)))


def _softmax(scores: Floats) -> Floats:
    """Along the first axis."""
    grown = np.exp(scores - scores.max(axis=0))
    return np.asarray(grown / grown.sum(axis=0))


def _inside(share: Floats) -> Floats:
    return np.clip(share, _EDGE, 1.0 - _EDGE)


def _odds(share: Floats) -> Floats:
    return np.asarray(share / (1.0 - share))
