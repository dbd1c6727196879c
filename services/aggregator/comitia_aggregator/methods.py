"""How each method of a vote is carried out: one row a method, over the algorithms of
`comitia.consensus`. Pure.

In come the votes of a panel, what can be chosen and the weights of its skill; out come the outcome,
whether ballots still out can change it, and what each ballot weighed. `method_of` says which method
a task is counted by: the one that its policy asks for, or, where the skill has no weights for it,
the nearest that needs none.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from comitia.consensus import (
    approval,
    attention,
    borda,
    copeland,
    fields,
    learned,
    log_pool,
    median,
    minimum_bayes_risk,
    plurality,
    probability_weighted,
    schulze,
    trimmed_mean,
    weighted,
    weighted_mean,
)
from comitia.consensus.ballots import PROBABILITY_FLOOR, Ballot, Outcome, stated
from comitia.consensus.weights import SkillWeights, VoterWeight, finite, log_odds
from comitia.methods import takes
from comitia.v1 import policy_pb2 as policy
from comitia.v1.policy_pb2 import Method
from comitia.v1.task_pb2 import Task
from comitia.values import value

# Where a skill has no weights; no row that reads weights is reached with it.
NO_WEIGHTS = SkillWeights(0, {}, VoterWeight(0.0, 0.0, 0.5), 0.0, learned=False)


@value
class Votes:
    """What is counted. `options`: ids of a choice, () where answers are compared by their keys."""

    ballots: tuple[Ballot, ...]
    options: tuple[str, ...]
    weights: SkillWeights


@value
class Row:
    """One method. `words`: how its winner leads, with {cast} ballots, {votes} of them for it,
    {share} of the weight. `settled`: whether one ballot more of each of these voters leaves the
    winner in place. `weigh`: what a ballot that was cast weighed; None where all weigh 1.
    `as_written`: see `values.key_of`.
    """

    words: str
    decide: Callable[[Votes], Outcome]
    settled: Callable[[Votes, Sequence[str]], bool]
    weigh: Callable[[Votes, Ballot], float] | None = None
    as_written: bool = False


def method_of(task: Task, weights: SkillWeights | None) -> Method:
    """The method that a task is counted by, given the weights of its skill."""
    asked = task.policy.method
    kind = task.format.WhichOneof("kind") or "text"
    if asked == policy.METHOD_UNSPECIFIED and kind == "choice":
        asked = policy.METHOD_LEARNED
    # The router refuses what a method does not take; somebody else may have opened the panel.
    if asked not in ROWS or not takes(asked, kind):
        return policy.METHOD_PLURALITY
    if asked not in WEIGHING:
        return asked
    if weights is None:
        return WEIGHING[asked]
    if asked == policy.METHOD_LEARNED and not weights.learned:
        return policy.METHOD_WEIGHTED
    return asked


def _by_log_odds(votes: Votes, ballot: Ballot) -> float:
    accuracy = votes.weights.of(ballot.voter).accuracy
    return log_odds(accuracy, len(votes.options)) / _samples(votes, ballot)


def _by_accuracy(votes: Votes, ballot: Ballot) -> float:
    accuracy = votes.weights.of(ballot.voter).accuracy
    return weighted_mean.usable(accuracy) / _samples(votes, ballot)


def _by_learned(votes: Votes, ballot: Ballot) -> float:
    """What the ballot adds to the score of its choice, over what it adds to the other options' on
    the mean, in nats.
    """
    weight = votes.weights.of(ballot.voter)
    given = stated(ballot.probabilities, votes.options) if len(votes.options) > 1 else {}
    apart = 0.0
    if given:
        logs = {o: math.log(max(given.get(o, 0.0), PROBABILITY_FLOOR)) for o in votes.options}
        others = math.fsum(log for o, log in logs.items() if o != ballot.choice)
        apart = logs.get(ballot.choice or "", 0.0) - others / (len(logs) - 1)
    whole = finite(weight.weight) + finite(weight.probability_weight) * apart
    return whole / _samples(votes, ballot)


def _by_attention(votes: Votes, ballot: Ballot) -> float:
    # Equal ballots weigh the same, so the first of them will do.
    return attention.weights(votes.ballots)[votes.ballots.index(ballot)]


def _samples(votes: Votes, ballot: Ballot) -> int:
    """Ballots cast that share the voter's weight."""
    return Counter(b.voter for b in votes.ballots if b.choice is not None)[ballot.voter]


# Methods that read weights, and what is used where the skill has none.
WEIGHING: Mapping[Method, Method] = {
    policy.METHOD_WEIGHTED: policy.METHOD_PLURALITY,
    policy.METHOD_LEARNED: policy.METHOD_PLURALITY,
    policy.METHOD_WEIGHTED_MEAN: policy.METHOD_TRIMMED_MEAN,
}

ROWS: Mapping[Method, Row] = {
    policy.METHOD_PLURALITY: Row(
        "by plurality, {votes} of {cast} ballots",
        lambda v: plurality.decide(v.ballots),
        lambda v, voters: plurality.settled(v.ballots, len(voters)),
    ),
    policy.METHOD_PROBABILITY_WEIGHTED: Row(
        "by the mean of {cast} ballots' probabilities, {share}",
        lambda v: probability_weighted.decide(v.ballots, v.options),
        lambda v, voters: probability_weighted.settled(v.ballots, v.options, len(voters)),
    ),
    policy.METHOD_APPROVAL: Row(
        "by approval of every option held likelier than chance, {share} of all approvals of "
        "{cast} ballots",
        lambda v: approval.decide(v.ballots, v.options),
        lambda v, voters: approval.settled(v.ballots, v.options, len(voters)),
    ),
    policy.METHOD_LOG_POOL: Row(
        "by the geometric mean of {cast} ballots' probabilities, {share}",
        lambda v: log_pool.decide(v.ballots, v.options),
        lambda v, voters: log_pool.settled(v.ballots, v.options, len(voters)),
    ),
    policy.METHOD_WEIGHTED: Row(
        "by weight (how often each agent is estimated to be right), {votes} of {cast} ballots",
        lambda v: weighted.decide(v.ballots, v.options, v.weights),
        lambda v, voters: weighted.settled(v.ballots, v.options, v.weights, voters),
        _by_log_odds,
    ),
    policy.METHOD_LEARNED: Row(
        "by learned weight (fitted to feedback), {votes} of {cast} ballots",
        lambda v: learned.decide(v.ballots, v.options, v.weights),
        lambda v, voters: learned.settled(v.ballots, v.options, v.weights, voters),
        _by_learned,
    ),
    policy.METHOD_MINIMUM_BAYES_RISK: Row(
        "by minimum Bayes risk, {cast} texts compared by chrF",
        lambda v: minimum_bayes_risk.decide(v.ballots),
        lambda v, voters: minimum_bayes_risk.settled(v.ballots, len(voters)),
        as_written=True,
    ),
    policy.METHOD_MEDIAN: Row(
        "as the median of {cast} numbers, {votes} of them just that",
        lambda v: median.decide(v.ballots),
        lambda v, voters: median.settled(v.ballots, len(voters)),
    ),
    policy.METHOD_TRIMMED_MEAN: Row(
        "as the mean of {cast} numbers without the lowest and the highest fifth",
        lambda v: trimmed_mean.decide(v.ballots),
        lambda v, voters: trimmed_mean.settled(v.ballots, len(voters)),
    ),
    policy.METHOD_WEIGHTED_MEAN: Row(
        "as the mean of {cast} numbers by how often each agent is estimated to be right",
        lambda v: weighted_mean.decide(v.ballots, v.weights),
        lambda v, voters: weighted_mean.settled(v.ballots, voters),
        _by_accuracy,
    ),
    policy.METHOD_FIELDS: Row(
        "field by field, {votes} of {cast} ballots say just that",
        lambda v: fields.decide(v.ballots),
        lambda v, voters: fields.settled(v.ballots, len(voters)),
    ),
    policy.METHOD_BORDA: Row(
        "by the places on all ballots (Borda), {votes} of {cast} ballots in just that order",
        lambda v: borda.decide(v.ballots),
        lambda v, voters: borda.settled(v.ballots, len(voters)),
    ),
    policy.METHOD_COPELAND: Row(
        "by duels won (Copeland), {votes} of {cast} ballots in just that order",
        lambda v: copeland.decide(v.ballots),
        lambda v, voters: copeland.settled(v.ballots, len(voters)),
    ),
    policy.METHOD_SCHULZE: Row(
        "by the strongest chains of duels (Schulze), {votes} of {cast} ballots in just that order",
        lambda v: schulze.decide(v.ballots),
        lambda v, voters: schulze.settled(v.ballots, len(voters)),
    ),
    policy.METHOD_ATTENTION: Row(
        "by attention (how near each answer lies to the question), {votes} of {cast} ballots",
        lambda v: attention.decide(v.ballots),
        lambda v, voters: attention.settled(v.ballots, len(voters)),
        _by_attention,
    ),
}
