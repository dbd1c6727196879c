"""Negotiation: alternating offers among two or more parties over several issues, until all accept
one or the time is over.

The protocol is the stacked alternating offers protocol (R. Aydogan, D. Festen, K. V. Hindriks and
C. M. Jonker, "Alternating Offers Protocols for Multilateral Negotiation", 2017, DOI
10.1007/978-3-319-51563-2_10): in turn, each party accepts the offer that stands, or makes another;
what all others have accepted since it was made is agreed. A party accepts what is worth as much to
it as it asks for by then, and in its last turn all that is not below its reservation (T. Baarslag,
K. Hindriks and C. Jonker, "Acceptance Conditions in Automated Negotiation", 2013, DOI
10.1007/978-3-642-30737-9_6).

Among the outcomes that are worth what it asks for, a party offers the one that the others seem to
like best: options that they have offered often are taken to be dear to them (the frequency model of
the HardHeaded agent: T. van Krimpen, D. Looije and S. Hajizadeh, 2013, DOI
10.1007/978-3-642-30737-9_17). Of those that seem alike it offers what it has offered least, so that
it does not insist on one of many that it would take, then what is worth most to itself. No party
sees another's utilities. Deterministic: parties move in the order of their names, and equal offers
are told apart by their numbers. Utilities in, an Agreement
out; the work is bounded by `bargaining.OUTCOMES_MAX` times the offers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from comitia.consensus.bargaining import TOLERANCE, Domain, Floats, Utilities, domain_of
from comitia.consensus.concession import Concession, rise, target

ROUNDS_DEFAULT = 100


@dataclass(frozen=True, slots=True)
class Agreement:
    """`outcome`: issue -> option, None for a break-down. `number`: of it in the domain, -1 for
    none. `offers`: made in all. `utilities`: party -> [0, 1]; of a break-down the reservations.
    `nash_product`: of the outcome, 0 for none; `nash_product_max`: the highest there is.
    `pareto_efficient`: no outcome is better for one and worse for none.
    """

    outcome: Mapping[str, str] | None
    number: int
    offers: int
    utilities: Mapping[str, float]
    nash_product: float
    nash_product_max: float
    pareto_efficient: bool


@dataclass(slots=True)
class _Party:
    """One negotiator. `worth`: float64[outcomes]. `heard`: other party -> utilities of its offers,
    in turn. `counts`: per other party and issue, how often each option was offered. `offered`: how
    often it has offered each outcome itself, int[outcomes].
    """

    worth: Floats
    concession: Concession
    reservation: float
    counts: list[list[Floats]]
    offered: npt.NDArray[np.intp]
    heard: dict[str, list[float]] = field(default_factory=dict)

    def asks(self, time: float) -> float:
        return target(self.concession, time, self.reservation, rise(self.heard))

    def offer(self, domain: Domain, asked: float) -> int | None:
        """The outcome to offer, counted as offered; None where nothing is worth the reservation."""
        enough = np.flatnonzero(self.worth >= min(asked, float(self.worth.max())) - TOLERANCE)
        if not enough.size or float(self.worth.max()) < self.reservation - TOLERANCE:
            return None
        liked = self._liked(domain, enough)
        best = enough[liked >= liked.max() - TOLERANCE]
        best = best[self.offered[best] == self.offered[best].min()]
        made = int(best[np.argmax(self.worth[best])])
        self.offered[made] += 1
        return made

    def _liked(self, domain: Domain, outcomes: npt.NDArray[np.intp]) -> Floats:
        """How dear these outcomes seem to be to the others together: the product over the others
        of the mean over issues of how often they have offered the option.
        """
        liked = np.ones(len(outcomes))
        for issues in self.counts:
            seen = np.zeros(len(outcomes))
            for at, counts in enumerate(issues):
                highest = counts.max()
                if highest > 0.0:
                    seen += counts[domain.choices[outcomes, at]] / highest
            liked *= seen / len(issues) + TOLERANCE
        return liked


def negotiate(
    utilities: Mapping[str, Utilities],
    rounds: int = ROUNDS_DEFAULT,
    concessions: Mapping[str, Concession] | Concession = Concession.BOULWARE,
    reservations: Mapping[str, float] | float = 0.0,
) -> Agreement:
    """Let the parties negotiate; `rounds`: offers that each may make. `concessions` and
    `reservations` (in [0, 1)): one for all, or by party. ValueError without parties or issues.
    """
    domain = domain_of(utilities)
    return negotiate_in(domain, rounds, concessions, reservations)


def negotiate_in(
    domain: Domain,
    rounds: int = ROUNDS_DEFAULT,
    concessions: Mapping[str, Concession] | Concession = Concession.BOULWARE,
    reservations: Mapping[str, float] | float = 0.0,
) -> Agreement:
    """As `negotiate`, in a domain that is known."""
    least = [
        reservations.get(name, 0.0) if isinstance(reservations, Mapping) else reservations
        for name in domain.parties
    ]
    parties = [
        _Party(
            worth=domain.worth[at],
            concession=_of(concessions, name),
            reservation=least[at],
            counts=[
                [np.zeros(len(options)) for options in domain.options]
                for _ in range(len(domain.parties) - 1)
            ],
            offered=np.zeros(len(domain.choices), dtype=np.intp),
        )
        for at, name in enumerate(domain.parties)
    ]
    agreed, offers = _alternate(domain, parties, rounds)
    products = domain.nash_products(least)
    return Agreement(
        outcome=domain.outcome(agreed) if agreed is not None else None,
        number=-1 if agreed is None else agreed,
        offers=offers,
        utilities={
            name: least[at] if agreed is None else float(domain.worth[at, agreed])
            for at, name in enumerate(domain.parties)
        },
        nash_product=float(products[agreed]) if agreed is not None else 0.0,
        nash_product_max=float(products.max()),
        pareto_efficient=agreed is not None and domain.efficient(agreed),
    )


def _of(concessions: Mapping[str, Concession] | Concession, name: str) -> Concession:
    if isinstance(concessions, Concession):
        return concessions
    return concessions.get(name, Concession.BOULWARE)


def _alternate(domain: Domain, parties: list[_Party], rounds: int) -> tuple[int | None, int]:
    """The outcome that all accept, None for none, and how many offers were made."""
    count = len(parties)
    turns = max(1, rounds) * count
    standing: int | None = None
    accepted = offers = 0
    for turn in range(turns):
        at = turn % count
        party, time = parties[at], turn / turns
        last = turn + count >= turns
        asked = party.reservation if last else party.asks(time)
        if standing is not None and party.worth[standing] >= asked - TOLERANCE:
            accepted += 1
            if accepted == count - 1:
                return standing, offers
            continue
        own = party.offer(domain, asked)
        if own is None:
            # Nothing that could be agreed on is worth its reservation.
            return None, offers
        standing, accepted = own, 0
        offers += 1
        if count == 1:
            return standing, offers
        _hear(domain, parties, at, standing)
    return None, offers


def _hear(domain: Domain, parties: list[_Party], speaker: int, offered: int) -> None:
    """Everybody else notes an offer."""
    taken = domain.choices[offered]
    for at, party in enumerate(parties):
        if at == speaker:
            continue
        party.heard.setdefault(domain.parties[speaker], []).append(float(party.worth[offered]))
        counts = party.counts[speaker if speaker < at else speaker - 1]
        for issue, option in enumerate(taken):
            counts[issue][option] += 1.0
