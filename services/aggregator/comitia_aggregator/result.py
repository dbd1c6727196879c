"""What a panel has come to so far: what each step of the ladder reads, and leaves to the next.

A count of ballots in, a Result out; then every step makes a Result of a Result. Plain values, pure.
"""

from collections.abc import Mapping
from dataclasses import replace

from comitia.v1.value_pb2 import Value
from comitia.values import value
from comitia_aggregator.tally import Tally

# As a decision's `decided_by` names the first vote.
VOTE = "vote"


@value
class Result:
    """`winner`: key of the value that leads alone, None where none does. `shares`: key -> share of
    the whole weight, [0, 1]. `values`: key -> the value. `margin`: of the winner, [0, 1].
    `probability`: that it is right, calibrated; None where nothing is. `quorate`: enough voted.
    `by`: the step that left this, VOTE for the first. `to_person`: why a person is asked, ""
    where none is.
    """

    winner: str | None
    shares: Mapping[str, float]
    values: Mapping[str, Value]
    margin: float
    probability: float | None
    quorate: bool
    by: str
    to_person: str = ""

    @property
    def decided(self) -> bool:
        """Whether a value won, by enough votes."""
        return self.quorate and self.winner is not None

    def undecided(self, by: str) -> "Result":
        """The same shares, with no winner."""
        return replace(self, winner=None, margin=0.0, probability=None, by=by)


def result_of(tally: Tally, by: str) -> Result:
    """What the ballots say."""
    outcome = tally.outcome
    return Result(
        winner=outcome.winner,
        shares=outcome.shares,
        values=tally.values,
        margin=outcome.margin,
        probability=outcome.probability,
        quorate=tally.quorate,
        by=by,
    )
