"""What there is to bargain for: issues with options, and what every outcome is worth to each party.
Plain numbers; no protocol, no strategy.

An outcome takes one option of every issue. Utilities are additive, and 1 is the best that a party
can get:

    U_p(w) = sum over issues i of u_p,i(w_i) / sum over issues i of max over options o of u_p,i(o)

The Nash point is the outcome that maximises the product of what the parties get above their
reservations (J. F. Nash, "The Bargaining Problem", Econometrica 18 (1950), 155-162, DOI
10.2307/1907266), among those that leave none below it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Outcomes that are looked at: all of them, where there are no more. Beyond, options that are worth
# least to all parties together are left out, so that the work is bounded.
OUTCOMES_MAX = 4_096
# Utilities closer than this are alike.
TOLERANCE = 1e-9

# issue -> option -> utility, finite, not negative.
Utilities = Mapping[str, Mapping[str, float]]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Domain:
    """`parties`, `issues`: names, sorted. `options`: of each issue, sorted. `choices`:
    int[outcomes, issues], the option taken. `worth`: float64[parties, outcomes], in [0, 1].
    """

    parties: tuple[str, ...]
    issues: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]
    choices: npt.NDArray[np.intp]
    worth: Floats

    def outcome(self, number: int) -> dict[str, str]:
        """Issue -> option of one outcome."""
        taken = self.choices[number]
        return {
            issue: options[at]
            for issue, options, at in zip(self.issues, self.options, taken, strict=True)
        }

    def nash_products(self, reservations: Sequence[float]) -> Floats:
        """float64[outcomes]: the product of gains; 0 where one is left below its reservation."""
        gains = self.worth - np.asarray(reservations, dtype=np.float64)[:, None]
        return np.asarray(np.prod(np.where(gains < 0.0, 0.0, gains), axis=0), dtype=np.float64)

    def efficient(self, number: int) -> bool:
        """Whether no outcome is better for a party and worse for none."""
        gained = self.worth - self.worth[:, number][:, None]
        better = (gained > TOLERANCE).any(axis=0) & (gained >= -TOLERANCE).all(axis=0)
        return not bool(better.any())


def domain_of(utilities: Mapping[str, Utilities]) -> Domain:
    """From what the parties say: party -> its utilities. An option that a party does not name is
    worth 0 to it, as is one whose number is negative or not finite. ValueError without parties or
    issues.
    """
    parties = tuple(sorted(utilities))
    issues = tuple(sorted({issue for one in utilities.values() for issue in one}))
    if not parties or not issues:
        raise ValueError("a negotiation needs parties and issues")
    options = [
        sorted({option for one in utilities.values() for option in one.get(issue, {})})
        for issue in issues
    ]
    tables = [_table(utilities, parties, issues[at], options[at]) for at in range(len(issues))]
    while math.prod(map(len, options)) > OUTCOMES_MAX:
        at = max(range(len(issues)), key=lambda one: len(options[one]))
        least = int(np.argmin(tables[at].sum(axis=0)))
        tables[at] = np.delete(tables[at], least, axis=1)
        del options[at][least]
    sizes = [len(named) for named in options]
    choices = np.stack(np.unravel_index(np.arange(math.prod(sizes)), sizes), axis=1)
    best = sum(table.max(axis=1) for table in tables)
    worth = sum(table[:, choices[:, at]] for at, table in enumerate(tables))
    scale = np.where(np.asarray(best) > 0.0, best, 1.0)
    return Domain(
        parties, issues, tuple(map(tuple, options)), choices, np.asarray(worth) / scale[:, None]
    )


def _table(
    utilities: Mapping[str, Utilities], parties: Sequence[str], issue: str, options: Sequence[str]
) -> Floats:
    """float64[parties, options] of one issue."""
    rows = [[_usable(utilities[p].get(issue, {}).get(o, 0.0)) for o in options] for p in parties]
    return np.asarray(rows, dtype=np.float64)


def _usable(utility: float) -> float:
    return utility if math.isfinite(utility) and utility > 0.0 else 0.0
