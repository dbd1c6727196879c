"""Weighted vote: a ballot counts by the log-odds of its voter's estimated accuracy.

    score(v's choice) += ln(a_v (k - 1) / (1 - a_v)),    share(o) = softmax of the scores

a_v: the voter's accuracy, k: the number of options (2 where values are free). If voters err
independently of each other, each wrong option alike, the winner is the likeliest option and the
shares are its posterior: S. Nitzan and J. Paroush, "Optimal Decision Rules in Uncertain Dichotomous
Choice Situations", International Economic Review 23 (1982), 289-297, DOI 10.2307/2526438; for more
than two options J. A. Benediktsson and P. H. Swain, "Consensus Theoretic Classification Methods",
IEEE Transactions on Systems, Man and Cybernetics 22 (1992), 688-704, DOI 10.1109/21.156582. Real
voters err together, so the shares are far too sure of themselves: the outcome names no probability.

Ballots, the options (none: free values) and the skill's weights in, an Outcome out. A voter worse
than chance counts against its choice. Abstentions, samples, ties and odd numbers: see `linear`.
"""

from collections.abc import Iterable, Sequence

from comitia.consensus import linear
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.weights import SkillWeights, log_odds


def decide(ballots: Iterable[Ballot], options: Sequence[str], weights: SkillWeights) -> Outcome:
    """Add up the log-odds. Nothing is raised."""
    return linear.decide(ballots, options, _coefficients(options, weights), 0.0)


def settled(
    ballots: Iterable[Ballot],
    options: Sequence[str],
    weights: SkillWeights,
    open_voters: Iterable[str],
) -> bool:
    """Whether a ballot more of each of `open_voters` (several of a voter that stands there several
    times) leaves the winner in place: see `linear.settled`.
    """
    return linear.settled(ballots, options, _coefficients(options, weights), open_voters)


def _coefficients(options: Sequence[str], weights: SkillWeights) -> linear.Coefficients:
    count = len(set(options))
    return lambda voter: (log_odds(weights.of(voter).accuracy, count), 0.0)
