"""Projections for attention, learned from judged answers: which directions of the embedding tell
right answers from wrong ones.

    score(i) = sum over dimensions j of theta_j q_j k_ij,    theta = a + delta

in place of q.k / temperature: projections that are one diagonal matrix, W_q^T W_k = diag(theta).
For every pair of a right and a wrong answer to one task, P(the right one scores higher) = 1 / (1 +
exp(-(score(right) - score(wrong)))); a task's pairs weigh 1 together. The penalised likelihood,
with the precision 1 / SPREADS^2 on delta and nearly none on a, is maximised by Newton's method (R.
A. Bradley and M. E. Terry, "Rank Analysis of Incomplete Block Designs", Biometrika 39 (1952),
324-345, DOI 10.2307/2334029). Of the spreads, 0 (a temperature alone) among them, the one with the
highest likelihood on held-out tasks (FOLDS) is taken, so that more is learned only where it shows.

Judged tasks in, theta out; None with fewer than TASKS_MIN tasks that have both right and wrong
answers: then the plain embeddings count.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from comitia.values import value

TASKS_MIN = 50
FOLDS = 5
# How far a direction's theta may stand from the mean of all: cosines of sentences differ by some
# hundredths, spread over hundreds of directions.
SPREADS = (0.0, 1.0, 3.0, 10.0, 30.0)
_SPREAD_OF_MEAN = 100.0
_STEPS_MAX = 30
_CONVERGED = 1e-6
# Pairs taken of one task.
_PAIRS_MAX = 64

Floats = npt.NDArray[np.float64]


@value
class Judged:
    """One task: `query` float[dimensions], `keys` float[answers, dimensions], unit vectors of one
    embedder; `right`: bool[answers].
    """

    query: Floats
    keys: Floats
    right: npt.NDArray[np.bool_]


def fit(tasks: Sequence[Judged]) -> Floats | None:
    """theta, float64[dimensions]: scores are sum(theta * query * key), weights their softmax."""
    pairs = [found for found in map(_pairs, tasks) if len(found)]
    if len(pairs) < TASKS_MIN:
        return None
    held = [_held_out(pairs, spread) for spread in SPREADS]
    return _theta(*_newton(pairs, SPREADS[int(np.argmax(held))]))


def scores(theta: Floats, query: Floats, keys: Floats) -> Floats:
    """float64[answers]"""
    return np.asarray(keys @ (theta * query), dtype=np.float64)


def _pairs(task: Judged) -> Floats:
    """float64[pairs, dimensions]: q k of a right answer less that of a wrong one."""
    products = task.keys * task.query
    apart = products[task.right][:, None, :] - products[~task.right][None, :, :]
    return np.asarray(apart.reshape(-1, products.shape[1])[:_PAIRS_MAX], dtype=np.float64)


def _held_out(pairs: Sequence[Floats], spread: float) -> float:
    """The log-likelihood of tasks, each by a fit that has not seen it."""
    found = 0.0
    for fold in range(FOLDS):
        seen = [one for n, one in enumerate(pairs) if n % FOLDS != fold]
        theta = _theta(*_newton(seen, spread))
        for one in pairs[fold::FOLDS]:
            found -= float(np.logaddexp(0.0, -(one @ theta)).mean())
    return found


def _theta(mean: float, apart: Floats) -> Floats:
    return mean + apart


def _newton(pairs: Sequence[Floats], spread: float) -> tuple[float, Floats]:
    """(a, delta). The first feature is the sum of all the others: the cosine."""
    rows = np.concatenate(list(pairs))
    shares = np.concatenate([np.full(len(one), 1.0 / len(one)) for one in pairs])
    dimensions = rows.shape[1]
    cosine = rows.sum(axis=1, keepdims=True)
    features = np.hstack([cosine, rows]) if spread > 0.0 else cosine
    precision = np.full(features.shape[1], 1.0 / spread**2 if spread > 0.0 else 1.0)
    precision[0] = 1.0 / _SPREAD_OF_MEAN**2
    beta = np.zeros(features.shape[1])
    for _ in range(_STEPS_MAX):
        wrong = 1.0 / (1.0 + np.exp(np.clip(features @ beta, -500.0, 500.0)))
        slope = features.T @ (shares * wrong) - precision * beta
        bend = (features.T * (shares * wrong * (1.0 - wrong))) @ features + np.diag(precision)
        step = np.linalg.solve(bend, slope)
        beta = beta + step
        if float(np.abs(step).max()) < _CONVERGED:
            break
    return float(beta[0]), beta[1:] if spread > 0.0 else np.zeros(dimensions)
