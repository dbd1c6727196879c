"""What the votes on rankings share: from ballots to how each option fares against each other one,
and the outcome that names an order of all options.

    M(a, b) = #{ballots that put a above b} - #{ballots that put b above a}

A ballot's choice is a key of `keys.ranking_key`: tiers from the best to the worst, options of a
tier being equal. Options are those that any ballot names; those that a ballot leaves out stand
below all that it names, equal to each other. A choice that is no such key is not cast.

The result is an order, so it never ties: options that are equal share a tier. Its margin is M over
the ballots cast in the first option's narrowest duel, at least 0; 0 where several stand first.
"""

import json
import struct
from collections import Counter
from collections.abc import Iterable, Sequence

from comitia.consensus import made
from comitia.consensus.ballots import Ballot, Outcome
from comitia.consensus.keys import ranking_key
from comitia.values import value

# Bytes of a counter of ballots.
LANE = 4


@value
class Duels:
    """`options`: sorted. `margins`: M by the places of two options. `keys`: of the ballots cast."""

    options: Sequence[str]
    margins: Sequence[Sequence[int]]
    keys: Sequence[str]
    abstained: int


def duels(ballots: Iterable[Ballot]) -> Duels:
    """Nothing is raised."""
    choices = [ballot.choice for ballot in ballots]
    read = {choice: _tiers(choice) for choice in set(choices)}
    named = {choice: ranking_key(tiers) for choice, tiers in read.items() if tiers}
    keys = [named[choice] for choice in choices if choice in named]
    rankings = {key: read[choice] for choice, key in named.items()}
    options = sorted({option for tiers in rankings.values() for tier in tiers for option in tier})
    counted = [(rankings[key], count) for key, count in Counter(keys).items()]
    above = _above(options, counted)
    margins = [
        [one - other for one, other in zip(row, column, strict=True)]
        for row, column in zip(above, zip(*above, strict=True), strict=True)
    ]
    return Duels(options, margins, keys, len(choices) - len(keys))


def _above(
    options: Sequence[str], rankings: Sequence[tuple[Sequence[Sequence[str]], int]]
) -> list[tuple[int, ...]]:
    """How many ballots put the option of a row above that of a column. `rankings`: tiers, and how
    many ballots have them.

    A row is one integer of LANE bytes an option while ballots are added: one addition for an option
    on a ballot, not one for each pair.
    """
    lanes = {option: 1 << 8 * LANE * place for place, option in enumerate(options)}
    rows, everyone = dict.fromkeys(options, 0), sum(lanes.values())
    for tiers, count in rankings:
        below = everyone - sum(lanes[option] for tier in tiers for option in tier)
        for tier in reversed(tiers):
            for option in tier:
                rows[option] += count * below
            below += sum(lanes[option] for option in tier)
    size = len(options)
    unpacked = (row.to_bytes(LANE * size, "little") for row in rows.values())
    return [struct.unpack(f"<{size}I", row) for row in unpacked]


def _tiers(choice: str | None) -> list[list[str]]:
    """The tiers of a key; none where it is not one."""
    try:
        tiers = json.loads(choice or "")
        if not isinstance(tiers, list) or not all(isinstance(tier, list) for tier in tiers):
            return []
        if not all(isinstance(option, str) for tier in tiers for option in tier):
            return []
        ranking_key(tiers)
    except (ValueError, RecursionError):
        return []
    return tiers


def by_score(scores: Sequence[int]) -> list[list[int]]:
    """Places of options in tiers of equal scores, the highest first."""
    return [
        [place for place, score in enumerate(scores) if score == wanted]
        for wanted in sorted(set(scores), reverse=True)
    ]


def outcome(of: Duels, order: Sequence[Sequence[int]]) -> Outcome:
    """`order`: places of the options in tiers; () where nobody has voted."""
    if not of.keys:
        return made.nothing(of.abstained)
    margin = 0.0
    if len(order[0]) == 1:
        first = order[0][0]
        against = [lead for place, lead in enumerate(of.margins[first]) if place != first]
        margin = max(0, min(against, default=len(of.keys))) / len(of.keys)
    key = ranking_key([[of.options[place] for place in tier] for tier in order])
    return made.outcome(key, of.keys, of.abstained, margin)
