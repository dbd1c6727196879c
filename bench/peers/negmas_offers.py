"""NegMAS's negotiators on given domains. Runs in its own environment and imports nothing of
Comitia.

In: a file of JSON, {"rounds": offers that each may make, "domains": [domain]}, a domain being
{"reservations": [one a party], "utilities": [party: [issue: [option: utility]]]}, utilities summed
over issues. Out: one line of JSON, {"agreed": {negotiator: [per domain the options' numbers, null
for a break-down]}, "seconds": {negotiator: for all}}.
"""

import json
import sys
import time
from typing import Any

from negmas import SAOMechanism, make_issue  # type: ignore[import-not-found]
from negmas.preferences import LinearAdditiveUtilityFunction  # type: ignore[import-not-found]
from negmas.preferences.value_fun import TableFun  # type: ignore[import-not-found]
from negmas.sao import negotiators  # type: ignore[import-not-found]


def agreed(negotiator: Any, domain: dict[str, Any], rounds: int) -> list[int] | None:
    """All parties by one kind of negotiator, in the order in which they are given."""
    sizes = [len(options) for options in domain["utilities"][0]]
    issues = [make_issue(values=size, name=f"i{at}") for at, size in enumerate(sizes)]
    session = SAOMechanism(issues=issues, n_steps=rounds)
    for tables, reservation in zip(domain["utilities"], domain["reservations"], strict=True):
        worth = LinearAdditiveUtilityFunction(
            values=[TableFun(dict(enumerate(options))) for options in tables],
            weights=[1.0] * len(sizes),
            issues=issues,
            reserved_value=reservation,
        )
        session.add(negotiator(), ufun=worth)
    found = session.run()
    if found.has_error:
        raise RuntimeError(found.error_details)
    return None if found.agreement is None else [int(option) for option in found.agreement]


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    made, seconds = {}, {}
    for name in sys.argv[2:]:
        negotiator = getattr(negotiators, name)
        began = time.perf_counter()
        made[name] = [agreed(negotiator, one, asked["rounds"]) for one in asked["domains"]]
        seconds[name] = time.perf_counter() - began
    print(json.dumps({"agreed": made, "seconds": seconds}))


if __name__ == "__main__":
    main()
