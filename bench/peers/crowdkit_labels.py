"""What crowd-kit makes of the same labels. Runs in its own environment and imports nothing of
Comitia.

In: a file of JSON, {"rows": [[task, worker, label], ...], "gold": {task: label}, "methods": [...]}.
Out: one line of JSON, method -> {"labels": {task: label}, "seconds": fitting and predicting, the
least where it is named again}. Every method runs with crowd-kit's own settings; those that can be
told of gold are.
"""

import json
import sys
import time
import warnings
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
from crowdkit import aggregation  # type: ignore[import-not-found]

KNOWS_GOLD = ("DawidSkene", "GoldMajorityVote")


def main() -> None:
    warnings.simplefilter("ignore")
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    votes = pd.DataFrame(asked["rows"], columns=["task", "worker", "label"])
    gold = pd.Series(asked["gold"], dtype=object)
    gold.index.name, gold.name = "task", "true_label"
    found: dict[str, Any] = {}
    for name in asked["methods"]:
        method = getattr(aggregation, name)()
        known = (gold,) if name in KNOWS_GOLD and len(gold) else ()
        began = time.perf_counter()
        labels = method.fit_predict(votes, *known)
        seconds = time.perf_counter() - began
        least = min(seconds, found.get(name, {}).get("seconds", seconds))
        found[name] = {"labels": labels.to_dict(), "seconds": least}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
