"""How a vote was counted, in words that need no book: a Method in, a phrase out."""

from collections.abc import Mapping

from comitia.v1 import policy_pb2 as policy
from comitia.v1.decision_pb2 import Decision

METHODS: Mapping[int, str] = {
    policy.METHOD_PLURALITY: "plurality: every ballot counts the same",
    policy.METHOD_PROBABILITY_WEIGHTED: "linear pool: the mean of the agents' probabilities",
    policy.METHOD_APPROVAL: "approval: every option that an agent holds likelier than chance",
    policy.METHOD_WEIGHTED: "weighted vote: a ballot counts by how often its agent has been right",
    policy.METHOD_LOG_POOL: "logarithmic pool: the product of the agents' probabilities",
    policy.METHOD_LEARNED: "learned vote: a ballot counts by what feedback has taught of its agent",
    policy.METHOD_MEDIAN: "median of the numbers",
    policy.METHOD_TRIMMED_MEAN: "mean of the numbers, without the highest and lowest fifth",
    policy.METHOD_WEIGHTED_MEAN: "mean of the numbers, by how often their agents have been right",
    policy.METHOD_FIELDS: "field by field: every field of the JSON by a vote of its own",
    policy.METHOD_BORDA: "Borda: points for every option that is ranked lower",
    policy.METHOD_COPELAND: "Copeland: one point for every option that is beaten one to one",
    policy.METHOD_SCHULZE: "Schulze: the strongest chain of wins, one to one",
    policy.METHOD_MINIMUM_BAYES_RISK: "minimum Bayes risk: the text that is most like all others",
    policy.METHOD_ATTENTION: "attention: a ballot counts by how near its answer is to the question",
}
# Here an agent's probabilities are its vote.
POOLS = frozenset(
    {policy.METHOD_PROBABILITY_WEIGHTED, policy.METHOD_LOG_POOL, policy.METHOD_APPROVAL}
)


def method_words(decision: Decision) -> str:
    """A phrase, with the version of the weights where there were any; "" where nobody voted."""
    if not decision.ballots or not decision.method:
        return ""
    words = METHODS.get(decision.method, f"method {decision.method}")
    if decision.weights_version:
        words += f" (weights version {decision.weights_version} of {decision.skill})"
    return words
