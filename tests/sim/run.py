"""Many seeds: `python -m tests.sim.run --seeds 10000 [--from N] [--jobs 2] [--sabotage NAME]`.

In comes a range of seeds; out come the seeds that violate an invariant, with the command that
replays each, and a line of counts. Exit code 1 when there are any.
"""

import argparse
import logging
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.sim import plan
from tests.sim.sabotages import SABOTAGES
from tests.sim.simulation import simulate

BATCH = 50
SHOWN_MAX = 20


@dataclass
class Found:
    """Of a batch: `failed` is seed -> violations, `counts` what happened."""

    failed: dict[int, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def fixed_hashes() -> None:
    """Start this program again with fixed hashes of strings: the order of sets follows them."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def run_batch(seeds: range, stop_at_first: bool = False) -> Found:
    logging.disable(logging.CRITICAL)
    found = Found()
    for seed in seeds:
        made = plan.make(seed)
        try:
            outcome = simulate(made)
        except Exception as error:  # noqa: BLE001 - a seed that breaks the simulation is told
            found.failed[seed] = [f"the simulation itself failed: {error!r}"]
            continue
        finally:
            found.counts["seeds"] += 1
        found.counts["tasks"] += sum(p.kind in ("task", "refused") for p in made.publishings)
        found.counts.update(f"fault {fault.kind}" for fault in made.faults)
        found.counts.update(outcome.seen)
        found.counts["lost calls"] += sum("lost" in what for _, _, what in outcome.trace)
        found.counts["transactions"] += sum(
            what.startswith("commit_transaction") for _, _, what in outcome.trace
        )
        if outcome.violations:
            found.failed[seed] = outcome.violations
            if stop_at_first:
                break
    return found


def run_all(seeds: range, jobs: int) -> Found:
    """All seeds in `jobs` processes."""
    whole = Found()
    batches = [seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH)]
    with ProcessPoolExecutor(jobs) as pool:
        for number, found in enumerate(pool.map(run_batch, batches), 1):
            whole.failed |= found.failed
            whole.counts += found.counts
            if number % 20 == 0:
                done = whole.counts["seeds"]
                print(f"{done} seeds, {len(whole.failed)} failed", file=sys.stderr, flush=True)
    return whole


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--sabotage", choices=sorted(SABOTAGES))
    chosen = parser.parse_args()
    fixed_hashes()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    again = "python -m tests.sim.replay"
    if chosen.sabotage:
        SABOTAGES[chosen.sabotage]()
        again += f" --sabotage {chosen.sabotage}"
        found = run_batch(seeds, stop_at_first=True)
    else:
        found = run_batch(seeds) if chosen.jobs == 1 else run_all(seeds, chosen.jobs)
    for seed, violations in sorted(found.failed.items())[:SHOWN_MAX]:
        print(f"seed {seed}: {violations[0]}" + f" (and {len(violations) - 1} more)")
        print(f"    {again} {seed}")
    counts = ", ".join(f"{count} {what}" for what, count in sorted(found.counts.items()))
    print(f"{len(found.failed)} of {found.counts['seeds']} seeds failed ({counts})")
    return 1 if found.failed else 0


if __name__ == "__main__":
    sys.exit(main())
