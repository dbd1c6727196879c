"""pref_voting's winners of the same rankings. Runs in its own environment and imports nothing of
Comitia.

In: a file of JSON, a list of profiles, {"options": [name], "ballots": [[tiers, voters]]}, where
tiers are lists of names from the best to the worst, and options that a ballot leaves out stand
below. Out: one line of JSON, {"winners": [{method: [name]}], "seconds": {method: for all}}.
"""

import json
import sys
import time

from pref_voting.c1_methods import copeland  # type: ignore[import-not-found]
from pref_voting.margin_based_methods import beat_path  # type: ignore[import-not-found]
from pref_voting.profiles_with_ties import ProfileWithTies  # type: ignore[import-not-found]
from pref_voting.scoring_methods import (  # type: ignore[import-not-found]
    borda_for_profile_with_ties,
)

METHODS = {"Borda": borda_for_profile_with_ties, "Copeland": copeland, "Schulze": beat_path}


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        profiles = json.load(file)
    seconds = dict.fromkeys(METHODS, 0.0)
    winners = []
    for one in profiles:
        rankings = [
            {option: place for place, tier in enumerate(tiers, 1) for option in tier}
            for tiers, _ in one["ballots"]
        ]
        counts = [voters for _, voters in one["ballots"]]
        profile = ProfileWithTies(rankings, counts, candidates=one["options"])
        profile.use_extended_strict_preference()
        found = {}
        for name, method in METHODS.items():
            began = time.perf_counter()
            found[name] = method(profile)
            seconds[name] += time.perf_counter() - began
        winners.append(found)
    print(json.dumps({"winners": winners, "seconds": seconds}))


if __name__ == "__main__":
    main()
