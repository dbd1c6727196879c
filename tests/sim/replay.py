"""One seed once more, with its plan and all that happened: `python -m tests.sim.replay SEED`.

In comes a seed and optionally `--sabotage NAME`; out come the plan, the trace in virtual time and
the violations. Exit code 1 when there are any.
"""

import argparse
import logging
import sys

from tests.sim import plan
from tests.sim.run import fixed_hashes
from tests.sim.sabotages import SABOTAGES
from tests.sim.simulation import simulate


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("--sabotage", choices=sorted(SABOTAGES))
    parser.add_argument("--logs", action="store_true", help="what the services log, too")
    chosen = parser.parse_args()
    fixed_hashes()
    logging.basicConfig(level=logging.INFO if chosen.logs else logging.CRITICAL + 1)
    made = plan.make(chosen.seed)
    for name in plan.Plan.__slots__:
        if name not in ("publishings", "faults"):
            print(f"{name}: {getattr(made, name)}")
    outcome = simulate(made, SABOTAGES.get(chosen.sabotage))
    for at_ms, who, what in outcome.trace:
        print(f"{at_ms:>7} {who:<16} {what}")
    for violation in outcome.violations:
        print(f"VIOLATION: {violation}")
    print(f"seed {chosen.seed}: {len(outcome.violations)} violations, {outcome.ended_ms} ms")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
