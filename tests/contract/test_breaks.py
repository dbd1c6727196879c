"""The worth of the contract suite: each deliberate break of LocalLog fails cases that name it, and
the whole LocalLog passes all.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contract.breaks import BREAKS

ROOT = Path(__file__).parents[2]
# The cases without which the break would pass.
CASES = {
    "aborted-are-visible": {
        "test_an_aborted_transaction_is_seen_by_uncommitted_readers_only",
        "test_a_log_that_ends_with_what_was_aborted_is_read_to_its_end",
    },
    "end-ignores-open-transactions": {
        "test_the_end_is_the_last_stable_offset_or_the_high_watermark",
        "test_an_open_transaction_holds_back_what_follows_it",
    },
    "nobody-is-fenced": {
        "test_a_new_holder_of_the_id_fences_the_former",
        "test_a_successor_reads_all_that_the_former_committed",
    },
    "anybody-commits": {"test_a_commit_of_a_lost_partition_is_refused"},
    "markers-take-no-offset": {"test_markers_take_offsets_and_position_moves_past_them"},
    "pauses-survive-a-rebalance": {"test_a_rebalance_forgets_pauses"},
    "metadata-is-dropped": {
        "test_commit_metadata_comes_back",
        "test_metadata_passes_to_the_member_that_takes_the_partition",
    },
    "transactions-stay-open-for-ever": {
        "test_a_transaction_left_open_too_long_fences_its_writer",
        "test_after_a_timeout_a_new_writer_of_the_id_goes_on",
    },
}


def failed_on_local_log(broken: str) -> set[str]:
    """Names of the contract's cases that fail on LocalLog, when it is broken so."""
    command = [sys.executable, "-m", "pytest", "tests/contract", "-q", "--tb=no", "-k", "local"]
    command += ["--ignore=tests/contract/test_breaks.py", "-p", "tests.contract.breaks"]
    command += ["-p", "no:cacheprovider", *(["--break", broken] if broken else [])]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    failed = set(re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)\[local\]", run.stdout, re.M))
    # 0: all passed, 1: some failed; anything else is not a verdict on LocalLog.
    assert run.returncode == (1 if failed else 0), run.stdout + run.stderr
    return failed


@pytest.fixture(scope="module")
def failures() -> Mapping[str, set[str]]:
    """By break, "" for none. The runs mostly wait, so they run beside each other."""
    names = ["", *BREAKS]
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(names, pool.map(failed_on_local_log, names), strict=True))


def test_every_break_is_named() -> None:
    assert set(CASES) == set(BREAKS)


def test_the_whole_local_log_passes(failures: Mapping[str, set[str]]) -> None:
    assert failures[""] == set()


@pytest.mark.parametrize("broken", sorted(CASES))
def test_a_broken_local_log_fails_the_contract(
    broken: str, failures: Mapping[str, set[str]]
) -> None:
    assert failures[broken] >= CASES[broken]
