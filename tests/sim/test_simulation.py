"""The real loops under seeded faults: no seed violates an invariant, and a broken runtime is found.

Batches run in processes of their own, with fixed hashes, so that a seed's run is the same in each.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.sabotages import SABOTAGES

ROOT = Path(__file__).parents[2]
SEEDS_OF_A_BATCH = 100
BATCHES = 5
# Each sabotage is found within the first so many seeds.
WITHIN = 200


def command(module: str, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(
        [sys.executable, "-m", f"tests.sim.{module}", *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_seed_violates_an_invariant(batch: int) -> None:
    first = str(batch * SEEDS_OF_A_BATCH)
    run = command("run", "--from", first, "--seeds", str(SEEDS_OF_A_BATCH), "--jobs", "2")
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"0 of {SEEDS_OF_A_BATCH} seeds failed" in run.stdout


@pytest.mark.parametrize("sabotage", sorted(SABOTAGES))
def test_a_sabotaged_runtime_is_found(sabotage: str) -> None:
    run = command("run", "--seeds", str(WITHIN), "--sabotage", sabotage)
    assert run.returncode == 1, f"not found in {WITHIN} seeds: {run.stdout}{run.stderr}"
    assert f"python -m tests.sim.replay --sabotage {sabotage} " in run.stdout


def test_the_seed_that_a_run_names_replays_alike_and_shows_its_violation() -> None:
    """Not a fixed seed: what it meets changes with every call that the services make."""
    found = command("run", "--seeds", str(WITHIN), "--sabotage", "forget-decided-tasks").stdout
    named = re.search(r"-m tests\.sim\.replay --sabotage forget-decided-tasks (\d+)", found)
    assert named, found
    seed = named.group(1)
    replays = [command("replay", seed, "--sabotage", "forget-decided-tasks") for _ in range(2)]
    assert [replay.returncode for replay in replays] == [1, 1], replays[0].stderr
    assert replays[0].stdout == replays[1].stdout
    violation = re.search(rf"seed {seed}: (task t\d+ revision 0 has decisions at)", found)
    assert violation, found
    assert f"VIOLATION: {violation.group(1)}" in replays[0].stdout
    assert "commit_transaction aggregator" in replays[0].stdout
