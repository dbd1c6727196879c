"""What every algorithm takes and gives: ballots in, an outcome out. Plain values, no message of the
log.

A ballot's `choice` is a key under which equal values compare equal (an option's id, or a key made
by `keys`).
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import field

from comitia.values import value

# Shares closer than this are a tie: it is far above the rounding of a sum of a few thousand
# probabilities in float64, and far below any difference that means something.
TIE_TOLERANCE = 1e-9

# Leads within this of what they must pass are not called settled: what float64 rounds away in sums
# of a few thousand shares is smaller by far.
ROUNDING = 1e-9

# No probability counts as less than this where its logarithm is taken: one voter's certainty that
# an option is wrong can be outvoted, and what a ballot still out may add is bounded.
PROBABILITY_FLOOR = 1e-3


@value
class Ballot:
    """One voter's word.

    `choice` None is an abstention. `probabilities`: option id -> probability in [0, 1], empty where
    the voter gives none. `confidence`: the voter's own probability that its choice is right, [0,
    1], None where it gives none. `voter`: who casts it (see `weights.voter_of`), where votes weigh
    differently. `similarity`: of its answer to the question, [-1, 1], by the vectors of `embedder`;
    None where it came without (see `attention`).
    """

    choice: str | None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    confidence: float | None = None
    voter: str = ""
    embedder: str = ""
    similarity: float | None = None


@value
class Outcome:
    """What the ballots say.

    `winner`: the only leader, None when there is a tie or no ballot was cast. `tied`: the leaders
    when there are several, sorted. `shares`: key -> share of the whole weight, [0, 1], sum 1; empty
    when nothing was cast. `margin`: share of the leader minus that of the next, [0, 1]; 0 for a
    tie, 1 when nobody else has a share. `cast` and `abstained` count ballots. `probability`: that
    the winner is right, calibrated, [0, 1]; None where nothing was calibrated.
    """

    winner: str | None
    tied: tuple[str, ...]
    shares: Mapping[str, float]
    margin: float
    cast: int
    abstained: int
    probability: float | None = None


def lead(shares: Mapping[str, float], cast: int, abstained: int) -> Outcome:
    """Name the winner or the tie among `shares`. Keys within TIE_TOLERANCE of the highest share
    lead together.
    """
    if not shares:
        return Outcome(None, (), {}, 0.0, cast, abstained)
    highest = max(shares.values())
    leaders = sorted(key for key, share in shares.items() if highest - share <= TIE_TOLERANCE)
    if len(leaders) > 1:
        return Outcome(None, tuple(leaders), dict(shares), 0.0, cast, abstained)
    next_best = max((share for key, share in shares.items() if key != leaders[0]), default=0.0)
    margin = min(1.0, max(0.0, highest - next_best))
    return Outcome(leaders[0], (), dict(shares), margin, cast, abstained)


def stated(probabilities: Mapping[str, float], options: Collection[str]) -> Mapping[str, float]:
    """A voter's own probabilities, divided by their sum: option -> [0, 1], sum 1, without the
    options that it leaves out. Empty where they are unusable: none, not finite, negative or above
    1, of something that is no option, or all 0.
    """
    if not probabilities or not all(option in options for option in probabilities):
        return {}
    if not all(map(is_share, probabilities.values())):
        return {}
    total = math.fsum(probabilities.values())
    if total <= 0.0:
        return {}
    return {option: probability / total for option, probability in probabilities.items()}


def is_share(number: float) -> bool:
    """Whether it is a finite number in [0, 1]."""
    return math.isfinite(number) and 0.0 <= number <= 1.0
