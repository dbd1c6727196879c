"""Whether votes on rankings elect whom pref_voting elects, on real elections and on random ones.

In: DIR/rankings, whose files of any depth are in PrefLib's format (.soc, .soi, .toc, .toi: orders
that are strict or tied, complete or not), and seeds, each of which draws RANDOM small profiles with
ties and gaps. Out: on how many profiles the sets of winners of Borda, Copeland and Schulze differ
from pref_voting's, which runs in an environment of its own, and how long both took.
"""

import json
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.common import ROOT
from bench.environments import environment
from bench.reports import Figures, Goal, goal
from comitia.consensus import borda, copeland, schulze
from comitia.consensus.ballots import Ballot
from comitia.consensus.keys import ranking_key

METHODS = {"Borda": borda.decide, "Copeland": copeland.decide, "Schulze": schulze.decide}
SUFFIXES = (".soc", ".soi", ".toc", ".toi")
RANDOM = 500
TIMEOUT_S = 600

Tiers = list[list[str]]
# {"options": names, "ballots": pairs of tiers and voters}, as the peer reads it.
Profile = dict[str, Any]


def measure(data: Path, seeds: Sequence[int]) -> Figures:
    """All figures, and a table on standard output. FileNotFoundError without any file."""
    real = [read(file) for file in files(data / "rankings")]
    drawn = [one for seed in seeds for one in draw(random.Random(seed))]
    theirs, their_seconds = pref_voting(real + drawn)
    figures: Figures = {
        "rankings: profiles read": len(real),
        "rankings: random profiles": len(drawn),
    }
    print(f"{'':10}  differ  of them random  several winners  seconds  pref_voting's")
    for name in METHODS:
        began = time.perf_counter()
        ours = [winners(name, one) for one in real + drawn]
        seconds = time.perf_counter() - began
        apart = [one != set(other[name]) for one, other in zip(ours, theirs, strict=True)]
        several = sum(len(one) > 1 for one in ours)
        differ, random_ones = sum(apart), sum(apart[len(real) :])
        figures |= {
            f"rankings: {name}, profiles with other winners than pref_voting's": differ,
            f"rankings: {name}, profiles with several winners": several,
            f"rankings: {name}, seconds": seconds,
            f"rankings: {name}, pref_voting's seconds once duels are counted": their_seconds[name],
        }
        numbers = f"{differ:6}  {random_ones:14}  {several:15}  {seconds:7.1f}"
        print(f"{name:10}  {numbers}  {their_seconds[name]:14.1f}", flush=True)
    return figures


def goals(figures: Figures) -> list[Goal]:
    return [
        goal(f"{name} than pref_voting's", figures.get(f"{name} than pref_voting's"), "<=", 0)
        for name in (f"rankings: {method}, profiles with other winners" for method in METHODS)
    ]


def files(folder: Path) -> list[Path]:
    found = sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES)
    if not found:
        raise FileNotFoundError(f"{folder} has no file of {', '.join(SUFFIXES)}")
    return found


def read(file: Path) -> Profile:
    """An election in PrefLib's format: "# NUMBER ALTERNATIVES: 3", then lines such as "12: 3,{1,2}"
    (12 voters put 3 first). ValueError says which line is none.
    """
    options: list[str] = []
    ballots = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if named := re.fullmatch(r"# NUMBER ALTERNATIVES: (\d+)\s*", line):
            options = [str(one) for one in range(1, int(named.group(1)) + 1)]
        elif line.strip() and not line.startswith("#"):
            said = re.fullmatch(
                r"(\d+): *((?:\d+|\{[\d, ]*\})(?: *, *(?:\d+|\{[\d, ]*\}))*) *", line
            )
            if said is None:
                raise ValueError(f"{file}:{number} is no line of voters and their order: {line!r}")
            tiers = [re.findall(r"\d+", tier) for tier in re.findall(r"\d+|\{.*?\}", said.group(2))]
            ballots.append([[tier for tier in tiers if tier], int(said.group(1))])
    return {"options": options, "ballots": ballots}


def draw(chance: random.Random) -> Iterator[Profile]:
    """RANDOM profiles of 2 to 8 options and 1 to 12 ballots, of which some have ties, some gaps."""
    for _ in range(RANDOM):
        options = [str(one) for one in range(1, chance.randint(2, 8) + 1)]
        even, whole = chance.random(), chance.random()
        ballots = []
        for _ in range(chance.randint(1, 12)):
            order = chance.sample(options, len(options))
            if chance.random() > whole:
                order = order[: chance.randint(1, len(order))]
            tiers: Tiers = []
            for option in order:
                if tiers and chance.random() < even:
                    tiers[-1].append(option)
                else:
                    tiers.append([option])
            ballots.append([tiers, chance.randint(1, 5)])
        yield {"options": options, "ballots": ballots}


def winners(method: str, profile: Profile) -> set[str]:
    """Who stands first by Comitia's method. A ballot's last tier is what it leaves out."""
    ballots: list[Ballot] = []
    for tiers, voters in profile["ballots"]:
        rest = sorted(set(profile["options"]).difference(*tiers))
        ballots += [Ballot(ranking_key([*tiers, rest] if rest else tiers))] * voters
    key = METHODS[method](ballots).winner
    return set(json.loads(key)[0]) if key is not None else set()


def pref_voting(
    profiles: Iterable[Profile],
) -> tuple[list[Mapping[str, list[str]]], Mapping[str, float]]:
    """Winners by method for each profile, and seconds by method, from pref_voting's own
    environment.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "profiles.json"
        file.write_text(json.dumps(list(profiles)))
        script = str(ROOT / "bench" / "peers" / "pref_voting_winners.py")
        command = [str(environment("pref_voting")), script, str(file)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_S)
    found = json.loads(done.stdout)
    return found["winners"], found["seconds"]
