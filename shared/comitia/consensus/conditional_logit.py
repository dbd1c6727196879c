"""Conditional logit, fitted by its maximum a posteriori: which option is right, given what each
option has going for it.

    P(o | question) = exp(x_o . b) / sum over o' of exp(x_o' . b)
    b = argmax of sum over questions of ln P(right) - 1/2 sum over j of precision_j (b_j - mean_j)^2

Rows of features in (one row per option of a question), coefficients b out, by Newton's method: the
loss is strictly convex where every precision is above 0, so there is one answer. D. McFadden,
"Conditional Logit Analysis of Qualitative Choice Behavior", Frontiers in Econometrics (1974),
105-142. Only the learner and benchmarks import it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Newton's method ends when no coefficient moves by more than this, in nats, or after STEPS_MAX: it
# needs about six.
PRECISE = 1e-6
STEPS_MAX = 50


@dataclass(frozen=True, slots=True)
class Questions:
    """`features`: float64[rows, columns], the rows of a question next to each other. `starts`:
    intp[questions], the first row of each. `right`: intp[questions], the row of the right option.
    """

    features: Floats
    starts: Indices
    right: Indices

    def owner(self) -> Indices:
        """intp[rows]: the question of each row."""
        lengths = np.diff(np.append(self.starts, len(self.features)))
        return np.repeat(np.arange(len(self.starts)), lengths)

    def only(self, chosen: NDArray[np.bool_]) -> "Questions":
        """The questions where `chosen`, bool[questions], holds."""
        rows = chosen[self.owner()]
        moved = np.cumsum(rows) - 1
        return Questions(self.features[rows], moved[self.starts[chosen]], moved[self.right[chosen]])


@dataclass(frozen=True, slots=True)
class Prior:
    """Normal, each coefficient on its own. float64[columns] each; every precision is above 0."""

    mean: Floats
    precision: Floats


def fit(questions: Questions, prior: Prior, start: Floats) -> tuple[Floats, Floats]:
    """The coefficients, float64[columns], and the inverse of their covariance (the Hessian),
    float64[columns, columns]. `start`: where to look first.
    """
    found = start
    loss, gradient, hessian = _derivatives(questions, prior, found)
    for _ in range(STEPS_MAX):
        step = np.linalg.solve(hessian, gradient)
        if np.abs(step).max(initial=0.0) <= PRECISE:
            break
        # Newton's step may overshoot far from the answer: halve it until it goes down.
        while True:
            tried = _derivatives(questions, prior, found - step)
            if tried[0] <= loss or np.abs(step).max() <= PRECISE:
                break
            step = step / 2
        found, (loss, gradient, hessian) = found - step, tried
    return found, hessian


def _derivatives(questions: Questions, prior: Prior, found: Floats) -> tuple[float, Floats, Floats]:
    """The loss at `found`, its gradient and its Hessian."""
    features, starts, right = questions.features, questions.starts, questions.right
    away = found - prior.mean
    loss = 0.5 * float(prior.precision @ away**2)
    gradient, hessian = prior.precision * away, np.diag(prior.precision)
    if not len(starts):
        return loss, gradient, hessian
    scores = features @ found
    owner = questions.owner()
    scores -= np.maximum.reduceat(scores, starts)[owner]
    raised = np.exp(scores)
    whole = np.add.reduceat(raised, starts)
    chances = raised / whole[owner]
    weighted = features * chances[:, None]
    means = np.add.reduceat(weighted, starts)
    loss += float((np.log(whole) - scores[right]).sum())
    gradient = gradient + weighted.sum(axis=0) - features[right].sum(axis=0)
    hessian = hessian + features.T @ weighted - means.T @ means
    return loss, gradient, hessian
