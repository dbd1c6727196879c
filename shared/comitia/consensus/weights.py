"""What voters weigh: the coefficients that the learner has found for the voters of one skill. Plain
values; `learning` makes them, `weighted` and `learned` use them.

A voter is an agent as one model (`voter_of`): the same agent with another model is somebody else.
"""

from collections.abc import Mapping

from comitia.values import value


def voter_of(agent: str, model_digest: str) -> str:
    """The name under which an agent's votes are weighed. `model_digest` "" where it names none."""
    return f"{agent}@{model_digest}"


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
    """All weights of a skill. `prior` is that of a voter who is not in `voters`. `temperature`
    divides the scores before the softmax that makes them calibrated probabilities, above 0; 0 where
    nothing was calibrated. `learned`: fitted to feedback, and not to agreement alone.
    """

    version: int
    voters: Mapping[str, VoterWeight]
    prior: VoterWeight
    temperature: float
    learned: bool

    def of(self, voter: str) -> VoterWeight:
        """The weight of a voter, the prior where nothing is known of it."""
        return self.voters.get(voter, self.prior)
