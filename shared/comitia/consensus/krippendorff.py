"""Krippendorff's alpha: how far voters agree beyond what chance would give.

    alpha = 1 - D_o / D_e
    D_o = 1 / n * sum over units u of d(u) / (m_u - 1),    D_e = d(all units together) / (n (n - 1))
    d(values) = sum over ordered pairs of values of their squared difference

The values that each unit (a task, an item) was given come in; out comes 1 where all agree, 0 where
they agree as values drawn from all units would, below 0 where they differ more than those. Missing
values are left out, and units with fewer than two (m_u of a unit, n of all that are left). The
difference of v and w is, by level of measurement:

- nominal: 1 unless they are equal;
- ordinal: the values that lie between them, half of those of v and w with them: the difference of
  their mean ranks among the n;
- interval: v - w;
- ratio: (v - w) / (v + w), for values of at least 0.

A. F. Hayes and K. Krippendorff, "Answering the Call for a Standard Reliability Measure for Coding
Data", Communication Methods and Measures 1 (2007), 77-89, DOI 10.1080/19312450709336664.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Unit = Iterable[str | float | None]


def alpha(units: Iterable[Unit], level: Level = "nominal") -> float | None:
    """Krippendorff's alpha, at most 1; None where it is not defined: no unit has two values, or
    there is one value alone, so that nothing says what chance would give.

    `units`: the values of each unit, None where one is missing. Any order of units, and of values
    in a unit, gives the same. ValueError where a level other than nominal meets a value that is no
    finite number, or ratio one below 0.
    """
    counts = [Counter(value for value in unit if value is not None) for unit in units]
    pairable = [unit for unit in counts if unit.total() > 1]
    together: Counter[str | float] = Counter()
    for unit in pairable:
        together.update(unit)
    if len(together) < 2:
        return None
    if level == "nominal":
        found = [_unequal(unit) / (unit.total() - 1) for unit in (*pairable, together)]
    else:
        place = _places(together, level)
        placed = (
            [(place[value], count) for value, count in unit.items()]
            for unit in (*pairable, together)
        )
        distance = _relative if level == "ratio" else _squared
        found = [distance(unit) / (sum(count for _, count in unit) - 1) for unit in placed]
    *observed, expected = found
    return 1.0 - math.fsum(observed) / expected


# A value's place on the level's axis, and how often it was given.
_Placed = list[tuple[float, int]]


def _places(together: Mapping[str | float, int], level: Level) -> dict[str | float, float]:
    """Value -> where it stands; the alpha of the other levels depends on no common factor."""
    numbers: dict[str | float, float] = {}
    for value in together:
        if isinstance(value, str) or not math.isfinite(value):
            raise ValueError(f"{value!r} is no finite number, which the level {level} asks for")
        if level == "ratio" and value < 0:
            raise ValueError(f"{value} is below 0, and ratios of such values say nothing")
        numbers[value] = float(value)
    if level == "ordinal":
        return _ranks(together, numbers)
    # No square of a difference overflows.
    largest = max(map(abs, numbers.values()))
    return {value: number / largest for value, number in numbers.items()}


def _ranks(
    together: Mapping[str | float, int], numbers: Mapping[str | float, float]
) -> dict[str | float, float]:
    ranks: dict[str | float, float] = {}
    below = 0
    for value in sorted(numbers, key=numbers.__getitem__):
        ranks[value] = below + together[value] / 2
        below += together[value]
    return ranks


def _unequal(unit: Counter[str | float]) -> int:
    """Ordered pairs of values that are not the same."""
    return unit.total() ** 2 - sum(count**2 for count in unit.values())


def _squared(unit: _Placed) -> float:
    """Sum of the squared differences of ordered pairs: 2 m times that of the distances from the
    mean.
    """
    whole = sum(count for _, count in unit)
    mean = math.fsum(place * count for place, count in unit) / whole
    return 2 * whole * math.fsum(count * (place - mean) ** 2 for place, count in unit)


def _relative(unit: _Placed) -> float:
    """The same of their differences over their sums; 0 and 0 do not differ."""
    return 2 * math.fsum(
        count * others * ((place - other) / (place + other)) ** 2
        for number, (place, count) in enumerate(unit)
        for other, others in unit[:number]
    )
