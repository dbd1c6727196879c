"""What the votes on numbers share: from ballots to the numbers cast, the mean of numbers, and the
outcome that names it.

A ballot's choice is a key of `keys.number_key`; one that is no finite number is not cast. The mean
is exact to float64's rounding whatever the order, and never overflows.
"""

import math
from collections.abc import Iterable, Sequence

from comitia.consensus import made
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.keys import number_key

# Sums of numbers near float64's largest overflow: above this they are summed SHRUNK.
LARGE = 1e280
SHRUNK = 2.0**-64


def numbers(ballots: Iterable[Ballot]) -> tuple[list[tuple[float, str]], int]:
    """The numbers cast, ascending, each with its voter; and how many ballots are not cast."""
    read = [(_number(ballot.choice), ballot.voter) for ballot in ballots]
    cast = sorted((number, voter) for number, voter in read if number is not None)
    return cast, len(read) - len(cast)


def _number(choice: str | None) -> float | None:
    try:
        number = float(choice) if choice is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """sum(w x) / sum(w), between the least and the greatest of `values` (at least one).

    `weights`: finite, not negative; where all are 0, all values weigh the same.
    """
    heaviest = max(weights)
    parts = [weight / heaviest for weight in weights] if heaviest > 0.0 else [1.0] * len(values)
    shrink = SHRUNK if max(map(abs, values)) > LARGE else 1.0
    products = (value * shrink * part for value, part in zip(values, parts, strict=True))
    found = math.fsum(products) / math.fsum(parts)
    counted = [value for value, part in zip(values, parts, strict=True) if part > 0.0]
    # Within bounds before it grows again: rounding must not carry it past the largest float64.
    return max(min(counted) * shrink, min(max(counted) * shrink, found)) / shrink


def outcome(result: float, values: Sequence[float], abstained: int) -> Outcome:
    """`result` as the winner, over ballots that say `values`."""
    return made.outcome(number_key(result), [number_key(value) for value in values], abstained)
