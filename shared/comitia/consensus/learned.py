"""Learned vote: a ballot counts by the weights that feedback has taught about its voter.

    score(o) = sum over voters v of w_v * [choice_v = o] + u_v * ln p_v(o)
    share(o) = softmax of the scores
    P(winner is right): its share, the log-odds of which are divided by T

with w, u and T of the skill's record, as `learning` fits them (conditional logit: D. McFadden,
"Conditional Logit Analysis of Qualitative Choice Behavior", Frontiers in Econometrics (1974),
105-142). Fitted together, voters who err together share one weight between them, where the log-odds
of `weighted` would count them twice. While a skill has little feedback its record holds the
log-odds instead: the same code, the same decision as `weighted` over that many options.

Ballots, the options (none: free values) and the weights in, an Outcome out, with the calibrated
probability of its winner once the record names a temperature. Abstentions, samples, ties and odd
numbers: see `linear`.
"""

from collections.abc import Iterable, Sequence

from comitia.consensus import linear
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.weights import SkillWeights


def decide(ballots: Iterable[Ballot], options: Sequence[str], weights: SkillWeights) -> Outcome:
    """Add up the weights. Nothing is raised."""
    return linear.decide(ballots, options, _coefficients(weights), weights.temperature)


def settled(
    ballots: Iterable[Ballot],
    options: Sequence[str],
    weights: SkillWeights,
    open_voters: Iterable[str],
) -> bool:
    """Whether a ballot more of each of `open_voters` (several of a voter that stands there several
    times) leaves the winner in place: see `linear.settled`.
    """
    return linear.settled(ballots, options, _coefficients(weights), open_voters)


def _coefficients(weights: SkillWeights) -> linear.Coefficients:
    def of(voter: str) -> tuple[float, float]:
        known = weights.of(voter)
        return known.weight, known.probability_weight

    return of
