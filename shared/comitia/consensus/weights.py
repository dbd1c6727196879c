"""What voters weigh: the coefficients that the learner has found for the voters of one skill. Plain
values; `learning` makes them, `weighted` and `learned` use them.

A voter is an agent as one model (`voter_of`): the same agent with another model is somebody else.
"""

import math
from collections.abc import Iterable, Mapping

from comitia.values import value

# What a vote weighs at most, either way, in nats: far beyond any honest weight, and small enough
# that sums of such weights round by less than `ballots.ROUNDING`.
WEIGHT_MAX = 1e3

# An accuracy is taken for at least this and at most 1 minus this, so that its log-odds stay within
# 6.9: no voter is certain because it has not been seen to fail yet.
ACCURACY_MIN = 1e-3


def voter_of(agent: str, model_digest: str) -> str:
    """The name under which an agent's votes are weighed. `model_digest` "" where it names none."""
    return f"{agent}@{model_digest}"


# Role of those who pick among the answers of others.
JUDGE = "judge"


def is_judge(voter: str) -> bool:
    """Whether this voter is an agent as a judge."""
    return voter.partition("@")[0].endswith(f"/{JUDGE}")


def voter_in(agent: str, model_digest: str, role: str) -> str:
    """As `voter_of`, of an agent in a role: as a judge it is somebody else than among those who
    answer. No agent's name holds a slash.
    """
    return voter_of(f"{agent}/{JUDGE}" if role == JUDGE else agent, model_digest)


@value
class VoterWeight:
    """`weight`: what a vote adds to the score of its choice, in nats; 0 does not count.
    `probability_weight`: by what the natural logarithm of the voter's probability of an option is
    multiplied before it is added to that option's score. `accuracy`: estimated share of right
    answers, (0, 1).
    """

    weight: float
    probability_weight: float
    accuracy: float


@value
class SkillWeights:
    """All weights of a skill. `prior` is that of a voter who is not in `voters`. `temperature`,
    above 0, divides the log-odds of the winner's share, which makes it a calibrated probability; 0
    where nothing was calibrated. `learned`: fitted to feedback, and not to agreement alone.
    `without_judges`: what weighs votes in which no judge has a part; None where the same does.
    """

    version: int
    voters: Mapping[str, VoterWeight]
    prior: VoterWeight
    temperature: float
    learned: bool
    without_judges: "SkillWeights | None" = None

    def among(self, voters: Iterable[str]) -> "SkillWeights":
        """The weights for votes cast by these."""
        if self.without_judges is None or any(is_judge(voter) for voter in voters):
            return self
        return self.without_judges

    def of(self, voter: str) -> VoterWeight:
        """The weight of a voter, the prior where nothing is known of it."""
        return self.voters.get(voter, self.prior)


def finite(weight: float) -> float:
    """A weight that can be summed: what is not finite counts for nothing, and WEIGHT_MAX bounds
    the rest.
    """
    if not math.isfinite(weight):
        return 0.0
    return max(-WEIGHT_MAX, min(WEIGHT_MAX, weight))


def log_odds(accuracy: float, options_count: float) -> float:
    """What a vote weighs, in nats, that is right with probability `accuracy` and otherwise falls on
    any of the `options_count` - 1 wrong options alike:

        ln(accuracy * (options_count - 1) / (1 - accuracy))

    Negative for a voter worse than chance; 0 where `accuracy` is not finite. Fewer than 2 options
    count as 2. Source: see `weighted`.
    """
    if not math.isfinite(accuracy):
        return 0.0
    bounded = max(ACCURACY_MIN, min(1.0 - ACCURACY_MIN, accuracy))
    return math.log(bounded * (max(2.0, options_count) - 1.0) / (1.0 - bounded))
