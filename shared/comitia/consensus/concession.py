"""How a negotiator concedes: what it is content with as time passes. Pure functions of time and of
what others have offered.

Time-dependent tactics ask at time t in [0, 1] for

    target(t) = r + (1 - r) * (1 - t^(1 / beta))

with the reservation r and beta 0.2 (Boulware: late), 1 (linear) or 5 (Conceder: early): the
polynomial family of P. Faratin, C. Sierra and N. R. Jennings, "Negotiation decision functions for
autonomous agents", Robotics and Autonomous Systems 24 (1998), 159-182, DOI
10.1016/S0921-8890(98)00029-3. Tit for tat gives up as much as the others have given it (their
averaged, behaviour-dependent tactic): 1 less by what their offers have risen in its own eyes; and
at least as much as Boulware, for two of whom neither moves first would never agree.
"""

from collections.abc import Mapping, Sequence
from enum import Enum


class Concession(Enum):
    """A tactic; the value of a time-dependent one is its exponent beta."""

    BOULWARE = 0.2
    LINEAR = 1.0
    CONCEDER = 5.0
    TIT_FOR_TAT = 0.0


def target(concession: Concession, time: float, reservation: float, risen: float = 0.0) -> float:
    """The utility that is asked for, in [reservation, 1]. `time`: in [0, 1]. `risen`: by how much
    the others' offers have risen in the party's own utility since their first, at least 0.
    """
    answers = concession is Concession.TIT_FOR_TAT
    beta = Concession.BOULWARE.value if answers else concession.value
    past = min(1.0, max(0.0, time))
    asked = reservation + (1.0 - reservation) * (1.0 - float(past ** (1.0 / beta)))
    if answers:
        asked = min(asked, 1.0 - risen)
    return min(1.0, max(reservation, asked))


def rise(offers: Mapping[str, Sequence[float]]) -> float:
    """By how much the others have conceded: the mean over those who have offered, of the best that
    each has offered less its first. `offers`: party -> the utilities of its offers in turn.
    """
    rises = [max(given) - given[0] for given in offers.values() if given]
    return sum(rises) / len(rises) if rises else 0.0
