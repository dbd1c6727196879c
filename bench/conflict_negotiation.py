"""What alternating offers come to on random domains, beside NegMAS's negotiators on the same.

In: seeds, which draw DOMAINS in all, every other one bilateral, the rest of three parties. Out: for
each tactic, all parties by the same, and on how many domains: agreements, agreements that leave a
party below its reservation, how far the outcome is from the Nash point (Euclidean distance of
utilities in [0, 1]; a break-down leaves the reservations), the share of agreements that no other
outcome dominates, and the share of the highest Nash product. NegMAS runs in an environment of its
own; both are measured by the code below, which shares nothing with either.
"""

import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.common import ROOT
from bench.environments import environment
from bench.reports import Figures, Goal, goal
from comitia.consensus.concession import Concession
from comitia.consensus.negotiation import negotiate

DOMAINS = 1_000
# Offers that each party may make.
ROUNDS = 100
TIMEOUT_S = 1_500
PARTIES = (2, 3)
CLOSE = 1e-9

# Ours -> NegMAS's of the same idea. Its Boulware concedes by t^4, ours by t^5; its Conceder by
# t^(1/4), ours by t^(1/5).
RIVALS = {
    Concession.BOULWARE: "BoulwareTBNegotiator",
    Concession.LINEAR: "LinearTBNegotiator",
    Concession.CONCEDER: "ConcederTBNegotiator",
    Concession.TIT_FOR_TAT: "NaiveTitForTatNegotiator",
}

Floats = npt.NDArray[np.float64]
# Per domain the number of each issue's option, None for a break-down.
Outcomes = Sequence[Sequence[int] | None]


@dataclass(frozen=True, slots=True)
class Drawn:
    """`tables`: party -> issue -> option -> utility; the best options of all issues add up to 1.
    `reservations`: one a party, met by some outcome for all of them together.
    """

    tables: Sequence[Sequence[Sequence[float]]]
    reservations: Sequence[float]

    def outcomes(self) -> list[tuple[int, ...]]:
        return list(product(*(range(len(options)) for options in self.tables[0])))

    def worth(self, outcomes: Sequence[Sequence[int]]) -> Floats:
        """float64[parties, outcomes]"""
        return np.asarray(
            [
                [sum(table[at][option] for at, option in enumerate(one)) for one in outcomes]
                for table in self.tables
            ]
        )


def measure(data: Path, seeds: Sequence[int]) -> Figures:
    """All figures, and a table on standard output. Reads nothing of `data`."""
    chances = [random.Random(seed) for seed in seeds]
    drawn = [draw(chances[n % len(chances)], PARTIES[n % 2]) for n in range(DOMAINS)]
    found: dict[str, Outcomes] = {}
    seconds: dict[str, float] = {}
    for tactic in Concession:
        began = time.perf_counter()
        found[_ours(tactic)] = [_negotiated(one, tactic) for one in drawn]
        seconds[_ours(tactic)] = time.perf_counter() - began
    theirs, their_seconds = _negmas(drawn)
    found |= {f"NegMAS {name}": one for name, one in theirs.items()}
    seconds |= {f"NegMAS {name}": one for name, one in their_seconds.items()}
    figures: Figures = {"negotiation: domains": len(drawn)}
    heading = "agreed  below reservation  to Nash point  efficient  of Nash product  seconds"
    for parties in PARTIES:
        print(f"{parties} parties{'':34}{heading}")
        chosen = [n for n, one in enumerate(drawn) if len(one.tables) == parties]
        domains = [drawn[n] for n in chosen]
        for name, outcomes in found.items():
            one = judged(domains, [outcomes[n] for n in chosen])
            figures |= {f"negotiation: {parties} parties, {name}, {k}": v for k, v in one.items()}
            print(
                f"{name:43}{one['agreed']:6.3f}{one['below a reservation']:19.0f}"
                f"{one['distance to the Nash point']:15.3f}{one['Pareto-efficient']:11.3f}"
                f"{one['of the highest Nash product']:17.3f}{seconds[name]:9.1f}",
                flush=True,
            )
    return figures | {f"negotiation: {name}, seconds": one for name, one in seconds.items()}


def goals(figures: Figures) -> list[Goal]:
    """Agreements are rational, and not worse than NegMAS's of the same tactic."""
    found = []
    for parties, (tactic, rival) in product(PARTIES, RIVALS.items()):
        of = f"negotiation: {parties} parties, "
        ours, theirs = f"{of}{_ours(tactic)}, ", f"{of}NegMAS {rival}, "
        below = f"{ours}below a reservation"
        found.append(goal(below, figures.get(below), "<=", 0))
        for what, better in (("distance to the Nash point", "<="), ("Pareto-efficient", ">=")):
            wanted = figures.get(theirs + what, 0.0)
            found.append(goal(ours + what, figures.get(ours + what), better, round(wanted, 4)))
    return found


def draw(chance: random.Random, parties: int) -> Drawn:
    """1 to 4 issues of 2 to 6 options, every one as dear to a party as it happens; reservations
    below 0.5, all of which some outcome meets.
    """
    sizes = [chance.randint(2, 6) for _ in range(chance.randint(1, 4))]
    tables = []
    for _ in range(parties):
        raw = [(chance.random(), [chance.random() for _ in range(size)]) for size in sizes]
        whole = sum(weight * max(values) for weight, values in raw)
        tables.append([[weight * one / whole for one in values] for weight, values in raw])
    free = Drawn(tables, [0.0] * parties)
    met = free.worth(free.outcomes())
    while True:
        reservations = [chance.uniform(0.0, 0.5) for _ in range(parties)]
        if (met >= np.asarray(reservations)[:, None]).all(axis=0).any():
            return Drawn(tables, reservations)


def judged(domains: Sequence[Drawn], outcomes: Outcomes) -> Figures:
    """Means over the domains; violations are counted."""
    agreements = below = efficient = 0
    distances, products = [], []
    for domain, outcome in zip(domains, outcomes, strict=True):
        worth = domain.worth(domain.outcomes())
        least = np.asarray(domain.reservations)
        gains = np.maximum(0.0, worth - least[:, None])
        rational = (worth >= least[:, None] - CLOSE).all(axis=0)
        nash = np.where(rational, np.prod(gains, axis=0), -1.0)
        point = worth[:, int(np.argmax(nash))]
        got = least if outcome is None else domain.worth([outcome])[:, 0]
        distances.append(float(np.linalg.norm(got - point)))
        best = float(nash.max())
        products.append(float(np.prod(np.maximum(0.0, got - least))) / best if best > 0.0 else 1.0)
        if outcome is None:
            continue
        agreements += 1
        below += bool((got < least - CLOSE).any())
        no_worse = (worth >= got[:, None] - CLOSE).all(axis=0)
        efficient += not (no_worse & (worth > got[:, None] + CLOSE).any(axis=0)).any()
    return {
        "agreed": agreements / len(domains),
        "below a reservation": below,
        "distance to the Nash point": float(np.mean(distances)),
        "Pareto-efficient": efficient / max(1, agreements),
        "of the highest Nash product": float(np.mean(products)),
    }


def _ours(tactic: Concession) -> str:
    return tactic.name.lower().replace("_", " ")


def _negotiated(domain: Drawn, tactic: Concession) -> list[int] | None:
    told = {
        f"p{party}": {
            f"i{at}": {str(option): worth for option, worth in enumerate(values)}
            for at, values in enumerate(table)
        }
        for party, table in enumerate(domain.tables)
    }
    least = {f"p{party}": one for party, one in enumerate(domain.reservations)}
    made = negotiate(told, ROUNDS, tactic, least).outcome
    return None if made is None else [int(made[f"i{at}"]) for at in range(len(made))]


def _negmas(drawn: Sequence[Drawn]) -> tuple[Mapping[str, Outcomes], Mapping[str, float]]:
    """Outcomes and seconds by negotiator, from NegMAS's own environment."""
    asked: dict[str, Any] = {
        "rounds": ROUNDS,
        "domains": [{"utilities": d.tables, "reservations": d.reservations} for d in drawn],
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "domains.json"
        file.write_text(json.dumps(asked))
        script = str(ROOT / "bench" / "peers" / "negmas_offers.py")
        # It warns of concessions that it bounds itself.
        python = (str(environment("negmas")), "-W", "ignore")
        command = [*python, script, str(file), *RIVALS.values()]
        done = subprocess.run(
            command,
            # It writes its settings into the home that it is given.
            env={**os.environ, "HOME": folder},
            stdout=subprocess.PIPE,
            check=True,
            timeout=TIMEOUT_S,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return found["agreed"], found["seconds"]
